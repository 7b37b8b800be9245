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
    // Until when it is used, and a number, as several may end at the same time.
    using End = std::pair<std::uint64_t, std::uint64_t>;
    using ByEnd = std::map<End, const Use*>;
    // Where ranges start: programs use the same memory again and again.
    struct Start {
        Space space;
        std::uint64_t byte = 0;
        auto operator<=>(const Start&) const = default;
    };
    using ByStart = std::map<Start, ByEnd>;
    struct Remembered {
        Use use;
        std::size_t size_class = 0;
        ByStart::iterator start;
        ByEnd::iterator at_start;
        ByEnd::iterator at_end;
    };
    enum class Search : std::uint8_t { whole, stopped, too_long };

    [[nodiscard]] Search by_place(const Use& use, const std::function<bool(const Use&)>& found) const;
    [[nodiscard]] Search by_time(const Use& use, const std::function<bool(const Use&)>& found) const;
    void forget_oldest();

    // Ranges by size, rounded up to a power of two: only so can those be found that start before a byte and reach it.
    static constexpr std::size_t size_classes = 65;

    std::size_t limit_;
    std::deque<Remembered> order_;  // as they were added; what the others point to stays where it is
    std::array<ByStart, size_classes> classes_;
    ByEnd by_end_;
    std::uint64_t added_ = 0;
    std::uint64_t forgotten_until_ns_ = 0;
};

}  // namespace inflight::model
