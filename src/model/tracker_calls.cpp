// SPDX-License-Identifier: Apache-2.0
// The tracker's part that deals with system calls: events, cancels, and the findings that calls give.
#include "base/units.hpp"
#include "model/files.hpp"
#include "model/tracker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace inflight::model {

namespace {

std::string comm_of(const ifl_task& task) {
    return {&task.comm[0], strnlen(&task.comm[0], IFL_COMM_BYTES)};
}

Finding finding_of(const ifl_call& call) {
    Finding finding;
    finding.time_ns = call.header.time_ns;
    finding.pid = call.task.pid;
    finding.tid = call.task.tid;
    finding.comm = comm_of(call.task);
    return finding;
}

// An iocb address is used again, and so is a kernel address; both and the time of submission are one request. The
// kernel address of an fsync is known at its end only.
bool same_request(const Request& a, const Request& b) {
    const bool addresses_differ =
        a.kernel_address != 0 && b.kernel_address != 0 && a.kernel_address != b.kernel_address;
    return !addresses_differ && a.address == b.address && a.submit_ns == b.submit_ns;
}

constexpr std::uint16_t poll_opcode = 5;  // IOCB_CMD_POLL

bool is_uring(const ifl_call& call) {
    return call.syscall >= IFL_IO_URING_SETUP && call.syscall <= IFL_IO_URING_REGISTER;
}

bool accepted(const ifl_call& call) {
    return call.ret == -EINPROGRESS || call.ret == 0;
}

// Of the requests in flight with the iocb of an accepted cancel, the one that it took: polls can be cancelled, and the
// kernel's list is in the order of submission (fs/aio.c, io_cancel). `last`: none.
template <typename Iterator>
Iterator taken_in_flight(Iterator first, Iterator last, const ifl_call& call) {
    const auto rank = [](const Request& request) {
        return std::pair(request.opcode.value_or(poll_opcode) != poll_opcode, request.submit_ns.value_or(0));
    };
    Iterator best = last;
    for (auto each = first; each != last; ++each) {
        const Request& request = *each->second->request;
        if (each->second->taken_ns || request.submit_ns.value_or(0) > call.header.time_ns) {
            continue;
        }
        if (best == last || rank(request) < rank(*best->second->request)) {
            best = each;
        }
    }
    return best;
}

}  // namespace

bool Tracker::could_have_taken(const ifl_call& call, const Request& request) {
    return accepted(call) && call.context_id == request.context_id && call.args[1] == request.address &&
           request.poll_cancelled && request.complete_ns && *request.complete_ns >= call.start_ns;
}

void Tracker::on_iocbs(const ifl_iocbs& record) {
    const std::size_t count = std::min<std::size_t>(record.count, IFL_IOCBS_PER_RECORD);
    auto& partial = partial_[record.call_id];
    partial.time_ns = record.header.time_ns;
    // Where a record was lost the others keep their places.
    for (std::uint32_t i = 0; i < count; i++) {
        partial.iocbs.emplace_back(record.first_index + i, record.iocbs[i]);
    }
}

void Tracker::on_call(const ifl_call& record) {
    // An io_uring_enter that also waits for completions is meant to take long.
    const bool only_submits = record.syscall == IFL_IO_URING_ENTER && record.args[1] != 0 && record.args[2] == 0;
    if (record.syscall == IFL_IO_SUBMIT || only_submits) {
        check_submit(record);
    }
    if (record.syscall == IFL_IO_SETUP) {
        check_setup(record);
    }
    if (record.syscall == IFL_IO_CANCEL && (record.flags & (IFL_CALL_IN_PROGRESS | IFL_CALL_EXIT_MISSED)) == 0) {
        PendingCancel pending{
            .call = record, .tier = static_cast<Tier>(record.header.tier), .taken = nullptr, .finished = {}};
        claim_taken(pending);
        if (pending.taken || decidable_at_once(record)) {
            resolve(pending);
        } else {
            pending_.push_back(std::move(pending));
            pending_by_iocb_.emplace(record.args[1], std::prev(pending_.end()));
        }
    }
    if (is_uring(record)) {
        uring_.on_call(record);
    }
    if ((options_.events_wanted & event_bit(record.syscall)) != 0) {
        emit_event(record);
    } else if (is_uring(record)) {
        (void)uring_.take_details(record);
    }
}

