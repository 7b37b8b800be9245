// SPDX-License-Identifier: Apache-2.0
#include "model/uring_history.hpp"

#include "model/uring_record.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace inflight::model::uring {

namespace {

// In pieces that are copied with vector registers: for the whole the compiler takes an instruction that begins slowly.
void copy_brief(std::byte* to, const ifl_uring_request* record) {
    constexpr std::size_t piece = 64;
    const auto* from = reinterpret_cast<const std::byte*>(record);
    for (std::size_t at = 0; at + piece <= IFL_UREQ_BRIEF_BYTES; at += piece) {
        std::memcpy(to + at, from + at, piece);
    }
    constexpr std::size_t rest = IFL_UREQ_BRIEF_BYTES % piece;
    std::memcpy(to + IFL_UREQ_BRIEF_BYTES - rest, from + IFL_UREQ_BRIEF_BYTES - rest, rest);
}

}  // namespace

TrackedPtr Brief::whole() const {
    TrackedPtr tracked = new_tracked();
    fill_from(*tracked, record());
    end_from(*tracked, record());
    tracked->request.file = file;
    tracked->request.ctx_id = ctx_id;
    tracked->request.reap_ns = reap_ns;
    tracked->ended = true;
    tracked->handed_out = true;
    decide_outcome(*tracked);
    return tracked;
}

std::optional<std::uint64_t> Finished::submit_ns() const {
    if (tracked_) {
        return tracked_->request.submit_ns;
    }
    const std::uint64_t submit_ns = brief_.record().submit_ns;
    return submit_ns == 0 ? std::nullopt : std::optional(submit_ns);
}

std::uint64_t Finished::complete_ns() const {
    if (tracked_) {
        return *tracked_->request.complete_ns;
    }
    const auto& record = brief_.record();
    return record.complete_ns != 0 ? record.complete_ns : record.header.time_ns;
}

std::uint64_t Finished::kernel_address() const {
    return tracked_ ? tracked_->request.kernel_address : brief_.record().req;
}

bool Finished::prep_failed() const {
    return tracked_ ? tracked_->part->prep_failed : (brief_.record().flags & IFL_UREQ_PREP_FAILED) != 0;
}

const TrackedPtr& Finished::whole() {
    if (!tracked_) {
        tracked_ = brief_.whole();
    }
    return tracked_;
}

History::History(std::size_t limit) : limit_(std::bit_ceil(std::max<std::size_t>(limit, kept_of_each))) {}

// Where one with this user_data stands from now on.
std::uint64_t History::number_for(std::uint64_t user_data) {
    if (made_ >= heads_.size() && (heads_.empty() || heads_.size() < limit_)) {
        rehash(std::max<std::size_t>(64, 2 * heads_.size()));
    }
    const std::size_t in = bucket(user_data);
    unsigned same = 0;
    unsigned passed = 0;
    std::uint64_t oldest = 0;
    for (std::uint64_t number = heads_[in]; alive(number); number = links_[at(number)].older) {
        if (++passed > longest_chain) {
            dropped_ = true;
            break;
        }
        if (links_[at(number)].user_data != user_data) {
            continue;
        }
        same++;
        if (oldest == 0 || places_[at(number)].complete_ns() < places_[at(oldest)].complete_ns()) {
            oldest = number;
        }
    }
    if (same >= kept_of_each) {
        return oldest;
    }
    made_++;
    dropped_ = dropped_ || made_ > limit_;
    // A place is made when it is first used: most rings never have that many.
    if (places_.size() <= at(made_)) {
        places_.resize(at(made_) + 1);
        links_.resize(at(made_) + 1);
    }
    links_[at(made_)] = {.user_data = user_data, .older = heads_[in]};
    heads_[in] = made_;
    return made_;
}

void History::add(const TrackedPtr& tracked, const ifl_uring_request* record) {
    const Request& request = tracked->request;
    tracked->place = number_for(request.user_data);
    Finished& place = places_[at(tracked->place)];
    place.tracked_ = tracked;
    tracked->plain = record != nullptr;
    if (record != nullptr) {
        copy_brief(place.brief_.bytes.data(), record);
    }
    place.brief_.file = record != nullptr ? request.file : nullptr;
    place.brief_.ctx_id = request.ctx_id;
}

void History::shorten(Tracked& tracked) {
    if (!tracked.plain || tracked.named || !alive(tracked.place)) {
        return;
    }
    // Another of its user_data may stand there by now.
    Finished& place = places_[at(tracked.place)];
    if (place.tracked_.get() == &tracked) {
        place.brief_.reap_ns = tracked.request.reap_ns;
        place.tracked_.reset();
    }
}

void History::rehash(std::size_t buckets) {
    heads_.assign(buckets, 0);
    for (std::uint64_t number = made_ < limit_ ? 1 : made_ - limit_ + 1; number <= made_; number++) {
        Link& each = links_[at(number)];
        std::uint64_t& head = heads_[bucket(each.user_data)];
        each.older = head;
        head = number;
    }
}

}  // namespace inflight::model::uring
