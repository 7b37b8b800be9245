// SPDX-License-Identifier: Apache-2.0
// The io_uring tracker's part between a request's first record and its being handed out.
#include "base/units.hpp"
#include "model/known_names.hpp"
#include "model/tracker.hpp"
#include "model/uring_record.hpp"
#include "model/uring_tracker.hpp"
#include "model/uring_verdicts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace inflight::model {

using namespace uring;

namespace {

// What explains a request may come in a record of another CPU that is late.
constexpr std::uint64_t explain_ns = 20'000'000;
constexpr std::size_t announced_limit = 1U << 16U;
constexpr std::size_t in_flight_limit = 1U << 18U;
// Finished requests that wait in all rings to be reaped. No ring holds more CQEs than that.
constexpr std::size_t waiting_limit = 1U << 17U;
// CPUs tell of CQEs in a little disorder, no further.
constexpr std::size_t disorder_limit = 64;
constexpr std::size_t unexplained_limit = 256;
constexpr std::size_t reuses_limit = 1024;
constexpr std::size_t spares_limit = 1024;
// liburing marks the timeouts that it makes itself so; nobody looks for them.
constexpr std::uint64_t liburing_timeout = ~std::uint64_t{0};

// A cancel that is seen later may be why.
bool may_be_cancelled(const Tracked& tracked) {
    return tracked.request.outcome == Outcome::completed && waits_for_all(tracked.request) && partial(tracked.request);
}

bool unexplained_end(const Tracked& tracked) {
    return tracked.part->cause == EndCause::unknown || may_be_cancelled(tracked) ||
           (interrupted(tracked.request) && tracked.request.outcome == Outcome::failed && !tracked.part->prep_failed);
}

std::uint64_t queued_ns(const Ring::Waiting& each) {
    return each.cqe < each.tracked->part->cqes.size() ? each.tracked->part->cqes[each.cqe].time_ns
                                                      : each.tracked->request.complete_ns.value_or(0);
}

bool overlap(const Request& a, const Finished& b) {
    const auto submit_ns = b.submit_ns();
    return a.submit_ns && submit_ns && *a.submit_ns < b.complete_ns() && *submit_ns < *a.complete_ns;
}

// See Brief.
bool is_plain(const Tracked& tracked, const ifl_uring_request& record) {
    return is_brief(record) && record.pid != 0 && tracked.request.result_known && tracked.announced == nullptr &&
           tracked.part->details.empty() && !tracked.part->details_lost && !interrupted(tracked.request) &&
           !may_be_cancelled(tracked);
}

}  // namespace

void UringTracker::on_request(const ifl_uring_request& record) {
    note_time(record.header.time_ns);
    switch (record.state) {
        case IFL_UREQ_IN_FLIGHT:
            return on_in_flight(record);
        case IFL_UREQ_ANNOUNCED:
            return on_announced(record);
        case IFL_UREQ_ENDED:
            return on_ended(record);
        default:
            return;
    }
}

// One that was announced is known already.
UringTracker::TrackedPtr UringTracker::tracked_for(const ifl_uring_request& record) {
    if (const auto known = announced_.find(record.request_id); known != announced_.end() && record.request_id != 0) {
        return known->second;
    }
    if (spares_.empty()) {
        return new_tracked();
    }
    TrackedPtr spare = std::move(spares_.back());
    spares_.pop_back();
    return spare;
}

// Its memory is hot, and the next request will want as much.
void UringTracker::keep_spare(TrackedPtr tracked) {
    if (spares_.size() < spares_limit && renew(tracked)) {
        spares_.push_back(std::move(tracked));
    }
}

void UringTracker::fill(Tracked& tracked, const ifl_uring_request& record, const Ring& ring) {
    fill_from(tracked, record);
    Request& request = tracked.request;
    request.ctx_id = ring.context.ctx_id;
    tracked.part->ring_pid = ring.maker();
    request.file = names_.file(record.file_id);
    if (record.pid == 0) {
        request.pid = ring.context.pid;
        request.uid = ring.context.uid;
        request.comm = ring.context.comm;
    }
    request.host_pid = names_.host_pid(request.pid);
    const auto* details = details_.find(record.request_id);
    const std::size_t count = details == nullptr ? 0 : details->size();
    if (count != 0) {
        tracked.part->details = *details;
    }
    tracked.part->details_lost = (record.flags & IFL_UREQ_DETAILS_LOST) != 0 || count < record.details;
}