void Tracker::emit_event(const ifl_call& record) {
    Event event;
    event.call = record;
    if (is_uring(record)) {
        event.family = Family::uring;
        event.details = uring_.take_details(record);
    }
    event.tier = static_cast<Tier>(record.header.tier);
    if (const auto path = names_.cgroups.find(record.task.cgroup_id); path != names_.cgroups.end()) {
        event.cgroup_path = path->second;
        event.container_id = container_id_in(path->second);
    }
    event.in_progress = (record.flags & IFL_CALL_IN_PROGRESS) != 0;
    event.exit_missed = (record.flags & IFL_CALL_EXIT_MISSED) != 0;
    event.decoded = (record.flags & IFL_CALL_NOT_DECODED) == 0;
    if (const auto found = partial_.find(record.call_id); found != partial_.end()) {
        for (const auto& [index, iocb] : found->second.iocbs) {
            if (iocb.state == IFL_READ_NOT_TRIED) {
                continue;
            }
            IocbArgument argument{.index = index,
                                  .address = iocb.address,
                                  .readable = iocb.state == IFL_READ_OK,
                                  .bytes = {},
                                  .file = {}};
            std::copy(std::begin(iocb.bytes), std::end(iocb.bytes), argument.bytes.begin());
            argument.file = names_.file(iocb.file_id);
            event.iocbs.push_back(std::move(argument));
        }
        event.returned = std::move(found->second.returned);
        if (!event.in_progress) {
            partial_.erase(found);
        }
    }
    sink_.on_event(event);
}

void Tracker::check_submit(const ifl_call& record) {
    const bool in_progress = (record.flags & IFL_CALL_IN_PROGRESS) != 0;
    const std::uint64_t took_ns = record.header.time_ns - std::min(record.header.time_ns, record.start_ns);
    if (took_ns < options_.slow_submit_ns || (record.flags & IFL_CALL_EXIT_MISSED) != 0) {
        return;
    }
    // One finding a call: while it blocks, if it blocks that long, else when it has returned.
    if (!in_progress && slow_submits_.erase(record.call_id) != 0) {
        return;
    }
    if (in_progress && !slow_submits_.emplace(record.call_id, record.start_ns).second) {
        return;
    }
    Finding finding = finding_of(record);
    finding.code = "slow-submit";
    if (is_uring(record)) {
        finding.message = fmt::format("io_uring_enter {} for {} while it submitted {} and waited for none",
                                      in_progress ? "has been blocking" : "blocked", format_duration(took_ns),
                                      counted(record.args[1], "request"));
        finding.advice =
            "submission is meant not to wait: look for buffered I/O that no page cache has, operations that cannot be "
            "tried without blocking, a full request queue of the device; IOSQE_ASYNC hands such requests to a worker";
        sink_.on_finding(finding);
        return;
    }
    finding.message =
        in_progress
            ? fmt::format("io_submit of {} has been blocking for {} ({} accepted so far)",
                          counted(record.args[1], "request"), format_duration(took_ns), record.accepted)
            : fmt::format("io_submit of {} took {}", counted(record.args[1], "request"), format_duration(took_ns));
    finding.advice =
        "io_submit is meant not to wait: look for buffered I/O, a file opened without O_DIRECT, a write that extends "
        "the "
        "file, a full request queue of the device";
    sink_.on_finding(finding);
}

void Tracker::check_setup(const ifl_call& record) {
    if (record.ret != -EAGAIN || (record.flags & (IFL_CALL_IN_PROGRESS | IFL_CALL_EXIT_MISSED)) != 0) {
        return;
    }
    Finding finding = finding_of(record);
    finding.code = "aio-max-nr-exhausted";
    finding.severity = Severity::critical;
    finding.message = fmt::format("io_setup({}) failed with EAGAIN: aio-max-nr{} is used up", record.args[0],
                                  options_.aio_max_nr == 0 ? "" : fmt::format(" ({})", options_.aio_max_nr));
    finding.advice = "find the contexts that hold it in the summary, or raise fs.aio-max-nr";
    sink_.on_finding(finding);
}

bool Tracker::decidable_at_once(const ifl_call& call) {
    if (call.ret == -EFAULT) {
        return true;
    }
    if (call.ret != -EINVAL) {
        return false;
    }
    return (call.key_state == IFL_READ_OK && call.aio_key != 0) || (call.flags & IFL_CALL_CTX_AT_ENTRY) == 0;
}

