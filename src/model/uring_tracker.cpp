// SPDX-License-Identifier: Apache-2.0
#include "model/uring_tracker.hpp"

#include "model/known_names.hpp"
#include "model/tracker.hpp"

#include <algorithm>

namespace inflight::model {

using namespace uring;

namespace {

// A ring that is gone may still be named by records of the same moment; and its end is told a little after that of its
// owner, by a worker.
constexpr std::uint64_t linger_ns = 1'000'000'000;

void take_counters(RingPart& part, const ifl_ring& record) {
    part.counted = true;
    part.waited_for = (record.flags & IFL_RING_WAITED_FOR) != 0;
    part.sq_head = record.sq_head;
    part.sq_tail = record.sq_tail;
    part.cq_head = record.cq_head;
    part.cq_tail = record.cq_tail;
    part.sq_dropped = record.sq_dropped;
    part.cq_overflow = record.cq_overflow;
    part.sq_flags = record.sq_flags;
    part.files = record.files;
    part.buffers = record.buffers;
    part.sq_thread_tid = record.sq_thread;
    part.workers_bound = record.workers_bound;
    part.workers_unbound = record.workers_unbound;
    part.workers_bound_max = std::max(part.workers_bound_max, record.workers_bound);
    part.workers_unbound_max = std::max(part.workers_unbound_max, record.workers_unbound);
    part.workers_bound_limit = record.workers_bound_limit;
    part.workers_unbound_limit = record.workers_unbound_limit;
}

void take_ring(Context& context, RingPart& part, const ifl_ring& record) {
    context.time_ns = record.header.time_ns;
    context.pid = record.pid;
    context.uid = record.uid;
    context.comm = comm_of(record.comm);
    context.in_flight = record.in_flight;
    context.in_flight_max = std::max(context.in_flight_max, record.in_flight_max);
    context.submitted = record.submitted;
    context.completed = record.completed;
    context.capacity = record.sq_entries;
    if (record.created_ns != 0) {
        context.created_ns = record.created_ns;
    }
    if (record.fd >= 0) {
        part.fd = record.fd;
        context.ctx_id = static_cast<std::uint64_t>(record.fd);
    }
    part.setup_flags = record.setup_flags;
    part.sq_entries = record.sq_entries;
    part.cq_entries = record.cq_entries;
    part.owner_guessed = (record.flags & IFL_RING_OWNER_GUESSED) != 0;
    part.closing = (record.flags & IFL_RING_DYING) != 0 && record.state == IFL_CONTEXT_FOUND;
    part.driven_by_bpf = (record.flags & IFL_RING_DRIVEN) != 0;
    part.cqes = record.cqes;
    part.overflowed = record.overflowed;
    part.overflowed_others = record.overflowed_others;
    if ((record.flags & IFL_RING_COUNTED) != 0) {
        take_counters(part, record);
    }
}

}  // namespace

UringTracker::UringTracker(const TrackerOptions& options, const KnownNames& names, Sink& sink)
    : options_(options), names_(names), sink_(sink) {}
UringTracker::~UringTracker() = default;

UringTracker::Ring* UringTracker::ring_of(std::uint64_t context_id) {
    // Most records are about the ring of the one before.
    if (last_ring_ != nullptr && last_ring_->context.context_id == context_id) {
        return last_ring_;
    }
    auto found = rings_.find(context_id);
    if (found == rings_.end()) {
        if (context_id != 0 && rings_.size() >= options_.contexts_limit) {
            records_left_out_++;
            return nullptr;
        }
        // A finished request weighs more than an iocb's, and there are more rings than contexts.
        found = rings_.emplace(context_id, std::make_unique<Ring>(options_.history_limit / 4)).first;
        found->second->context.family = Family::uring;
        found->second->context.context_id = context_id;
        found->second->context.ctx_id = no_ring_fd;
    }
    last_ring_ = found->second.get();
    return last_ring_;
}

void UringTracker::set_owner(Ring& ring, std::uint32_t pid) {
    const std::uint64_t id = ring.context.context_id;
    if (!ring.reported || ring.context.pid != pid) {
        rings_by_pid_.erase({ring.context.pid, id});
        rings_by_pid_.emplace(pid, id);
    }
}

void UringTracker::note_time(std::uint64_t time_ns) {
    now_ns_ = std::max(now_ns_, time_ns);
}

void UringTracker::on_ring(const ifl_ring& record) {
    note_time(record.header.time_ns);
    Ring* const known = ring_of(record.context_id);
    if (known == nullptr || known->gone || record.context_id == 0) {
        return;
    }
    Ring& ring = *known;
    Context& context = ring.context;
    set_owner(ring, record.pid);
    take_ring(context, ring.part, record);
    context.host_pid = names_.host_pid(record.pid);
    context.ring = ring.part;
    ring.reported = true;
    if ((record.flags & IFL_RING_COUNTED) != 0) {
        see_head(ring, record.cq_head, record.cq_tail, record.header.time_ns);
    }
    switch (record.state) {
        case IFL_CONTEXT_CREATED:
            context.change = ContextChange::created;
            break;
        case IFL_CONTEXT_FOUND:
            context.change = ContextChange::found;
            ring.existed = true;
            break;
        case IFL_CONTEXT_DESTROYED:
            context.by_exit = ring.owner_gone_ns.has_value();
            end_ring(ring, record.header.time_ns, record.header.time_ns);
            return;
        case IFL_CONTEXT_COUNTERS:
            context.change = ContextChange::observed;
            break;
        default:
            context.change = ContextChange::at_end;
            break;
    }
    sink_.on_context(context);
}

void UringTracker::end_ring(Ring& ring, std::uint64_t time_ns, std::uint64_t destroyed_ns) {
    let_go_waiting(ring, ~std::uint64_t{0});
    ring.gone = true;
    rings_by_pid_.erase({ring.context.pid, ring.context.context_id});
    ring.context.change = ContextChange::destroyed;
    ring.context.time_ns = time_ns;
    ring.context.destroyed_ns = destroyed_ns;
    gone_order_.push_back({time_ns, ring.context.context_id});
    sink_.on_context(ring.context);
}

// Its rings are closed a little later, and that is a record of its own; unless somebody else has them open too.
void UringTracker::on_process_exit(const ifl_process_exit& record) {
    note_time(record.header.time_ns);
    const auto first = rings_by_pid_.lower_bound({record.pid, 0});
    const auto last = rings_by_pid_.upper_bound({record.pid, ~std::uint64_t{0}});
    for (auto each = first; each != last; ++each) {
        Ring& ring = *rings_.at(each->second);
        ring.owner_gone_ns = record.header.time_ns;
        let_go_waiting(ring, ~std::uint64_t{0});
        due(ring, later(std::max(record.header.time_ns, ring.last_use_ns), linger_ns + 1));
    }
    // A process ends once; the rings that outlive it are others'.
    rings_by_pid_.erase(first, last);
}

void UringTracker::on_snapshot(const ifl_snapshot& record) {
    note_time(record.header.time_ns);
    const std::uint64_t looked_ns = record.begin_ns != 0 ? record.begin_ns : record.header.time_ns;
    final_look_ = final_look_ || record.final != 0;
    for (const std::uint64_t id : shown_) {
        if (const auto ring = rings_.find(id); ring != rings_.end()) {
            ring->second->in_flight.clear();
        }
    }
    shown_.clear();
    for (auto& [id, tracked] : snapshot_) {
        const Request& request = tracked->request;
        Ring* const ring = ring_of(request.context_id);
        if (ring == nullptr) {
            continue;
        }
        bool ended = tracked->ended || settled_.contains({request.kernel_address, request.submit_ns.value_or(0)});
        ring->history.each_of(request.user_data, [&](const Finished& each) {
            ended = ended || (each.kernel_address() == request.kernel_address && each.submit_ns() == request.submit_ns);
        });
        if (ended) {
            continue;
        }
        if (ring->in_flight.empty()) {
            shown_.push_back(request.context_id);
        }
        ring->in_flight.emplace(in_flight_key(request), tracked);
    }
    snapshot_.clear();
    for (const std::uint64_t id : shown_) {
        explain_overflowed(*rings_.at(id), looked_ns);
    }
    last_look_ns_ = std::max(last_look_ns_, looked_ns);
    unlooked_.erase(unlooked_.begin(), unlooked_.lower_bound(looked_ns));
    note_look(looked_ns);
}

void UringTracker::forget_unlooked(std::uint64_t time_ns) {
    if (const auto found = unlooked_.find(time_ns); found != unlooked_.end()) {
        unlooked_.erase(found);
    }
}

void UringTracker::each_in_flight(const std::function<void(const Request&)>& visit) const {
    for (const auto& [id, ring] : rings_) {
        for (const auto& [key, tracked] : ring->in_flight) {
            visit(tracked->request);
        }
    }
}

void UringTracker::each_context(const std::function<void(const Context&)>& visit) const {
    for (const auto& [id, ring] : rings_) {
        if (!ring->gone && ring->reported) {
            visit(ring->context);
        }
    }
}

void UringTracker::advance(std::uint64_t now_ns) {
    note_time(now_ns);
    for (const std::uint64_t id : schedule_.take(now_ns_)) {
        if (const auto found = rings_.find(id); found != rings_.end()) {
            found->second->due_ns = Schedule::never_ns;
            work_on(*found->second);
        }
    }
    retire_rings();
}

void UringTracker::work_on(Ring& ring) {
    let_go_waiting(ring, now_ns_ - std::min(now_ns_, options_.reap_wait_ns));
    sweep(ring, false);
    resolve_due(ring, false);
    if (ring.owner_gone_ns && !ring.gone) {
        const std::uint64_t end_ns = later(std::max(*ring.owner_gone_ns, ring.last_use_ns), linger_ns);
        if (end_ns < now_ns_) {
            ring.context.by_exit = true;
            ring.context.in_flight = 0;
            end_ring(ring, now_ns_, *ring.owner_gone_ns);
        } else {
            due(ring, later(end_ns, 1));
        }
    }
    due(ring, std::max(next_due(ring), later(now_ns_, 1)));
}

void UringTracker::retire_rings() {
    while (!gone_order_.empty() && later(gone_order_.front().first, linger_ns) < now_ns_) {
        const auto found = rings_.find(gone_order_.take_front().second);
        if (found == rings_.end()) {
            continue;
        }
        Ring& ring = *found->second;
        settle_leftovers(ring);
        resolve_due(ring, true);
        sweep(ring, true);
        let_go_waiting(ring, ~std::uint64_t{0});
        // What was swept may have been a cancel.
        resolve_due(ring, true);
        schedule_.forget(ring.context.context_id, ring.due_ns);
        rings_by_pid_.erase({ring.context.pid, ring.context.context_id});
        last_ring_ = nullptr;
        rings_.erase(found);
    }
}

// Ends without a request, and requests without an end, that nothing will bring together any more.
void UringTracker::settle_leftovers(Ring& ring) {
    while (const auto overflowed = ring.overflowed.take_oldest()) {
        forget_unlooked(overflowed->header.time_ns);
        end_nameless(ring, *overflowed);
    }
    std::vector<TrackedPtr> lost;
    for (const auto& [key, tracked] : ring.announced.open()) {
        const auto there = ring.in_flight.find(in_flight_key(tracked->request));
        const bool in_flight = there != ring.in_flight.end() && there->second == tracked;
        if (!tracked->ended && (ring.gone || !in_flight)) {
            lost.push_back(tracked);
        }
    }
    for (const TrackedPtr& tracked : lost) {
        announced_.erase(tracked->part->request_id);
        if (!ring.gone && !final_look_) {
            // Nobody has looked whether it is still there.
            hand_out(*tracked);
            continue;
        }
        tracked->ended = true;
        tracked->request.complete_ns = now_ns_;
        tracked->request.completion_exact = false;
        tracked->request.completion_seen = false;
        tracked->request.result_known = false;
        remember(ring, tracked, nullptr);
        ring.unseen.add(tracked);
    }
}

void UringTracker::finish(std::uint64_t end_ns) {
    note_time(end_ns);
    for (auto& [id, ring] : rings_) {
        settle_leftovers(*ring);
        sweep(*ring, true);
        resolve_due(*ring, true);
        let_go_waiting(*ring, ~std::uint64_t{0});
        sweep(*ring, true);
        for (auto& [key, tracked] : ring->in_flight) {
            decide_outcome(*tracked);
            hand_out(*tracked);
        }
        // One that the last look still found is open in another process.
        if (ring->owner_gone_ns && !ring->gone && ring->context.change != ContextChange::at_end) {
            ring->context.by_exit = true;
            ring->context.in_flight = 0;
            end_ring(*ring, *ring->owner_gone_ns, *ring->owner_gone_ns);
        }
    }
}

}  // namespace inflight::model