void UringTracker::on_announced(const ifl_uring_request& record) {
    Ring* const known = ring_of(record.context_id);
    if (known == nullptr || record.request_id == 0 || announced_.contains(record.request_id)) {
        return;
    }
    if (announced_.size() >= announced_limit) {
        records_left_out_++;
        return;
    }
    Ring& ring = *known;
    const TrackedPtr tracked = tracked_for(record);
    fill(*tracked, record, ring);
    auto copy = std::make_shared<Request>(tracked->request);
    copy->uring = std::make_shared<const UringPart>(*tracked->part);
    tracked->announced = std::move(copy);
    announced_.emplace(record.request_id, tracked);
    ring.announced.add(tracked);
}

void UringTracker::on_in_flight(const ifl_uring_request& record) {
    const Ring* const ring = ring_of(record.context_id);
    if (ring == nullptr || snapshot_.size() >= in_flight_limit) {
        records_left_out_ += ring == nullptr ? 0 : 1;
        return;
    }
    const TrackedPtr tracked = tracked_for(record);
    fill(*tracked, record, *ring);
    snapshot_[record.request_id != 0 ? record.request_id : record.req] = tracked;
}

void UringTracker::on_ended(const ifl_uring_request& record) {
    if (!snapshot_.empty()) {
        snapshot_.erase(record.request_id != 0 ? record.request_id : record.req);
    }
    if (!settled_.empty() && settled_.erase({record.req, record.submit_ns}) != 0) {
        (void)details_.take(record.request_id);
        return;
    }
    Ring* const known = ring_of(record.context_id);
    if (known == nullptr) {
        return;
    }
    Ring& ring = *known;
    ring.last_use_ns = std::max(ring.last_use_ns, record.header.time_ns);
    const TrackedPtr tracked = tracked_for(record);
    if (tracked->announced != nullptr && tracked->request.user_data != record.user_data) {
        ring.announced.rename(tracked, record.user_data);
    }
    fill(*tracked, record, ring);
    (void)details_.take(record.request_id);
    end_from(*tracked, record);
    take_new_user_data(ring, *tracked);
    tracked->ended = true;
    if (tracked->request.unpaired) {
        submissions_unseen_++;
    }
    if (tracked->announced != nullptr) {
        announced_.erase(record.request_id);
        ring.announced.end(tracked);
        due(ring, later(*tracked->request.complete_ns, explain_ns + 1));
        tracked->awaits_notification = zero_copy(tracked->request) && (record.cqe_flags & cqe_more) != 0 &&
                                       tracked->request.result_known && !tracked->part->notified_ns;
    }
    if (tracked->request.result_known) {
        remember(ring, tracked, is_plain(*tracked, record) ? &record : nullptr);
        settle(ring, tracked);
        see_head(ring, record.cq_head, record.cq_tail, record.header.time_ns);
    } else if (!take_overflowed(ring, tracked)) {
        remember(ring, tracked, nullptr);
        ring.unseen.add(tracked);
        due(ring, later(*tracked->request.complete_ns, explain_ns));
    }
}

// A poll update can give a multishot poll another user_data. Its later completions carry the new one.
void UringTracker::take_new_user_data(Ring& ring, const Tracked& update) {
    const auto& sqe = update.part->sqe;
    const auto in_sqe = [&](std::size_t at) {
        std::uint64_t value = 0;
        std::memcpy(&value, &sqe.at(at), sizeof(value));
        return value;
    };
    const bool updates = update.request.opcode == op_poll_remove && update.part->sqe_known &&
                         update.request.result == 0 &&
                         (static_cast<std::uint32_t>(in_sqe(sqe_len_at)) & poll_update_user_data) != 0;
    const TrackedPtr poll =
        updates ? ring.announced.find(in_sqe(sqe_addr_at), *update.request.complete_ns, false) : nullptr;
    if (poll && !poll->ended && poll->request.opcode == op_poll_add) {
        ring.announced.rename(poll, in_sqe(sqe_off_at));
    }
}

// From now on it explains cancels, also those that wait.
void UringTracker::remember(Ring& ring, const TrackedPtr& tracked, const ifl_uring_request* record) {
    if (!ring.in_flight.empty()) {
        ring.in_flight.erase(in_flight_key(tracked->request));
    }
    decide_outcome(*tracked);
    check_reuse(ring, *tracked);
    ring.history.add(tracked, record);
    tell_attempts(ring, tracked);
}

// How it ended is known, as far as it ever will be.
void UringTracker::settle(Ring& ring, const TrackedPtr& tracked) {
    decide_outcome(*tracked);
    try_cancel_request(ring, tracked);
    if (unexplained_end(*tracked)) {
        ring.unexplained.push_back(tracked);
        due(ring, later(*tracked->request.complete_ns, options_.reap_wait_ns + 1));
        if (ring.unexplained.size() > unexplained_limit) {
            ring.unexplained.pop_front();
        }
    }
    const bool in_ring = tracked->request.result_known && !tracked->part->overflowed &&
                         tracked->request.outcome != Outcome::abandoned && tracked->request.context_id != 0;
    if (in_ring && !ring.gone) {
        wait_for_reaping(ring, {.cq_tail = tracked->cq_tail, .cqe = Ring::Waiting::last, .tracked = tracked});
    } else {
        hand_out_or_hold(ring, tracked);
    }
}