void Tracker::remember(ContextState& context, const TrackedPtr& tracked) {
    // A snapshot that is just being delivered may have it in flight still.
    std::erase_if(snapshot_, [&](const auto& each) { return same_request(*each->request, *tracked->request); });
    constexpr std::size_t kept_per_iocb = 4;
    if (context.history.size() >= options_.history_limit / 2 && !context.history.contains(tracked->request->address)) {
        context.history_dropped = context.history_dropped || !context.older_history.empty();
        context.older_history = std::exchange(context.history, {});
    }
    auto& requests = context.history[tracked->request->address];
    if (requests.size() == kept_per_iocb) {
        requests.erase(requests.begin());
    }
    requests.push_back(tracked);
    const auto [first, last] = context.in_flight.equal_range(tracked->request->address);
    const auto same = std::find_if(
        first, last, [&tracked](const auto& entry) { return same_request(*entry.second->request, *tracked->request); });
    if (same != last) {
        context.in_flight.erase(same);
    }
}

std::vector<Tracker::TrackedPtr> Tracker::finished_of(const ContextState& context, std::uint64_t address) {
    std::vector<TrackedPtr> finished;
    for (const auto* generation : {&context.older_history, &context.history}) {
        if (const auto found = generation->find(address); found != generation->end()) {
            finished.insert(finished.end(), found->second.begin(), found->second.end());
        }
    }
    return finished;
}

// A cancel may be waiting for exactly this end, or to learn what was in flight when it was made.
void Tracker::tell_pending(const TrackedPtr& tracked) {
    const Request& request = *tracked->request;
    const auto [first, last] = pending_by_iocb_.equal_range(request.address);
    PendingCancel* taker = nullptr;
    for (auto each = first; each != last; ++each) {
        PendingCancel& pending = *each->second;
        if (pending.call.context_id != request.context_id ||
            request.submit_ns.value_or(0) > pending.call.header.time_ns) {
            continue;
        }
        pending.finished.push_back(tracked);
        const bool earlier = taker == nullptr || pending.call.start_ns < taker->call.start_ns;
        if (!pending.taken && earlier && could_have_taken(pending.call, request)) {
            taker = &pending;
        }
    }
    if (taker != nullptr) {
        taker->taken = tracked;
        tracked->taken_ns = taker->call.start_ns;
        decide_outcome(*tracked);
        resolve_pending(0, false);
    }
}

void Tracker::on_in_flight(const ifl_request& record) {
    auto tracked = std::make_shared<Tracked>();
    tracked->request = std::make_shared<Request>(request_from(record));
    snapshot_.push_back(std::move(tracked));
}

void Tracker::on_snapshot(const ifl_snapshot& record) {
    for (auto& [id, state] : contexts_) {
        state->in_flight.clear();
    }
    for (auto& tracked : snapshot_) {
        const Request& request = *tracked->request;
        ContextState& context = context_state(request.context_id);
        const auto finished = finished_of(context, request.address);
        const bool ended =
            std::ranges::any_of(finished, [&](const auto& each) { return same_request(*each->request, request); });
        if (!ended) {
            context.in_flight.emplace(request.address, std::move(tracked));
        }
    }
    snapshot_.clear();
    resolve_pending(record.begin_ns != 0 ? record.begin_ns : record.header.time_ns, record.final != 0);
}

// The target of an accepted cancel may have completed, in a worker, before the call itself returned.
void Tracker::claim_taken(PendingCancel& pending) {
    const auto context = contexts_.find(pending.call.context_id);
    if (context == contexts_.end() || pending.call.context_id == 0) {
        return;
    }
    pending.finished = finished_of(*context->second, pending.call.args[1]);
    for (const TrackedPtr& tracked : pending.finished) {
        const bool older = !pending.taken || *tracked->request->complete_ns < *pending.taken->request->complete_ns;
        if (!tracked->taken_ns && older && could_have_taken(pending.call, *tracked->request)) {
            pending.taken = tracked;
        }
    }
    if (pending.taken) {
        pending.taken->taken_ns = pending.call.start_ns;
        if (!pending.taken->handed_out) {
            decide_outcome(*pending.taken);
        }
    }
}

