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
        auto next = starts.lower_bound({.space = use.space, .start = first, .until_ns = 0, .number = 0});
        while (next != starts.end() && next->first.space == use.space && next->first.start < use.range.end) {
            if (++looked > looked_at) {
                return Search::too_long;
            }
            // From the one that was used last back.
            const std::uint64_t start = next->first.start;
            next = starts.upper_bound(
                {.space = use.space, .start = start, .until_ns = ~std::uint64_t{0}, .number = ~std::uint64_t{0}});
            for (auto place = next; place != starts.begin();) {
                --place;
                if (place->first.space != use.space || place->first.start != start ||
                    place->first.until_ns <= use.from_ns) {
                    break;
                }
                if (++looked > looked_at) {
                    return Search::too_long;
                }
                const Use& other = place->second->second;
                if (meet(use, other) && !found(other)) {
                    return Search::stopped;
                }
            }
        }
    }
    return Search::whole;
}

RangeIndex::Search RangeIndex::by_time(const Use& use, const std::function<bool(const Use&)>& found) const {
    std::size_t looked = 0;
    for (auto each = by_end_.end(); each != by_end_.begin();) {
        --each;
        const Use& other = each->second;
        if (other.until_ns <= use.from_ns) {
            break;
        }
        if (++looked > looked_at) {
            return Search::too_long;
        }
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
    const Key key{.space = use.space, .start = use.range.start, .until_ns = use.until_ns, .number = ++added_};
    classes_.at(size_class).emplace(key, by_end_.emplace(use.until_ns, use));
    order_.push_back({.size_class = size_class, .key = key});
    if (order_.size() > limit_) {
        const Place oldest = order_.front();
        order_.pop_front();
        const auto place = classes_.at(oldest.size_class).find(oldest.key);
        forgotten_until_ns_ = std::max(forgotten_until_ns_, oldest.key.until_ns);
        by_end_.erase(place->second);
        classes_.at(oldest.size_class).erase(place);
    }
}

}  // namespace inflight::model
