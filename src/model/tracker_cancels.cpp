// SPDX-License-Identifier: Apache-2.0
// The tracker's part that explains cancels: by what has ended, and by what a snapshot shows in flight.
#include "model/tracker.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace inflight::model {

namespace {

std::string comm_of(const ifl_task& task) {
    return {&task.comm[0], strnlen(&task.comm[0], IFL_COMM_BYTES)};
}

// An iocb address is used again, and so is a kernel address; both and the time of submission are one request. The
// kernel address of an fsync is known at its end only.
bool same_request(const Request& a, const Request& b) {
    const bool addresses_differ =
        a.kernel_address != 0 && b.kernel_address != 0 && a.kernel_address != b.kernel_address;
    return !addresses_differ && a.address == b.address && a.submit_ns == b.submit_ns;
}

constexpr std::size_t in_flight_limit = 1U << 18U;
// Finished requests that explain cancels, in all contexts.
constexpr std::size_t remembered_limit = 1U << 18U;
constexpr std::size_t pending_limit = 1U << 16U;
// An end is matched with at most this many cancels of its iocb, and a cancel with at most this many requests.
constexpr std::size_t told_limit = 256;

constexpr std::uint16_t poll_opcode = 5;  // IOCB_CMD_POLL

bool accepted(const ifl_call& call) {
    return call.ret == -EINPROGRESS || call.ret == 0;
}

aio::PendingKey key_of(const aio::PendingCancel& pending) {
    return {.context_id = pending.call.context_id,
            .iocb = pending.call.args[1],
            .end_ns = pending.call.header.time_ns,
            .number = pending.number};
}

}  // namespace

bool Tracker::could_have_taken(const ifl_call& call, const Request& request) {
    return accepted(call) && call.context_id == request.context_id && call.args[1] == request.address &&
           request.poll_cancelled && request.complete_ns && *request.complete_ns >= call.start_ns;
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
    snapshot_.remove(*tracked->request);
    constexpr std::size_t kept_per_iocb = 4;
    if (context.history.size() >= options_.history_limit / 2 && !context.history.contains(tracked->request->address)) {
        context.history_dropped = context.history_dropped || !context.older_history.empty();
        for (const auto& [address, requests] : context.older_history) {
            remembered_ -= requests.size();
        }
        context.older_history = std::exchange(context.history, {});
    }
    if (remembered_ > remembered_limit) {
        context.history_dropped = true;
        forget_history(context);
    }
    auto& requests = context.history[tracked->request->address];
    if (requests.size() == kept_per_iocb) {
        requests.erase(requests.begin());
        remembered_--;
    }
    requests.push_back(tracked);
    remembered_++;
    context.in_flight.remove(*tracked->request);
}

