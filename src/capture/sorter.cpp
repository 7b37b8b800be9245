// SPDX-License-Identifier: Apache-2.0
#include "capture/sorter.hpp"

#include <algorithm>
#include <cstring>

namespace inflight::capture {

namespace {

constexpr std::size_t chunk_words = 32768;
// Beyond these, memory of a burst is given back.
constexpr std::size_t free_chunks_kept = 64;

}  // namespace

Sorter::Chunk& Sorter::chunk_for(std::size_t words) {
    if (filling_ != nullptr && filling_->used_words + words <= filling_->size_words) {
        return *filling_;
    }
    if (words <= chunk_words && !free_.empty()) {
        filling_ = free_.back();
        free_.pop_back();
        filling_->used_words = 0;
        return *filling_;
    }
    const std::size_t size = std::max(words, chunk_words);
    chunks_.push_back(std::make_unique<Chunk>());
    filling_ = chunks_.back().get();
    filling_->words = std::make_unique_for_overwrite<std::uint64_t[]>(size);
    filling_->size_words = size;
    return *filling_;
}

void Sorter::give_back(Chunk& chunk) {
    if (&chunk == filling_) {
        chunk.used_words = 0;
    } else if (chunk.size_words == chunk_words && free_.size() < free_chunks_kept) {
        free_.push_back(&chunk);
    } else {
        std::erase_if(chunks_, [&chunk](const auto& each) { return each.get() == &chunk; });
    }
}

void Sorter::add(const ifl_header& record, Maker maker) {
    if (record.time_ns < released_ns_) {
        out_of_order_++;
    }
    // Records are read in place: each begins where a 64-bit field may.
    const std::size_t words = (record.size_bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
    Chunk& chunk = chunk_for(words);
    std::uint64_t* const at = chunk.words.get() + chunk.used_words;
    std::memcpy(at, &record, record.size_bytes);
    chunk.used_words += words;
    chunk.waiting++;
    waiting_words_ += words;
    added_.push_back({.time_ns = record.time_ns,
                      .record = reinterpret_cast<const ifl_header*>(at),
                      .chunk = &chunk,
                      .words = static_cast<std::uint32_t>(words),
                      .maker = maker});
}

// Only what overlaps in time is moved.
void Sorter::merge_added() {
    if (added_.empty()) {
        return;
    }
    std::ranges::stable_sort(added_, {}, &Entry::time_ns);
    if (first_ == waiting_.size()) {
        waiting_.clear();
        first_ = 0;
    } else if (first_ > waiting_.size() / 2) {
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    const auto had = static_cast<std::ptrdiff_t>(waiting_.size());
    const auto overlap = std::ranges::upper_bound(waiting_.begin() + static_cast<std::ptrdiff_t>(first_),
                                                  waiting_.end(), added_.front().time_ns, {}, &Entry::time_ns) -
                         waiting_.begin();
    waiting_.insert(waiting_.end(), added_.begin(), added_.end());
    std::ranges::inplace_merge(waiting_.begin() + overlap, waiting_.begin() + had, waiting_.end(), {}, &Entry::time_ns);
    added_.clear();
}

bool Sorter::release(std::uint64_t until_ns, const std::function<void(const ifl_header&)>& deliver,
                     const std::function<bool()>& go_on) {
    merge_added();
    while (first_ < waiting_.size() && waiting_[first_].time_ns < until_ns) {
        const Entry& entry = waiting_[first_++];
        waiting_words_ -= entry.words;
        released_ns_ = std::max(released_ns_, entry.time_ns);
        deliver(*entry.record);
        if (--entry.chunk->waiting == 0) {
            give_back(*entry.chunk);
        }
        if (go_on && !go_on()) {
            return first_ == waiting_.size() || waiting_[first_].time_ns >= until_ns;
        }
    }
    return true;
}

void Sorter::discard(const std::function<void(const ifl_header&, Maker)>& lost) {
    merge_added();
    for (; first_ < waiting_.size(); first_++) {
        const Entry& entry = waiting_[first_];
        waiting_words_ -= entry.words;
        lost(*entry.record, entry.maker);
        if (--entry.chunk->waiting == 0) {
            give_back(*entry.chunk);
        }
    }
}

}  // namespace inflight::capture
