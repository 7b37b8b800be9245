// SPDX-License-Identifier: Apache-2.0
// The io_uring tracker's part that deals with CQEs which the kernel gives no request for.
#include "model/tracker.hpp"
#include "model/uring_tracker.hpp"

#include <algorithm>

namespace inflight::model {

using namespace uring;

namespace {

constexpr std::size_t overflowed_limit = 1U << 16U;
constexpr std::size_t settled_limit = 1U << 16U;

Cqe cqe_from(const ifl_uring_cqe& record) {
    Cqe cqe;
    cqe.time_ns = record.header.time_ns;
    cqe.result = record.result;
    cqe.flags = record.cqe_flags;
    if ((record.flags & IFL_UCQE_BIG) != 0) {
        cqe.big = {record.big_cqe[0], record.big_cqe[1]};
    }
    cqe.overflowed = (record.flags & IFL_UCQE_OVERFLOWED) != 0;
    cqe.dropped = (record.flags & IFL_UCQE_DROPPED) != 0;
    return cqe;
}

bool submitted_before(const Request& request, std::uint64_t time_ns) {
    return request.submit_ns.value_or(0) <= time_ns;
}

}  // namespace

// Of those announced with its user_data the youngest that was there; of zero-copy sends the first that still waits for
// its notification.
UringTracker::TrackedPtr UringTracker::request_of(Ring& ring, const ifl_uring_cqe& record) const {
    if (const auto named = announced_.find(record.request_id); named != announced_.end() && record.request_id != 0) {
        return named->second;
    }
    const bool notification = (record.cqe_flags & cqe_notif) != 0;
    TrackedPtr best;
    const auto [first, last] = ring.announced.equal_range(record.user_data);
    for (auto each = first; each != last; ++each) {
        const Tracked& tracked = *each->second;
        const Request& request = tracked.request;
        const bool late = tracked.ended && *request.complete_ns < record.header.time_ns;
        if (!submitted_before(request, record.header.time_ns)) {
            continue;
        }
        if (notification ? !zero_copy(request) || tracked.part->notified_ns.has_value() : late) {
            continue;
        }
        const bool younger = best && request.submit_ns.value_or(0) >= best->request.submit_ns.value_or(0);
        if (!best || younger != notification) {
            best = each->second;
        }
    }
    return best;
}

void UringTracker::on_cqe(const ifl_uring_cqe& record) {
    note_time(record.header.time_ns);
    Ring& ring = ring_state(record.context_id);
    ring.last_use_ns = std::max(ring.last_use_ns, record.header.time_ns);
    const bool overflowed = (record.flags & IFL_UCQE_OVERFLOWED) != 0;
    const bool notification = (record.cqe_flags & cqe_notif) != 0;
    const bool more = (record.cqe_flags & cqe_more) != 0;
    const Cqe cqe = cqe_from(record);
    TrackedPtr tracked = request_of(ring, record);
    // The first CQE of a zero-copy send says that its notification is still to come; it ends the request all the same.
    const bool ends = !notification && (!more || (tracked && zero_copy(tracked->request) && !tracked->ended));
    if (overflowed && ends && record.request_id == 0) {
        hold_overflowed(ring, record);
        return;
    }
    // One without F_MORE is no multishot request's: another ring sent it a message that happens to look alike.
    if (!notification && !more && record.request_id == 0) {
        tracked = nullptr;
    }
    if (tracked) {
        attach(ring, tracked, record, cqe);
    }
    emit_completion(ring, record, cqe, tracked);
    if (!overflowed) {
        see_head(ring, record.cq_head, record.cq_tail, record.header.time_ns);
    }
}

void UringTracker::attach(Ring& ring, const TrackedPtr& tracked, const ifl_uring_cqe& record, const Cqe& cqe) {
    if (tracked->handed_out) {
        tracked->awaits_notification = false;
        return;
    }
    UringPart& part = *tracked->part;
    part.cqe_count++;
    if ((record.cqe_flags & cqe_notif) != 0) {
        part.notified_ns = record.header.time_ns;
        tracked->awaits_notification = false;
        return;
    }
    part.cqe_bytes += cqe.result > 0 ? static_cast<std::uint64_t>(cqe.result) : 0;
    if (part.cqes.size() >= UringPart::cqes_kept) {
        return;
    }
    part.cqes.push_back(cqe);
    if (!cqe.overflowed && record.context_id != 0 && !ring.gone) {
        const auto index = static_cast<std::uint32_t>(part.cqes.size() - 1);
        wait_for_reaping(ring, {.cq_tail = record.cq_tail, .cqe = index, .tracked = tracked});
    }
}

void UringTracker::emit_completion(const Ring& ring, const ifl_uring_cqe& record, const Cqe& cqe,
                                   const TrackedPtr& tracked) {
    Completion completion;
    completion.tier = static_cast<Tier>(record.header.tier);
    completion.context_id = record.context_id;
    completion.user_data = record.user_data;
    completion.cqe = cqe;
    completion.pid = ring.context.pid;
    completion.comm = ring.context.comm;
    if (tracked) {
        completion.request = tracked->announced;
    }
    sink_.on_completion(completion);
}

// It ends a request, and the kernel does not say which. Its record will come when its memory is used again, or a
// snapshot will show it as if it were in flight.
void UringTracker::hold_overflowed(Ring& ring, const ifl_uring_cqe& record) {
    const auto ended = std::ranges::find_if(ring.unseen, [&](const TrackedPtr& each) {
        return !each->request.result_known && each->request.user_data == record.user_data &&
               submitted_before(each->request, record.header.time_ns) &&
               *each->request.complete_ns >= record.header.time_ns;
    });
    if (ended != ring.unseen.end()) {
        const TrackedPtr tracked = std::move(*ended);
        ring.unseen.erase(ended);
        end_with(tracked, record);
        tell_attempts(ring, tracked);
        settle(ring, tracked);
        return;
    }
    ring.overflowed.push_back({.record = record, .looked = false});
    looks_wanted_++;
    if (ring.overflowed.size() > overflowed_limit) {
        const OverflowedEnd oldest = ring.overflowed.front();
        ring.overflowed.pop_front();
        looks_wanted_ -= oldest.looked ? 0 : 1;
        end_nameless(ring, oldest.record);
    }
}

void UringTracker::end_with(const TrackedPtr& tracked, const ifl_uring_cqe& record) {
    Request& request = tracked->request;
    UringPart& part = *tracked->part;
    const Cqe cqe = cqe_from(record);
    request.complete_ns = cqe.time_ns;
    request.completion_exact = true;
    request.completion_seen = true;
    request.result_known = true;
    request.result = cqe.result;
    request.completer_pid = record.completer_pid;
    request.completer_tid = record.completer_tid;
    part.cqe_flags = cqe.flags;
    part.big = cqe.big;
    part.overflowed = true;
    part.cqe_skipped = false;
    part.cqe_count++;
    part.cqe_bytes += cqe.result > 0 ? static_cast<std::uint64_t>(cqe.result) : 0;
    tracked->ended = true;
    tracked->awaits_notification =
        zero_copy(request) && (cqe.flags & cqe_more) != 0 && tracked->announced != nullptr && !part.notified_ns;
}

// Whether a CQE that overflowed is the end of a request that ended unseen; of several the first.
bool UringTracker::take_overflowed(Ring& ring, const TrackedPtr& tracked) {
    const Request& request = tracked->request;
    const auto found = std::ranges::find_if(ring.overflowed, [&](const OverflowedEnd& each) {
        return each.record.user_data == request.user_data && submitted_before(request, each.record.header.time_ns) &&
               each.record.header.time_ns <= *request.complete_ns;
    });
    if (found == ring.overflowed.end()) {
        return false;
    }
    looks_wanted_ -= found->looked ? 0 : 1;
    end_with(tracked, found->record);
    ring.overflowed.erase(found);
    remember(ring, tracked, nullptr);
    settle(ring, tracked);
    return true;
}

// A request that is in the table although its CQE has been seen to overflow is not in flight.
void UringTracker::explain_overflowed(Ring& ring, std::uint64_t looked_ns) {
    for (auto each = ring.overflowed.begin(); each != ring.overflowed.end();) {
        const ifl_uring_cqe record = each->record;
        if (record.header.time_ns >= looked_ns) {
            ++each;
            continue;
        }
        TrackedPtr oldest;
        unsigned possible = 0;
        const auto [first, last] = ring.in_flight.equal_range(record.user_data);
        for (auto entry = first; entry != last; ++entry) {
            const Request& request = entry->second->request;
            if (!submitted_before(request, record.header.time_ns)) {
                continue;
            }
            possible++;
            if (!oldest || request.submit_ns.value_or(0) < oldest->request.submit_ns.value_or(0)) {
                oldest = entry->second;
            }
        }
        if (!oldest) {
            looks_wanted_ -= each->looked ? 0 : 1;
            each->looked = true;
            ++each;
            continue;
        }
        looks_wanted_ -= each->looked ? 0 : 1;
        each = ring.overflowed.erase(each);
        const auto key = std::pair(oldest->request.kernel_address, oldest->request.submit_ns.value_or(0));
        ring.settled.insert(key);
        ring.settled_order.push_back(key);
        while (ring.settled_order.size() > settled_limit) {
            ring.settled.erase(ring.settled_order.front());
            ring.settled_order.pop_front();
        }
        end_with(oldest, record);
        oldest->request.completion_seen = possible == 1;
        if (oldest->announced != nullptr) {
            announced_.erase(oldest->part->request_id);
            ring.announced_ended.push_back(oldest);
        }
        remember(ring, oldest, nullptr);
        settle(ring, oldest);
    }
}

// Nothing is known of its request but what the CQE says.
void UringTracker::end_nameless(Ring& ring, const ifl_uring_cqe& record) {
    const TrackedPtr tracked = new_tracked();
    Request& request = tracked->request;
    request.family = Family::uring;
    request.tier = static_cast<Tier>(record.header.tier);
    request.context_id = record.context_id;
    request.ctx_id = ring.context.ctx_id;
    request.user_data = record.user_data;
    request.user_data_known = true;
    request.pid = ring.context.pid;
    request.uid = ring.context.uid;
    request.comm = ring.context.comm;
    // A ring that was there before the trace may have had it in flight already.
    request.existed = ring.existed;
    request.unpaired = !ring.existed;
    submissions_unseen_ += request.unpaired ? 1 : 0;
    end_with(tracked, record);
    remember(ring, tracked, nullptr);
    settle(ring, tracked);
}

}  // namespace inflight::model
