// SPDX-License-Identifier: Apache-2.0
#include "model/uring_announced.hpp"

#include <cstring>

namespace inflight::model::uring {

namespace {

constexpr std::size_t ended_limit = 1U << 16U;
// At most this many of those that ended within the disorder of records are looked at.
constexpr unsigned late_looked_at = 16;

Announced::Key key_of(const Tracked& tracked, std::uint64_t time_ns) {
    return {.user_data = tracked.request.user_data, .time_ns = time_ns, .request_id = tracked.part->request_id};
}

Announced::Key begin_of(const Tracked& tracked) {
    return key_of(tracked, tracked.request.submit_ns.value_or(0));
}

// A zero-copy send may have named the user_data of its notification: sqe.addr3, since Linux 7.1.
Announced::Key notification_of(const Tracked& tracked) {
    Announced::Key key = begin_of(tracked);
    std::uint64_t own = 0;
    if (tracked.part->sqe_known) {
        std::memcpy(&own, tracked.part->sqe.data() + sqe_addr3_at, sizeof(own));
    }
    key.user_data = own != 0 ? own : key.user_data;
    return key;
}

}  // namespace

void Announced::add(const TrackedPtr& tracked) {
    open_.emplace(begin_of(*tracked), tracked);
    if (zero_copy(tracked->request)) {
        unnotified_.emplace(notification_of(*tracked), tracked);
    }
}

void Announced::rename(const TrackedPtr& tracked, std::uint64_t user_data) {
    open_.erase(begin_of(*tracked));
    UringPart& part = *tracked->part;
    part.first_user_data = part.first_user_data.value_or(tracked->request.user_data);
    tracked->request.user_data = user_data;
    open_.emplace(begin_of(*tracked), tracked);
}

void Announced::end(const TrackedPtr& tracked) {
    const Ended each{
        .began = begin_of(*tracked), .ended = key_of(*tracked, *tracked->request.complete_ns), .tracked = tracked};
    open_.erase(each.began);
    ended_.emplace(each.ended, tracked);
    order_.push_back(each);
    while (order_.size() > ended_limit) {
        forget(order_.take_front());
    }
}

void Announced::note_notified(const TrackedPtr& tracked) {
    unnotified_.erase(notification_of(*tracked));
}

TrackedPtr Announced::find(std::uint64_t user_data, std::uint64_t time_ns, bool notification) const {
    if (notification) {
        const auto first = unnotified_.lower_bound({.user_data = user_data, .time_ns = 0, .request_id = 0});
        const bool there = first != unnotified_.end() && first->first.user_data == user_data;
        return there && first->first.time_ns <= time_ns ? first->second : nullptr;
    }
    TrackedPtr best;
    const auto behind =
        open_.upper_bound({.user_data = user_data, .time_ns = time_ns, .request_id = ~std::uint64_t{0}});
    if (behind != open_.begin() && std::prev(behind)->first.user_data == user_data) {
        best = std::prev(behind)->second;
    }
    // Its last CQE may have overtaken this one.
    auto late = ended_.lower_bound({.user_data = user_data, .time_ns = time_ns, .request_id = 0});
    for (unsigned looked = 0; looked < late_looked_at && late != ended_.end() && late->first.user_data == user_data;
         looked++, ++late) {
        const std::uint64_t submit_ns = late->second->request.submit_ns.value_or(0);
        if (submit_ns <= time_ns && (!best || submit_ns >= best->request.submit_ns.value_or(0))) {
            best = late->second;
        }
    }
    return best;
}

void Announced::forget(const Ended& each) {
    ended_.erase(each.ended);
    unnotified_.erase(notification_of(*each.tracked));
}

void Announced::forget_ended(std::uint64_t before_ns) {
    // Those whose notification never comes are forgotten when there are too many.
    while (!waiting_.empty() && (!waiting_.front().tracked->awaits_notification || waiting_.size() > ended_limit)) {
        forget(waiting_.take_front());
    }
    while (!order_.empty() && order_.front().ended.time_ns < before_ns) {
        Ended each = order_.take_front();
        if (each.tracked->awaits_notification) {
            waiting_.push_back(std::move(each));
        } else {
            forget(each);
        }
    }
}

std::uint64_t Announced::next_ended_ns() const {
    return order_.empty() ? ~std::uint64_t{0} : order_.front().ended.time_ns;
}

}  // namespace inflight::model::uring
