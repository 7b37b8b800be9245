// SPDX-License-Identifier: Apache-2.0
#include "probe/features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace inflight::probe {

namespace {

struct Feature {
    std::string_view name;     // in JSON
    std::string_view meaning;  // what is so without it, the beginning of a sentence
};

constexpr Feature io_uring{"io_uring", "io_uring is not shown at all"};
constexpr Feature details{"details", "paths, addresses and times of io_uring requests are not shown"};
constexpr Feature lists{"lists",
                        "where io_uring requests wait, and those that were submitted before the start, are not shown"};
constexpr Feature holders{"holders", "who has a file or a ring open is not known, and cancel refuses what needs that"};
constexpr Feature calls{"calls", "system calls of kernel AIO and io_uring, and what they returned, are not shown"};
constexpr Feature aio{"aio", "of requests of kernel AIO only what io_getevents returned is shown"};
constexpr Feature overflow{"overflow", "completions that did not fit into their ring are not counted"};
constexpr Feature refused_sqes{"refused-sqes", "requests that are refused when their SQE is read are not shown"};

struct ProgramRow {
    std::string_view program;
    Feature feature;
};
// A program may have several: the first is given up first.
constexpr std::array program_rows{
    ProgramRow{"uring_submit_req", details},
    ProgramRow{"uring_submit_sqe", details},
    ProgramRow{"uring_complete", details},
    ProgramRow{"uring_submit_req", io_uring},
    ProgramRow{"uring_submit_sqe", io_uring},
    ProgramRow{"uring_complete", io_uring},
    ProgramRow{"uring_create", io_uring},
    ProgramRow{"tracepoint_sys_enter", calls},
    ProgramRow{"tracepoint_sys_exit", calls},
    ProgramRow{"tracepoint_alloc", aio},
    ProgramRow{"tracepoint_free_1", aio},
    ProgramRow{"tracepoint_free_2", aio},
    ProgramRow{"tracepoint_free_3", aio},
    ProgramRow{"uring_cqe_overflow", overflow},
    ProgramRow{"uring_req_failed", refused_sqes},
    ProgramRow{"uring_punt", {"io-wq", "when an io_uring request is handed to a worker is not shown"}},
    ProgramRow{"uring_poll_arm", {"polls-armed", "when an io_uring request begins to wait for its file is not shown"}},
    ProgramRow{"uring_task_add", {"task-work", "when an io_uring request is ready for its thread is not shown"}},
    ProgramRow{"uring_defer", {"drains", "which io_uring requests a drain held back is not shown"}},
    ProgramRow{"uring_link", {"links", "which io_uring requests form a chain is not shown"}},
    ProgramRow{"uring_fail_link", {"broken-links", "which io_uring request broke a chain is not shown"}},
    ProgramRow{"uring_survey",
               {"survey", "what stands in rings, and requests that end without an event, are not seen"}},
    ProgramRow{"uring_lists", lists},
    ProgramRow{"uring_list", lists},
    ProgramRow{"uring_process_exit", {"rings-at-exit", "the end of a ring may be noticed late when its process exits"}},
    ProgramRow{"uring_iterator", {"rings-before", "rings that were there before are shown only when they are used"}},
    ProgramRow{"uring_task_iterator",
               {"rings-without-descriptor", "rings without a descriptor are shown only when they are used"}},
    ProgramRow{"uring_left_iterator", {"rings-being-freed", "what was left by processes that are gone is not shown"}},
    ProgramRow{"census_rings", {"unreaped", "completions that nobody has taken are not shown"}},
    ProgramRow{"census_tasks", {"counts", "how many requests the kernel counts beyond those shown is not known"}},
    ProgramRow{"held_files", holders},
    ProgramRow{"held_tasks", holders},
    ProgramRow{"held_mappings", holders},
    ProgramRow{"process_iterator",
               {"contexts-before", "contexts of kernel AIO that were there before are shown only when they are used"}},
    ProgramRow{"process_unmap", {"unmaps", "memory that is taken away under a request is not noticed"}},
    ProgramRow{"stat_alloc", {"aio", "kernel AIO is not counted"}},
    ProgramRow{"stat_submit_req", io_uring},
    ProgramRow{"stat_submit_sqe", io_uring},
    ProgramRow{"stat_complete", io_uring},
    ProgramRow{"stat_cqe_overflow", overflow},
    ProgramRow{"stat_req_failed", refused_sqes},
    ProgramRow{"stat_register", {"synchronous-cancels", "cancels by io_uring_register are not counted"}},
    ProgramRow{"stat_create", {"new-rings", "a ring at the place of an older one is counted with it"}},
};

// Without io_uring's own none of these has anything to do.
bool belongs_to_io_uring(std::string_view program) {
    constexpr std::array others{"census_rings",      "held_mappings",   "stat_submit_req",
                                "stat_submit_sqe",   "stat_complete",   "stat_register",
                                "stat_cqe_overflow", "stat_req_failed", "stat_create"};
    return program.starts_with("uring_") || std::ranges::find(others, program) != others.end();
}

// A field that programs read only where it exists, in each form that they know: one suffices.
struct FieldRow {
    std::array<std::string_view, 2> forms;
    Feature feature;
};
constexpr std::array field_rows{
    FieldRow{{"io_open.filename*", "io_open.filename.__incomplete_filename*"},
             {"path-openat", "paths of openat are not shown"}},
    FieldRow{{"io_statx.filename*", "io_statx.filename.__incomplete_filename*"},
             {"path-statx", "paths of statx are not shown"}},
    FieldRow{{"io_unlink.filename*", "io_unlink.filename.__incomplete_filename*"},
             {"path-unlinkat", "paths of unlinkat are not shown"}},
    FieldRow{{"io_mkdir.filename*", "io_mkdir.filename.__incomplete_filename*"},
             {"path-mkdirat", "paths of mkdirat are not shown"}},
    FieldRow{{"io_rename.oldpath*", "io_rename.oldpath.__incomplete_filename*"},
             {"path-renameat", "paths of renameat are not shown"}},
    FieldRow{{"io_link.oldpath*", "io_link.oldpath.__incomplete_filename*"},
             {"path-linkat", "paths of linkat and symlinkat are not shown"}},
    FieldRow{{"io_xattr.filename*", "io_xattr.filename.__incomplete_filename*"},
             {"path-xattr", "paths of extended attributes are not shown"}},
    FieldRow{{"io_timeout_data.ts.tv_sec", "io_timeout_data.time"}, {"timeouts", "times of timeouts are not shown"}},
    FieldRow{{"io_ring_ctx.compat", "io_ring_ctx.int_flags"},
             {"32-bit-rings", "requests of 32-bit programs are taken for those of 64-bit ones"}},
    FieldRow{{"io_ring_ctx.work_llist.first*", "io_ring_ctx.work_head*"},
             {"ready-work", "requests that are ready and wait for their thread are not told from others that wait"}},
    FieldRow{{"io_kiocb.task*", "io_kiocb.tctx*"},
             {"submitters", "who submitted what was in flight before is not known"}},
};

// Where the kernel has no io_uring at all nothing of it is missing.
constexpr std::string_view sign_of_io_uring = "io_kiocb.opcode";

}  // namespace

