// SPDX-License-Identifier: Apache-2.0
// The io_uring tracker's part that deals with CQEs which the kernel gives no request for.
#include "model/tracker.hpp"
#include "model/uring_record.hpp"
#include "model/uring_tracker.hpp"

#include <algorithm>

namespace inflight::model {

using namespace uring;

namespace {

constexpr std::size_t overflowed_limit = 1U << 16U;
constexpr std::size_t settled_limit = 1U << 18U;

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
    cqe.of_no_request = (record.flags & IFL_UCQE_OF_NO_REQUEST) != 0;
    return cqe;
}

}  // namespace

UringTracker::TrackedPtr UringTracker::request_of(Ring& ring, const ifl_uring_cqe& record) const {
    if (const auto named = announced_.find(record.request_id); named != announced_.end() && record.request_id != 0) {
        return named->second;
    }
    return ring.announced.find(record.user_data, record.header.time_ns, (record.cqe_flags & cqe_notif) != 0);
}

void UringTracker::on_cqe(const ifl_uring_cqe& record) {
    note_time(record.header.time_ns);
    Ring* const known = ring_of(record.context_id);
    if (known == nullptr) {
        return;
    }
    Ring& ring = *known;
    ring.last_use_ns = std::max(ring.last_use_ns, record.header.time_ns);
    const bool overflowed = (record.flags & IFL_UCQE_OVERFLOWED) != 0;
    const bool notification = (record.cqe_flags & cqe_notif) != 0;
    const bool more = (record.cqe_flags & cqe_more) != 0;
    const Cqe cqe = cqe_from(record);
    TrackedPtr tracked = request_of(ring, record);
    // The first CQE of a zero-copy send says that its notification is still to come; it ends the request all the same.
    const bool ends = !notification && (!more || (tracked && zero_copy(tracked->request) && !tracked->ended));
    if (overflowed && ends && record.request_id == 0 && !cqe.of_no_request) {
        hold_overflowed(ring, record);
        return;
    }
    // One without F_MORE is no multishot request's: another ring sent it a message that happens to look alike.
    if (cqe.of_no_request || (!notification && !more && record.request_id == 0)) {
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
    UringPart& part = *tracked->part;
    if ((record.cqe_flags & cqe_notif) != 0) {
        ring.announced.note_notified(tracked);
    }
    if (tracked->handed_out) {
        tracked->awaits_notification = false;
        return;
    }
    part.cqe_count++;
    if ((record.cqe_flags & cqe_notif) != 0) {
        part.notified_ns = record.header.time_ns;
        tracked->awaits_notification = false;
        note_explained(ring, tracked);
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
    if (const TrackedPtr tracked = ring.unseen.take(record.user_data, record.header.time_ns)) {
        end_with(tracked, record);
        tell_attempts(ring, tracked);
        settle(ring, tracked);
        return;
    }
    ring.overflowed.add(record);
    if (record.header.time_ns >= last_look_ns_) {
        unlooked_.insert(record.header.time_ns);
    }
    if (ring.overflowed.size() > overflowed_limit) {
        const auto oldest = ring.overflowed.take_oldest();
        forget_unlooked(oldest->header.time_ns);
        end_nameless(ring, *oldest);
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
    uring::set_completer(*tracked, record.completer_pid, record.completer_tid);
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
    const auto found = ring.overflowed.take(request.user_data, request.submit_ns.value_or(0), *request.complete_ns);
    if (!found) {
        return false;
    }
    forget_unlooked(found->header.time_ns);
    end_with(tracked, *found);
    remember(ring, tracked, nullptr);
    settle(ring, tracked);
    return true;
}

// A request that is in the table although its CQE has been seen to overflow is not in flight. Of several with one
// user_data the first that was submitted has ended first, as far as anybody can tell.
void UringTracker::explain_overflowed(Ring& ring, std::uint64_t looked_ns) {
    struct Ended {
        TrackedPtr tracked;
        ifl_uring_cqe record{};
        bool only_one = false;
    };
    std::vector<Ended> ended;
    if (looked_ns == 0) {
        return;
    }
    for (auto each = ring.in_flight.begin(); each != ring.in_flight.end() && !ring.overflowed.empty();) {
        const auto [user_data, submit_ns, address] = each->first;
        const auto record = ring.overflowed.take(user_data, submit_ns, looked_ns - 1);
        if (!record) {
            // Those that were submitted later have none either.
            each = ring.in_flight.upper_bound(
                {.user_data = user_data, .submit_ns = ~std::uint64_t{0}, .kernel_address = ~std::uint64_t{0}});
            continue;
        }
        const auto next = std::next(each);
        const bool another = next != ring.in_flight.end() && next->first.user_data == user_data &&
                             next->first.submit_ns <= record->header.time_ns;
        ended.push_back({.tracked = each->second, .record = *record, .only_one = !another});
        each = next;
    }
    for (const Ended& each : ended) {
        end_overflowed(ring, each.tracked, each.record, each.only_one);
    }
}

void UringTracker::end_overflowed(Ring& ring, const TrackedPtr& tracked, const ifl_uring_cqe& record, bool only_one) {
    forget_unlooked(record.header.time_ns);
    const auto key = std::pair(tracked->request.kernel_address, tracked->request.submit_ns.value_or(0));
    settled_.insert(key);
    settled_order_.push_back(key);
    while (settled_order_.size() > settled_limit) {
        settled_.erase(settled_order_.take_front());
    }
    end_with(tracked, record);
    tracked->request.end_guessed = !only_one;
    if (tracked->announced != nullptr) {
        announced_.erase(tracked->part->request_id);
        ring.announced.end(tracked);
    }
    remember(ring, tracked, nullptr);
    settle(ring, tracked);
}

// No request was seen that it could end. In a ring whose requests were all seen it ends none: it is a tag of registered
// files or buffers, or a message of another ring.
void UringTracker::end_nameless(Ring& ring, const ifl_uring_cqe& record) {
    if (!ring.existed) {
        emit_completion(ring, record, cqe_from(record), nullptr);
        return;
    }
    const TrackedPtr tracked = new_tracked();
    Request& request = tracked->request;
    request.family = Family::uring;
    request.tier = static_cast<Tier>(record.header.tier);
    request.context_id = record.context_id;
    request.ctx_id = ring.context.ctx_id;
    tracked->part->ring_pid = ring.maker();
    request.user_data = record.user_data;
    request.user_data_known = true;
    request.pid = ring.context.pid;
    request.uid = ring.context.uid;
    request.comm = ring.context.comm;
    // The ring was there before the trace, and may have had it in flight already.
    request.existed = true;
    end_with(tracked, record);
    remember(ring, tracked, nullptr);
    settle(ring, tracked);
}

}  // namespace inflight::model