KnownContext Tracker::explain_context(const ifl_call& call) const {
    KnownContext known;
    const auto ctx_id = call.args[0];
    if (const auto grave = graves_.find({call.task.pid, ctx_id}); grave != graves_.end()) {
        known.why = KnownContext::Why::destroyed;
        known.destroyed_ns = grave->second.destroyed_ns;
        return known;
    }
    for (const auto& [id, state] : contexts_) {
        const Context& context = state->context;
        if (context.ctx_id == ctx_id && context.pid != call.task.pid && !state->gone) {
            known.why = KnownContext::Why::other_process;
            known.owner_pid = context.pid;
            known.owner_comm = context.comm;
            // The parent is the likely one: the address was good there.
            if (context.pid == call.task.ppid) {
                break;
            }
        }
    }
    return known;
}

void Tracker::resolve(PendingCancel& pending) {
    const ifl_call& call = pending.call;
    CancelFacts facts;
    facts.call = &call;
    facts.context = explain_context(call);
    facts.history_incomplete = losses_;
    const auto add = [&](const TrackedPtr& tracked) {
        const Request& request = *tracked->request;
        // A cancel that began later than this one cannot explain it.
        auto taken_ns = tracked->taken_ns;
        if (taken_ns && *taken_ns > call.start_ns) {
            taken_ns.reset();
        }
        if (request.submit_ns.value_or(0) <= call.header.time_ns) {
            facts.candidates.push_back({.request = &request, .taken_ns = taken_ns});
        }
    };
    std::ranges::for_each(pending.finished, add);
    if (const auto found = contexts_.find(call.context_id); found != contexts_.end() && call.context_id != 0) {
        const ContextState& context = *found->second;
        facts.context_existed = context.existed;
        facts.history_incomplete = facts.history_incomplete || context.history_dropped;
        const auto [first, last] = context.in_flight.equal_range(call.args[1]);
        std::for_each(first, last, [&](const auto& entry) { add(entry.second); });
    }
    std::ranges::stable_sort(facts.candidates, {},
                             [](const Candidate& candidate) { return candidate.request->submit_ns.value_or(0); });
    if (pending.taken) {
        facts.taken = Candidate{.request = pending.taken->request.get(), .taken_ns = call.start_ns};
    }
    const Judgement judgement = judge(facts);
    Cancel cancel;
    cancel.tier = pending.tier;
    cancel.call_id = call.call_id;
    cancel.start_ns = call.start_ns;
    cancel.end_ns = call.header.time_ns;
    cancel.pid = call.task.pid;
    cancel.tid = call.task.tid;
    cancel.uid = call.task.uid;
    cancel.comm = comm_of(call.task);
    cancel.cgroup_id = call.task.cgroup_id;
    cancel.ctx_id = call.args[0];
    cancel.context_id = call.context_id;
    cancel.address = call.args[1];
    cancel.result_address = call.args[2];
    cancel.ret = call.ret;
    cancel.verdict = judgement.verdict;
    cancel.reason = judgement.reason;
    cancel.certain = judgement.certain;
    cancel.completed_before_ns = judgement.completed_before_ns;
    if (judgement.target != nullptr) {
        cancel.target = *judgement.target;
    }
    sink_.on_cancel(cancel);
}

// In the order of the calls, so that an earlier cancel of the same request explains a later one.
void Tracker::resolve_pending(std::uint64_t taken_ns, bool final) {
    // What an accepted cancel has taken may still be in flight. That explains the later ones; what becomes of the first
    // is told when it is known, or at the end.
    for (auto& pending : pending_) {
        const auto context = contexts_.find(pending.call.context_id);
        if (taken_ns == 0 || pending.taken || !accepted(pending.call) || context == contexts_.end()) {
            continue;
        }
        const auto [first, last] = context->second->in_flight.equal_range(pending.call.args[1]);
        if (const auto target = taken_in_flight(first, last, pending.call); target != last) {
            target->second->taken_ns = pending.call.start_ns;
            pending.taken = final ? target->second : nullptr;
        }
    }
    for (auto each = pending_.begin(); each != pending_.end();) {
        const bool ready = each->taken || (!accepted(each->call) && each->call.header.time_ns < taken_ns);
        if (!ready && !final) {
            ++each;
            continue;
        }
        resolve(*each);
        const auto [first, last] = pending_by_iocb_.equal_range(each->call.args[1]);
        pending_by_iocb_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == each; }));
        each = pending_.erase(each);
    }
}

}  // namespace inflight::model
