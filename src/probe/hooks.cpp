// SPDX-License-Identifier: Apache-2.0
#include "probe/hooks.hpp"

#include "catalog/syscalls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace inflight::probe {

namespace {

consteval HookSpec of_call(ifl_syscall syscall, std::string_view sees, std::string_view name = {}) {
    return {name.empty() ? catalog::syscall_names[syscall] : name,
            HookKind::call,
            catalog::syscall_function(syscall, IFL_ABI_X86_64),
            syscall,
            sees,
            true};
}

constexpr std::array specs{
    of_call(IFL_IO_SETUP, "contexts created"),
    of_call(IFL_IO_DESTROY, "contexts destroyed"),
    of_call(IFL_IO_SUBMIT, "batches, and how long a submit took"),
    // The classic name of this hook; the kernel has no function do_io_cancel.
    of_call(IFL_IO_CANCEL, "cancel attempts", "do_io_cancel"),
    of_call(IFL_IO_GETEVENTS, "events reaped"),
    of_call(IFL_IO_PGETEVENTS, "events reaped"),
    of_call(IFL_IO_URING_SETUP, "rings made"),
    of_call(IFL_IO_URING_ENTER, "submissions that block, and the event where it is asked for"),
    of_call(IFL_IO_URING_REGISTER, "what is registered, and synchronous cancels"),
    HookSpec{"io_submit_one", HookKind::request, "io_submit_one", std::nullopt, "requests accepted or refused", true},
    HookSpec{"aio_prep_rw", HookKind::request, "aio_prep_rw", std::nullopt, "reads and writes, the kernel's iocb",
             false},
    HookSpec{"aio_poll_queue_proc", HookKind::request, "aio_poll_queue_proc", std::nullopt, "polls", false},
    HookSpec{"aio_complete", HookKind::request, "aio_complete", std::nullopt, "completions", false},
    HookSpec{"sched_process_exit", HookKind::process, "", std::nullopt, "processes that end", false},
    HookSpec{"sched_process_fork", HookKind::process, "", std::nullopt, "children, where the filter follows them",
             false},
    HookSpec{"iter/task", HookKind::process, "", std::nullopt, "contexts and polls that were there before", false},
    HookSpec{"io_uring_complete", HookKind::uring, "io_uring_complete", std::nullopt, "io_uring requests that end",
             false},
    HookSpec{"io_uring_submit", HookKind::uring, "io_uring_submit_req", std::nullopt,
             "io_uring requests that are submitted", false},
    HookSpec{"io_uring_steps", HookKind::uring, "io_uring_poll_arm", std::nullopt,
             "polls armed, work handed to io-wq, links, drains", false},
    HookSpec{"io_uring_create", HookKind::uring, "io_uring_create", std::nullopt, "rings made", false},
    HookSpec{"io_wq_submit_work", HookKind::extra, "io_wq_submit_work", std::nullopt,
             "which io-wq worker runs a request, and from when", false},
    HookSpec{"io_ring_ctx_wait_and_kill", HookKind::extra, "io_ring_ctx_wait_and_kill", std::nullopt,
             "the moment a ring is closed", false},
    HookSpec{"iter/task_file", HookKind::uring, "io_uring_create", std::nullopt, "rings that were there before", false},
};

constexpr std::array preference{Tier::fentry, Tier::kprobe, Tier::tracepoint};

constexpr std::string_view slab_loss =
    "seen at the slab allocator: a completion is timed at the free right after it, iocb fields come from user memory, "
    "the errno of a refused iocb shows only when it is the first of its batch";
constexpr std::string_view syscall_tracepoint_loss =
    "sys_enter and sys_exit slow every system call of the machine by 0.1 to 0.2 µs";
constexpr std::string_view kretprobe_loss =
    "a return is missed when more threads are in the call than the kernel has probe instances";

constexpr std::string_view extra_loss =
    "no function of io_uring can be hooked: the io-wq worker of a request is known only where the request also "
    "completed in it, and the end of a ring is noticed up to 50 ms late";

std::optional<std::string> refused(std::string_view hook, Tier tier, const std::vector<Refusal>& refusals) {
    for (const auto& refusal : refusals) {
        if (refusal.tier == tier && (refusal.hook == "*" || refusal.hook == hook)) {
            return refusal.reason;
        }
    }
    return std::nullopt;
}

struct Choosing {
    std::optional<Tier> forced;
    const std::vector<Refusal>& refusals;
    const Possible& why_not;
};

// The best tier for one hook, and why not a better one. Tier::none when there is no way at all.
HookChoice choose(const HookSpec& spec, std::span<const Tier> tiers, const Choosing& how) {
    HookChoice choice{.spec = &spec, .tier = Tier::none, .refused = {}, .lost = {}};
    for (const Tier tier : tiers) {
        const bool own_tracepoint = spec.kind == HookKind::process || spec.kind == HookKind::uring;
        if (how.forced && tier != *how.forced && !own_tracepoint) {
            continue;
        }
        auto reason = refused(spec.name, tier, how.refusals);
        if (!reason) {
            reason = how.why_not(tier, spec.function);
        }
        if (!reason) {
            choice.tier = tier;
            return choice;
        }
        choice.refused.push_back(fmt::format("{}: {}", name(tier), *reason));
    }
    return choice;
}

bool sees_io_uring(const HookChoice& hook) {
    return hook.spec->kind == HookKind::uring && hook.tier != Tier::none;
}

// Whether it is done without when no tier is left.
bool is_given_up(std::string_view hook, const std::vector<Refusal>& refusals) {
    return std::ranges::any_of(refusals,
                               [&](const Refusal& refusal) { return refusal.given_up && refusal.hook == hook; });
}

Failure no_way(const HookChoice& choice, std::optional<Tier> forced) {
    return failure(fmt::format("attach the hook {}", choice.spec->name),
                   fmt::format("{}", fmt::join(choice.refused, "; ")),
                   forced ? "leave out --hooks to let inflight choose another tier"
                          : "run `inflight doctor` to see what this kernel allows");
}

}  // namespace