void Tracker::forget_history(ContextState& context) {
    for (auto* generation : {&context.older_history, &context.history}) {
        for (const auto& [address, requests] : *generation) {
            remembered_ -= requests.size();
        }
        generation->clear();
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
    const aio::PendingKey from{.context_id = request.context_id,
                               .iocb = request.address,
                               .end_ns = request.submit_ns.value_or(0),
                               .number = 0};
    auto taker = pending_.end();
    std::size_t told = 0;
    for (auto each = pending_by_iocb_.lower_bound(from);
         each != pending_by_iocb_.end() && each->first.context_id == from.context_id && each->first.iocb == from.iocb;
         ++each) {
        if (++told > told_limit) {
            untold_ns_ = now_ns_;
            break;
        }
        PendingCancel& pending = *each->second;
        if (pending.finished.size() < told_limit) {
            pending.finished.push_back(tracked);
        }
        const bool earlier = taker == pending_.end() || pending.call.start_ns < taker->call.start_ns;
        if (!pending.taken && earlier && could_have_taken(pending.call, request)) {
            taker = each->second;
        }
    }
    if (taker != pending_.end()) {
        taker->taken = tracked;
        tracked->taken_ns = taker->call.start_ns;
        decide_outcome(*tracked);
        resolve(taker);
    }
}

void Tracker::on_in_flight(const ifl_request& record) {
    if (snapshot_.entries().size() >= in_flight_limit) {
        records_left_out_++;
        return;
    }
    auto tracked = std::make_shared<Tracked>();
    tracked->request = std::make_shared<Request>(request_from(record));
    snapshot_.add(std::move(tracked));
}

void Tracker::on_snapshot(const ifl_snapshot& record) {
    for (const std::uint64_t id : shown_) {
        if (const auto context = contexts_.find(id); context != contexts_.end()) {
            context->second->in_flight.clear();
        }
    }
    shown_.clear();
    for (const auto& [key, tracked] : snapshot_.entries()) {
        const Request& request = *tracked->request;
        ContextState* const context = context_of(request.context_id);
        if (context == nullptr) {
            continue;
        }
        const auto finished = finished_of(*context, request.address);
        const bool ended =
            std::ranges::any_of(finished, [&](const auto& each) { return same_request(*each->request, request); });
        if (ended) {
            continue;
        }
        if (context->in_flight.empty()) {
            shown_.push_back(request.context_id);
        }
        context->in_flight.add(tracked);
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
    // The parent is the likely one: the address was good there.
    auto owner = contexts_by_ctx_id_.lower_bound({ctx_id, call.task.ppid, 0});
    const auto is_owner = [&](auto place) {
        return place != contexts_by_ctx_id_.end() && std::get<0>(*place) == ctx_id &&
               std::get<1>(*place) != call.task.pid;
    };
    if (!is_owner(owner) || std::get<1>(*owner) != call.task.ppid) {
        owner = contexts_by_ctx_id_.lower_bound({ctx_id, 0, 0});
    }
    if (!is_owner(owner)) {
        owner = contexts_by_ctx_id_.lower_bound({ctx_id, call.task.pid + std::uint32_t{1}, 0});
    }
    if (is_owner(owner)) {
        const Context& context = contexts_.at(std::get<2>(*owner))->context;
        known.why = KnownContext::Why::other_process;
        known.owner_pid = context.pid;
        known.owner_comm = context.comm;
    }
    return known;
}

void Tracker::resolve(PendingCancel& pending) {
    const ifl_call& call = pending.call;
    CancelFacts facts;
    facts.call = &call;
    facts.context = explain_context(call);
    facts.records_lost = losses_ || records_left_out() != 0;
    facts.history_incomplete = facts.records_lost || (untold_ns_ != 0 && untold_ns_ >= call.start_ns);
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
        for (auto each = context.in_flight.first_of(call.args[1]);
             each != context.in_flight.entries().end() && each->first.iocb == call.args[1] &&
             facts.candidates.size() < 2 * told_limit;
             ++each) {
            add(each->second);
        }
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
    cancel.host_pid = names_.host_pid(cancel.pid);
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

void Tracker::add_pending(PendingCancel pending) {
    pending.number = ++cancels_;
    pending_.push_back(std::move(pending));
    const auto place = std::prev(pending_.end());
    const ifl_call& call = place->call;
    pending_by_iocb_.emplace(key_of(*place), place);
    if (!accepted(call)) {
        refused_.emplace(std::pair(call.header.time_ns, place->number), place);
    }
    if (const auto context = contexts_.find(call.context_id); context != contexts_.end()) {
        context->second->cancels_pending++;
    }
    if (pending_.size() > pending_limit) {
        untold_ns_ = now_ns_;
        resolve(pending_.begin());
    }
}

void Tracker::resolve(PendingList::iterator place) {
    resolve(*place);
    if (const auto context = contexts_.find(place->call.context_id);
        context != contexts_.end() && context->second->cancels_pending != 0) {
        context->second->cancels_pending--;
    }
    pending_by_iocb_.erase(key_of(*place));
    refused_.erase({place->call.header.time_ns, place->number});
    pending_.erase(place);
}

// What an accepted cancel has taken may still be in flight. That explains the later ones; what becomes of the first is
// told when it is known, or at the end. Polls can be cancelled, and the kernel's list is in the order of submission
// (fs/aio.c, io_cancel).
void Tracker::explain_accepted(ContextState& context, bool final) {
    const auto& entries = context.in_flight.entries();
    for (auto each = entries.begin(); each != entries.end();) {
        const std::uint64_t iocb = each->first.iocb;
        const auto last = entries.upper_bound({iocb, ~std::uint64_t{0}, ~std::uint64_t{0}});
        const aio::PendingKey from{.context_id = context.context.context_id, .iocb = iocb, .end_ns = 0, .number = 0};
        auto cancel = pending_by_iocb_.lower_bound(from);
        const auto is_of_this = [&] {
            return cancel != pending_by_iocb_.end() && cancel->first.context_id == from.context_id &&
                   cancel->first.iocb == iocb;
        };
        if (!is_of_this()) {
            each = last;
            continue;
        }
        std::vector<TrackedPtr> polls;
        std::vector<TrackedPtr> others;
        for (; each != last; ++each) {
            const bool poll = each->second->request->opcode.value_or(poll_opcode) == poll_opcode;
            (poll ? polls : others).push_back(each->second);
        }
        auto poll = polls.begin();
        auto other = others.begin();
        for (; is_of_this() && (poll != polls.end() || other != others.end()); ++cancel) {
            PendingCancel& pending = *cancel->second;
            if (pending.taken || !accepted(pending.call)) {
                continue;
            }
            const auto there = [&](auto place, const auto& list) {
                return place != list.end() && (*place)->request->submit_ns.value_or(0) <= pending.call.header.time_ns;
            };
            if (!there(poll, polls) && !there(other, others)) {
                continue;
            }
            const TrackedPtr& target = there(poll, polls) ? *poll++ : *other++;
            target->taken_ns = pending.call.start_ns;
            pending.taken = final ? target : nullptr;
        }
    }
}

// In the order of the calls, so that an earlier cancel of the same request explains a later one.
void Tracker::resolve_pending(std::uint64_t taken_ns, bool final) {
    if (pending_.empty()) {
        return;
    }
    for (const std::uint64_t id : shown_) {
        if (const auto context = contexts_.find(id); taken_ns != 0 && context != contexts_.end()) {
            explain_accepted(*context->second, final);
        }
    }
    while (final && !pending_.empty()) {
        resolve(pending_.begin());
    }
    while (!refused_.empty() && refused_.begin()->first.first < taken_ns) {
        resolve(refused_.begin()->second);
    }
}

}  // namespace inflight::model
