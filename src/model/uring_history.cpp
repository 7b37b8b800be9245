// SPDX-License-Identifier: Apache-2.0
#include "model/uring_state.hpp"

#include <algorithm>
#include <bit>

namespace inflight::model::uring {

History::History(std::size_t limit) : limit_(std::bit_ceil(std::max<std::size_t>(limit, kept_of_each))) {}

void History::add(const TrackedPtr& tracked) {
    if (made_ >= heads_.size() && (heads_.empty() || heads_.size() < limit_)) {
        rehash(std::max<std::size_t>(64, 2 * heads_.size()));
    }
    const std::uint64_t user_data = tracked->request.user_data;
    const std::size_t in = bucket(user_data);
    unsigned same = 0;
    Place* oldest = nullptr;
    for (std::uint64_t number = heads_[in]; alive(number); number = place(number).older) {
        Place& each = places_[number & (limit_ - 1)];
        if (each.user_data != user_data) {
            continue;
        }
        same++;
        if (oldest == nullptr || each.tracked->request.complete_ns < oldest->tracked->request.complete_ns) {
            oldest = &each;
        }
    }
    if (same >= kept_of_each) {
        oldest->tracked = tracked;
        return;
    }
    made_++;
    dropped_ = dropped_ || made_ > limit_;
    // A place is made when it is first used: most rings never have that many.
    const std::size_t at = made_ & (limit_ - 1);
    if (places_.size() <= at) {
        places_.resize(at + 1);
    }
    places_[at] = {.tracked = tracked, .user_data = user_data, .older = heads_[in]};
    heads_[in] = made_;
}

void History::rehash(std::size_t buckets) {
    heads_.assign(buckets, 0);
    for (std::uint64_t number = made_ < limit_ ? 1 : made_ - limit_ + 1; number <= made_; number++) {
        Place& each = places_[number & (limit_ - 1)];
        std::uint64_t& head = heads_[bucket(each.user_data)];
        each.older = head;
        head = number;
    }
}

}  // namespace inflight::model::uring
