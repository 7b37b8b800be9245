// SPDX-License-Identifier: Apache-2.0
#include "probe/programs.hpp"

#include "catalog/syscalls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace inflight::probe {

namespace {

constexpr unsigned cookie_abi_shift = 8;  // as in bpf/aio_kprobe.bpf.c
constexpr std::array<const char*, 3> free_programs{"tracepoint_free_1", "tracepoint_free_2", "tracepoint_free_3"};
// Beside fentry_aio_complete; kprobes gain nothing by it: the kernel skips them all while one runs.
constexpr std::array<const char*, 2> complete_again{"fentry_aio_complete_2", "fentry_aio_complete_3"};

struct HookPrograms {
    std::string_view hook;
    std::string_view program;
    std::string_view tracepoint;  // that must exist for it; empty: always does
};
// Order matters: the programs that see a completion are attached before those that see a submission (see attach()).
constexpr std::array hook_programs{
    // The last look at a process's rings comes before the record of its end.
    HookPrograms{"sched_process_exit", "uring_process_exit", "io_uring_complete"},
    HookPrograms{"sched_process_exit", "process_exit", ""},
    HookPrograms{"sched_process_fork", "process_fork", ""},
    HookPrograms{"iter/task", "process_iterator", ""},
    HookPrograms{"io_uring_complete", "uring_complete", "io_uring_complete"},
    HookPrograms{"io_uring_complete", "uring_cqe_overflow", "io_uring_cqe_overflow"},
    HookPrograms{"io_uring_steps", "uring_punt", "io_uring_queue_async_work"},
    HookPrograms{"io_uring_steps", "uring_poll_arm", "io_uring_poll_arm"},
    HookPrograms{"io_uring_steps", "uring_task_add", "io_uring_task_add"},
    HookPrograms{"io_uring_steps", "uring_defer", "io_uring_defer"},
    HookPrograms{"io_uring_steps", "uring_link", "io_uring_link"},
    HookPrograms{"io_uring_steps", "uring_fail_link", "io_uring_fail_link"},
    HookPrograms{"io_uring_create", "uring_create", "io_uring_create"},
    HookPrograms{"io_uring_submit", "uring_req_failed", "io_uring_req_failed"},
    HookPrograms{"io_uring_submit", "uring_submit_req", "io_uring_submit_req"},
    HookPrograms{"io_uring_submit", "uring_submit_sqe", "io_uring_submit_sqe"},
    HookPrograms{"iter/task_file", "uring_iterator", ""},
    HookPrograms{"iter/task_file", "uring_task_iterator", ""},
    HookPrograms{"iter/task", "uring_left_iterator", ""},
};

}  // namespace

// In 6.1 io_uring_submit_req is called io_uring_submit_sqe.
bool has_tracepoint(const KernelTypes& types, std::string_view name) {
    return types.tracepoint_arguments(name) ||
           (name == "io_uring_submit_req" && types.tracepoint_arguments("io_uring_submit_sqe"));
}

std::vector<Attachment> attachments(const HookChoice& choice, const KernelTypes& types, const Symbols& symbols) {
    std::vector<Attachment> list;
    const auto& spec = *choice.spec;
    const auto add = [&](std::string_view function, std::uint64_t cookie) {
        const bool call = spec.kind == HookKind::call;
        if (choice.tier == Tier::fentry) {
            list.push_back({fmt::format("fentry_{}", function), std::string(function), false, 0});
            if (spec.returns) {
                list.push_back({fmt::format("fexit_{}", function), std::string(function), true, 0});
            }
        } else {
            const std::string_view suffix = call ? "call" : function;
            list.push_back({fmt::format("kprobe_{}", suffix), std::string(function), false, cookie});
            if (spec.returns) {
                list.push_back({fmt::format("kretprobe_{}", suffix), std::string(function), true, cookie});
            }
        }
    };
    if (choice.tier != Tier::fentry && choice.tier != Tier::kprobe) {
        return list;
    }
    if (spec.kind == HookKind::request || spec.kind == HookKind::extra) {
        add(spec.function, 0);
        if (spec.function == "aio_complete" && choice.tier == Tier::fentry) {
            for (const auto* again : complete_again) {
                list.push_back({again, std::string(spec.function), false, 0});
            }
        }
        return list;
    }
    for (const auto& function : catalog::syscall_entries) {
        const bool there =
            choice.tier == Tier::fentry ? types.has_function(function.function) : symbols.contains(function.function);
        if (function.syscall == *spec.syscall && there) {
            add(function.function, static_cast<std::uint64_t>(function.syscall) |
                                       static_cast<std::uint64_t>(function.abi) << cookie_abi_shift);
        }
    }
    return list;
}

std::vector<std::string> tracepoint_programs(const Plan& plan, const KernelTypes& types, const ifl_config& config) {
    std::vector<std::string> programs;
    if (config.unmaps_wanted != 0) {
        programs.emplace_back("process_unmap");
    }
    if (plan.requests_by_tracepoint) {
        programs.insert(programs.end(), free_programs.begin(), free_programs.end());
        programs.emplace_back("tracepoint_alloc");
    }
    if (plan.calls_by_tracepoint != 0) {
        programs.insert(programs.end(), {"tracepoint_sys_exit", "tracepoint_sys_enter"});
    }
    for (const auto& hook : plan.hooks) {
        if (hook.spec->kind != HookKind::process && hook.spec->kind != HookKind::uring) {
            continue;
        }
        for (const auto& each : hook_programs) {
            const bool there = each.tracepoint.empty() || types.tracepoint_arguments(each.tracepoint).has_value();
            if (each.hook == hook.spec->name && hook.tier != Tier::none && there &&
                (each.program != "process_fork" || config.follow_children != 0)) {
                programs.emplace_back(each.program);
            }
        }
    }
    if (config.census_cpus != 0) {
        programs.insert(programs.end(), {"census_tasks", "held_tasks"});
    }
    programs.emplace_back("held_files");
    const bool rings = std::ranges::find(programs, "uring_complete") != programs.end();
    if (rings) {
        programs.insert(programs.end(), {"uring_survey", "uring_lists"});
        if (config.census_cpus != 0) {
            programs.insert(programs.end(), {"census_rings", "uring_list", "held_mappings"});
        }
    }
    return programs;
}

std::string_view hook_of_program(std::string_view program) {
    const auto* const row = std::ranges::find(hook_programs, program, &HookPrograms::program);
    return row != hook_programs.end() ? row->hook : program.starts_with("tracepoint_sys") ? "*" : "io_submit_one";
}

bool has_twins(std::string_view program) {
    return program.starts_with("tracepoint_free_") || program.starts_with("fentry_aio_complete");
}

}  // namespace inflight::probe