void UringTracker::check_reuse(Ring& ring, const Tracked& tracked) {
    const Request& request = tracked.request;
    const std::uint64_t user_data = request.user_data;
    if (user_data == 0 || user_data == liburing_timeout || tracked.part->prep_failed) {
        return;
    }
    Finished* found = nullptr;
    ring.history.each_of(user_data, [&](Finished& each) {
        if (!each.prep_failed() && overlap(request, each)) {
            found = &each;
        }
    });
    if (found == nullptr || ring.reuses_reported.size() >= reuses_limit ||
        !ring.reuses_reported.insert(user_data).second) {
        return;
    }
    const TrackedPtr& twin = found->whole();
    const bool this_first = *request.submit_ns <= *twin->request.submit_ns;
    const Request& older = this_first ? request : twin->request;
    const Request& younger = this_first ? twin->request : request;
    const auto means_both = [&](const Address& address) {
        const bool files =
            !address.fd || (request.fd == *address.fd && twin->request.fd == *address.fd &&
                            tracked.part->fixed_file == address.fixed && twin->part->fixed_file == address.fixed);
        const bool operations =
            !address.opcode || (request.opcode == *address.opcode && twin->request.opcode == *address.opcode);
        return address.user_data == user_data && files && operations;
    };
    const auto from = ring.addressed.lower_bound({.user_data = user_data, .fd = {}, .fixed = false, .opcode = {}});
    const bool addressed = std::any_of(from,
                                       ring.addressed.upper_bound({.user_data = user_data,
                                                                   .fd = std::numeric_limits<std::int32_t>::max(),
                                                                   .fixed = true,
                                                                   .opcode = std::numeric_limits<std::uint8_t>::max()}),
                                       means_both);
    Finding finding;
    finding.code = "user-data-reuse";
    finding.once_for = request.context_id;
    finding.operation = younger.opcode.value_or(0);
    finding.severity = addressed ? Severity::warn : Severity::info;
    finding.time_ns = *younger.submit_ns;
    finding.pid = younger.pid;
    finding.tid = younger.tid;
    finding.comm = younger.comm;
    finding.message = fmt::format(
        "{} was submitted with user_data {:#x} while {}, submitted {} before with the same, was still in flight{}",
        describe_uring(younger), user_data, describe_uring(older),
        format_duration(*younger.submit_ns - *older.submit_ns), addressed ? "; a cancel named that user_data" : "");
    finding.advice =
        "a completion or a cancel can then not tell the two apart: give each request in flight its own user_data";
    sink_.on_finding(finding);
}

void UringTracker::wait_for_reaping(Ring& ring, Ring::Waiting waiting) {
    const auto before = [&](const Ring::Waiting& each) {
        return static_cast<std::int32_t>(each.cq_tail - waiting.cq_tail) <= 0;
    };
    std::size_t behind = 0;
    while (behind < std::min(ring.waiting.size(), disorder_limit) &&
           !before(*(ring.waiting.end() - static_cast<std::ptrdiff_t>(behind) - 1))) {
        behind++;
    }
    due(ring, later(queued_ns(waiting), options_.reap_wait_ns + 1));
    behind == 0 ? ring.waiting.push_back(std::move(waiting))
                : ring.waiting.insert_before_last(behind, std::move(waiting));
    // Those at the front must have been taken long ago.
    if (++waiting_ > waiting_limit) {
        let_go_first(ring);
    }
}

void UringTracker::see_head(Ring& ring, std::uint32_t head, std::uint32_t tail, std::uint64_t time_ns) {
    // The program can write anything there.
    const std::uint32_t behind = tail - head;
    if (static_cast<std::int32_t>(behind) < 0 || (ring.part.cq_entries != 0 && behind > ring.part.cq_entries)) {
        return;
    }
    while (!ring.waiting.empty() && static_cast<std::int32_t>(head - ring.waiting.front().cq_tail) >= 0) {
        Tracked& tracked = *ring.waiting.front().tracked;
        const std::uint32_t cqe = ring.waiting.front().cqe;
        if (!tracked.handed_out && cqe == Ring::Waiting::last) {
            tracked.request.reap_ns = std::max(time_ns, *tracked.request.complete_ns);
        } else if (!tracked.handed_out) {
            tracked.part->cqes[cqe].reap_ns = std::max(time_ns, tracked.part->cqes[cqe].time_ns);
        }
        let_go_first(ring);
    }
    if (!ring.waiting.empty()) {
        due(ring, later(queued_ns(ring.waiting.front()), options_.reap_wait_ns + 1));
    }
}

