// SPDX-License-Identifier: Apache-2.0
#include "model/range_index.hpp"

#include <algorithm>
#include <bit>

namespace inflight::model {

namespace {

std::size_t class_of(const ByteRange& range) {
    return static_cast<std::size_t>(std::bit_width(range.end - range.start - 1));
}

// Other uses that a search looks at.
constexpr std::size_t looked_at = 512;

bool meet(const Use& use, const Use& other) {
    return other.from_ns < use.until_ns && other.until_ns > use.from_ns && other.range.start < use.range.end &&
           other.range.end > use.range.start;
}

}  // namespace

bool RangeIndex::overlapping(const Use& use, const std::function<bool(const Use&)>& found) const {
    // Where many small ranges lie in a large one, few of them are used at the same time; and the other way round.
    Search search = by_place(use, found);
    if (search == Search::too_long) {
        search = by_time(use, found);
    }
    return search == Search::whole;
}

RangeIndex::Search RangeIndex::by_place(const Use& use, const std::function<bool(const Use&)>& found) const {
    std::size_t looked = 0;
    for (std::size_t each = 0; each < classes_.size(); each++) {
        const auto& starts = classes_[each];
        if (starts.empty()) {
            continue;
        }
        const std::uint64_t longest = each < 64 ? std::uint64_t{1} << each : ~std::uint64_t{0};
        const std::uint64_t first = use.range.start - std::min(use.range.start, longest);
        auto next = starts.lower_bound({.space = use.space, .byte = first});
        for (; next != starts.end() && next->first.space == use.space && next->first.byte < use.range.end; ++next) {
            if (++looked > looked_at) {
                return Search::too_long;
            }
            // From the one that was used last back.
            const ByEnd& uses = next->second;
            for (auto each_use = uses.rbegin(); each_use != uses.rend() && each_use->first.first > use.from_ns;
                 ++each_use) {
                if (++looked > looked_at) {
                    return Search::too_long;
                }
                if (meet(use, *each_use->second) && !found(*each_use->second)) {
                    return Search::stopped;
                }
            }
        }
    }
    return Search::whole;
}

RangeIndex::Search RangeIndex::by_time(const Use& use, const std::function<bool(const Use&)>& found) const {
    std::size_t looked = 0;
    for (auto each = by_end_.rbegin(); each != by_end_.rend() && each->first.first > use.from_ns; ++each) {
        if (++looked > looked_at) {
            return Search::too_long;
        }
        const Use& other = *each->second;
        if (other.space == use.space && meet(use, other) && !found(other)) {
            return Search::stopped;
        }
    }
    return Search::whole;
}

void RangeIndex::add(const Use& use) {
    if (use.range.end <= use.range.start) {
        return;
    }
    const std::size_t size_class = class_of(use.range);
    const End end(use.until_ns, ++added_);
    const auto start = classes_.at(size_class).try_emplace({.space = use.space, .byte = use.range.start}).first;
    order_.push_back({.use = use, .size_class = size_class, .start = start, .at_start = {}, .at_end = {}});
    Remembered& last = order_.back();
    // Most end in the order in which they come.
    last.at_start = start->second.emplace_hint(start->second.end(), end, &last.use);
    last.at_end = by_end_.emplace_hint(by_end_.end(), end, &last.use);
    if (order_.size() > limit_) {
        forget_oldest();
    }
}

void RangeIndex::forget_oldest() {
    const Remembered& oldest = order_.front();
    forgotten_until_ns_ = std::max(forgotten_until_ns_, oldest.use.until_ns);
    by_end_.erase(oldest.at_end);
    oldest.start->second.erase(oldest.at_start);
    if (oldest.start->second.empty()) {
        classes_.at(oldest.size_class).erase(oldest.start);
    }
    order_.pop_front();
}

}  // namespace inflight::model
