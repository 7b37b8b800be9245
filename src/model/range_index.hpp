// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/accesses.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>

namespace inflight::model {

// A request that used a range, from when to when.
struct Use {
    std::pair<std::uint64_t, std::uint64_t> space;  // ranges of different spaces never meet: device and inode of a file
    ByteRange range;
    std::uint64_t used_end =
        0;  // of what it has touched indeed, as its result shows; range.end where that is not known
    std::uint64_t from_ns = 0;
    std::uint64_t until_ns = 0;
    bool writes = false;
    std::shared_ptr<const Request> request;
};

// Finds those that used the same bytes at the same time. Remembers the last `limit` uses. Not thread-safe.
class RangeIndex {
public:
    explicit RangeIndex(std::size_t limit) : limit_(limit) {}

    // Calls `found` with remembered uses that share bytes and time with this one, with some more than once, until it
    // returns false. Looks at a bounded number of uses; false: there may be more.
    bool overlapping(const Use& use, const std::function<bool(const Use&)>& found) const;
    void add(const Use& use);
    // A use that began before this may have overlapped one that is forgotten; 0: none is.
    [[nodiscard]] std::uint64_t forgotten_until_ns() const { return forgotten_until_ns_; }

private:
    using Space = std::pair<std::uint64_t, std::uint64_t>;
    using ByEnd = std::multimap<std::uint64_t, Use>;  // of the use, not of the range
    // Where the range starts, and until when it is used.
    struct Key {
        Space space;
        std::uint64_t start = 0;
        std::uint64_t until_ns = 0;
        std::uint64_t number = 0;
        auto operator<=>(const Key&) const = default;
    };
    struct Place {
        std::size_t size_class = 0;
        Key key;
    };
    enum class Search : std::uint8_t { whole, stopped, too_long };

    [[nodiscard]] Search by_place(const Use& use, const std::function<bool(const Use&)>& found) const;
    [[nodiscard]] Search by_time(const Use& use, const std::function<bool(const Use&)>& found) const;

    // Ranges by size, rounded up to a power of two: only so can those be found that start before a byte and reach it.
    static constexpr std::size_t size_classes = 65;

    std::size_t limit_;
    ByEnd by_end_;
    std::array<std::map<Key, ByEnd::iterator>, size_classes> classes_;
    std::deque<Place> order_;
    std::uint64_t added_ = 0;
    std::uint64_t forgotten_until_ns_ = 0;
};

}  // namespace inflight::model