void UringTracker::let_go_first(Ring& ring) {
    const bool last = ring.waiting.front().cqe == Ring::Waiting::last;
    TrackedPtr tracked = ring.waiting.take_front().tracked;
    waiting_--;
    if (last) {
        hand_out_or_hold(ring, std::move(tracked));
    }
}

void UringTracker::let_go_waiting(Ring& ring, std::uint64_t completed_before_ns) {
    while (!ring.waiting.empty() && queued_ns(ring.waiting.front()) < completed_before_ns) {
        let_go_first(ring);
    }
}

void UringTracker::hand_out_or_hold(Ring& ring, TrackedPtr tracked) {
    const bool young = *tracked->request.complete_ns + explain_ns > now_ns_;
    if (tracked->awaits_notification || (young && unexplained_end(*tracked))) {
        const std::uint64_t notification_ns = ring.gone ? 0 : options_.reap_wait_ns;
        const std::uint64_t wait_ns = tracked->awaits_notification ? notification_ns : explain_ns;
        const std::uint64_t until_ns = later(*tracked->request.complete_ns, wait_ns);
        tracked->held = true;
        ring.held.emplace(until_ns, std::move(tracked));
        due(ring, until_ns);
        return;
    }
    hand_out(*tracked);
    ring.history.shorten(*tracked);
    keep_spare(std::move(tracked));
}

// It need not be held back any more.
void UringTracker::note_explained(Ring& ring, const TrackedPtr& tracked) {
    if (tracked->held && !tracked->handed_out && !tracked->awaits_notification && !unexplained_end(*tracked)) {
        ring.explained.push_back(tracked);
        due(ring, now_ns_);
    }
}

void UringTracker::hand_out(Tracked& tracked) {
    if (!tracked.handed_out) {
        tracked.handed_out = true;
        sink_.on_request(tracked.request);
    }
}

// What was kept back for an explanation that has come, or that will not come any more.
void UringTracker::sweep(Ring& ring, bool all) {
    while (!ring.unseen.empty() && (all || later(ring.unseen.first_ended_ns(), explain_ns) <= now_ns_)) {
        const TrackedPtr tracked = ring.unseen.take_first();
        if (!tracked->request.result_known) {
            completions_unseen_ += tracked->request.completion_seen ? 0 : 1;
            take_refusal(*tracked);
            settle(ring, tracked);
        }
    }
    while (!ring.explained.empty()) {
        hand_out(*ring.explained.take_front());
    }
    while (!ring.held.empty() && (all || ring.held.begin()->first <= now_ns_)) {
        const TrackedPtr tracked = std::move(ring.held.begin()->second);
        ring.held.erase(ring.held.begin());
        const std::uint64_t explained_ns = later(*tracked->request.complete_ns, explain_ns);
        const bool waits_on = !tracked->awaits_notification && unexplained_end(*tracked) && explained_ns > now_ns_;
        if (!tracked->handed_out && waits_on && !all) {
            ring.held.emplace(explained_ns, tracked);
            continue;
        }
        hand_out(*tracked);
    }
    while (!ring.unexplained.empty() &&
           (all || *ring.unexplained.front()->request.complete_ns + options_.reap_wait_ns < now_ns_)) {
        ring.unexplained.pop_front();
    }
    ring.announced.forget_ended(all ? Schedule::never_ns : now_ns_ - std::min(now_ns_, explain_ns));
}

// When the first of what sweep() and its like look at is due; what is added later says so itself.
std::uint64_t UringTracker::next_due(const Ring& ring) const {
    std::uint64_t next_ns = Schedule::never_ns;
    const auto add = [&next_ns](bool is_there, auto&& when) {
        if (is_there) {
            next_ns = std::min<std::uint64_t>(next_ns, when());
        }
    };
    add(!ring.waiting.empty(), [&] { return later(queued_ns(ring.waiting.front()), options_.reap_wait_ns + 1); });
    add(!ring.unseen.empty(), [&] { return later(ring.unseen.first_ended_ns(), explain_ns); });
    add(!ring.held.empty(), [&] { return ring.held.begin()->first; });
    add(!ring.unexplained.empty(),
        [&] { return later(*ring.unexplained.front()->request.complete_ns, options_.reap_wait_ns + 1); });
    add(ring.announced.next_ended_ns() != Schedule::never_ns,
        [&] { return later(ring.announced.next_ended_ns(), explain_ns + 1); });
    add(!ring.attempts_by_deadline.empty(), [&] { return later(ring.attempts_by_deadline.begin()->first.first, 1); });
    return next_ns;
}

}  // namespace inflight::model