std::string_view name(Tier tier) {
    constexpr std::array<std::string_view, 4> names{"none", "fentry", "kprobe", "tracepoint"};
    return names.at(static_cast<std::size_t>(tier));
}

std::optional<Tier> tier_by_name(std::string_view text) {
    const auto* const found = std::ranges::find(preference, text, [](Tier tier) { return name(tier); });
    return found == preference.end() ? std::nullopt : std::optional(*found);
}

std::span<const HookSpec> hook_specs() {
    return specs;
}

bool Plan::degraded() const {
    return std::ranges::any_of(hooks,
                               [](const HookChoice& hook) { return hook.tier == Tier::none || !hook.lost.empty(); });
}

std::string Plan::tiers() const {
    std::vector<std::string_view> used;
    for (const Tier tier : preference) {
        const auto uses = [tier](const HookChoice& hook) {
            return hook.tier == tier && (hook.spec->kind == HookKind::call || hook.spec->kind == HookKind::request);
        };
        if (std::ranges::any_of(hooks, uses)) {
            used.push_back(name(tier));
        }
    }
    return fmt::format("{}", fmt::join(used, " and "));
}

Result<Plan> plan_hooks(std::optional<Tier> forced, const std::vector<Refusal>& refusals, const Possible& why_not) {
    const Choosing how{.forced = forced, .refusals = refusals, .why_not = why_not};
    const std::span functions_only(preference.data(), 2);
    Plan plan;
    std::vector<HookChoice> requests;
    for (const auto& spec : specs) {
        if (spec.kind == HookKind::call) {
            auto choice = choose(spec, preference, how);
            if (choice.tier == Tier::none && !is_given_up(spec.name, refusals)) {
                return no_way(choice, forced);
            }
            if (choice.tier == Tier::tracepoint) {
                plan.calls_by_tracepoint |= 1U << *spec.syscall;
                choice.lost = syscall_tracepoint_loss;
            } else if (choice.tier == Tier::kprobe) {
                choice.lost = kretprobe_loss;
            }
            plan.hooks.push_back(std::move(choice));
        } else if (spec.kind == HookKind::extra) {
            auto choice = choose(spec, functions_only, how);
            if (choice.tier == Tier::none) {
                choice.lost = extra_loss;
            }
            plan.hooks.push_back(std::move(choice));
        } else if (spec.kind == HookKind::request) {
            requests.push_back(choose(spec, functions_only, how));
        } else {
            auto choice = choose(spec, std::span(&preference.back(), 1), how);
            if (choice.tier == Tier::none) {
                choice.lost = fmt::format("not seen: {}", spec.purpose);
            }
            plan.hooks.push_back(std::move(choice));
        }
    }
    // One function without a probe would leave a kind of request without its address: then the slab shows them all.
    const auto missing = std::ranges::find(requests, Tier::none, &HookChoice::tier);
    if (missing != requests.end() && is_given_up(missing->spec->name, refusals)) {
        if (std::ranges::none_of(plan.hooks, &sees_io_uring)) {
            return no_way(*missing, forced);
        }
        for (auto& request : requests) {
            request.tier = Tier::none;
        }
    } else if (missing != requests.end()) {
        if (forced && *forced != Tier::tracepoint) {
            return no_way(*missing, forced);
        }
        plan.requests_by_tracepoint = true;
        const auto tracepoint_refused = [&refusals](HookChoice& request) {
            const auto reason = refused(request.spec->name, Tier::tracepoint, refusals);
            if (reason) {
                request.refused.push_back(fmt::format("tracepoint: {}", *reason));
            }
            return reason.has_value();
        };
        // The one that is missing comes first: it is why the others need a tracepoint.
        if (tracepoint_refused(*missing)) {
            return no_way(*missing, forced);
        }
        for (auto& request : requests) {
            if (request.tier != Tier::none) {
                request.refused.push_back(
                    fmt::format("{}: not without the hook {}", name(request.tier), missing->spec->name));
            }
            if (tracepoint_refused(request)) {
                return no_way(request, forced);
            }
            request.tier = Tier::tracepoint;
            request.lost = slab_loss;
        }
    }
    const auto calls = std::ranges::count(specs, HookKind::call, &HookSpec::kind);
    plan.hooks.insert(plan.hooks.begin() + calls, std::make_move_iterator(requests.begin()),
                      std::make_move_iterator(requests.end()));
    return plan;
}

}  // namespace inflight::probe
