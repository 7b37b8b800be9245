// SPDX-License-Identifier: Apache-2.0
#include "model/range_index.hpp"

#include <algorithm>
#include <bit>
#include <ranges>

namespace inflight::model {

namespace {

std::size_t class_of(const ByteRange& range) {
    return static_cast<std::size_t>(std::bit_width(range.end - range.start - 1));
}

}  // namespace

void RangeIndex::overlapping(const Use& use, const std::function<void(const Use&)>& found) const {
    for (std::size_t each = 0; each < classes_.size(); each++) {
        const auto& starts = classes_[each];
        if (starts.empty()) {
            continue;
        }
        const std::uint64_t longest = each < 64 ? std::uint64_t{1} << each : ~std::uint64_t{0};
        const std::uint64_t first = use.range.start - std::min(use.range.start, longest);
        const auto end = starts.lower_bound({use.space, use.range.end});
        for (auto start = starts.lower_bound({use.space, first}); start != end; ++start) {
            for (const Use& other : std::views::reverse(start->second)) {
                if (other.until_ns <= use.from_ns) {
                    break;
                }
                if (other.from_ns < use.until_ns && other.range.end > use.range.start) {
                    found(other);
                }
            }
        }
    }
}

void RangeIndex::add(const Use& use) {
    if (use.range.end <= use.range.start) {
        return;
    }
    const std::size_t size_class = class_of(use.range);
    const Key key{use.space, use.range.start};
    auto& uses = classes_.at(size_class)[key];
    auto place = uses.end();
    while (place != uses.begin() && std::prev(place)->until_ns > use.until_ns) {
        --place;
    }
    uses.insert(place, use);
    order_.emplace_back(size_class, key);
    if (order_.size() > limit_) {
        const auto [old_class, old_key] = order_.front();
        order_.pop_front();
        const auto old = classes_.at(old_class).find(old_key);
        forgotten_until_ns_ = std::max(forgotten_until_ns_, old->second.front().until_ns);
        old->second.pop_front();
        if (old->second.empty()) {
            classes_.at(old_class).erase(old);
        }
    }
}

}  // namespace inflight::model