bool GivenUp::give_up(const RefusedProgram& refused) {
    for (const auto& row : program_rows) {
        if (row.program != refused.program || without_.contains(row.feature.name)) {
            continue;
        }
        without_.insert(row.feature.name);
        if (row.feature.name == io_uring.name) {
            // The whole says it for its parts.
            std::erase_if(lost_, [](const model::LostFeature& lost) {
                return std::ranges::any_of(program_rows, [&](const ProgramRow& part) {
                    return part.feature.name == lost.name && belongs_to_io_uring(part.program);
                });
            });
        }
        lost_.push_back({.name = std::string(row.feature.name),
                         .reason = refused.reason,
                         .meaning = std::string(row.feature.meaning)});
        return true;
    }
    return false;
}

bool GivenUp::is_without(std::string_view program) const {
    if (without_.contains(io_uring.name) && belongs_to_io_uring(program)) {
        return true;
    }
    return std::ranges::any_of(program_rows, [&](const ProgramRow& row) {
        return row.program == program && row.feature.name != details.name && without_.contains(row.feature.name);
    });
}

std::vector<model::LostFeature> lost_with_fields(const KernelTypes& types) {
    std::vector<model::LostFeature> lost;
    if (!types.has_field(sign_of_io_uring)) {
        return lost;
    }
    for (const auto& row : field_rows) {
        if (std::ranges::any_of(row.forms, [&](std::string_view form) { return types.has_field(form); })) {
            continue;
        }
        std::string_view field = row.forms.front();
        field.remove_suffix(field.ends_with('*') ? 1 : 0);
        lost.push_back({.name = std::string(row.feature.name),
                        .reason = fmt::format("this kernel has no {} that is known", field),
                        .meaning = std::string(row.feature.meaning)});
    }
    return lost;
}

std::string field_in_relocation(std::string_view relocation) {
    for (const std::string_view kind : {"struct ", "union ", "enum "}) {
        if (relocation.starts_with(kind)) {
            relocation.remove_prefix(kind.size());
        }
    }
    std::string field(relocation.substr(0, relocation.find_first_of(" (\n")));
    if (const auto flavour = field.find("___"); flavour != std::string::npos) {
        field.erase(flavour, field.find('.', flavour) == std::string::npos ? std::string::npos
                                                                           : field.find('.', flavour) - flavour);
    }
    return field;
}

}  // namespace inflight::probe
