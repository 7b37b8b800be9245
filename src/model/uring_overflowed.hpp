// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "contract/uring.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace inflight::model::uring {

// CQEs of a ring that end a request which the kernel did not name, because the ring was full. Each step takes
// logarithmic time. Not thread-safe.
class Overflowed {
public:
    void add(const ifl_uring_cqe& record);
    // Takes the first one with this user_data in [from_ns, until_ns].
    [[nodiscard]] std::optional<ifl_uring_cqe> take(std::uint64_t user_data, std::uint64_t from_ns,
                                                    std::uint64_t until_ns);
    // Takes the one that was added first.
    [[nodiscard]] std::optional<ifl_uring_cqe> take_oldest();
    [[nodiscard]] std::size_t size() const { return by_user_data_.size(); }
    [[nodiscard]] bool empty() const { return by_user_data_.empty(); }

private:
    struct Key {
        std::uint64_t user_data = 0;
        std::uint64_t time_ns = 0;
        std::uint64_t number = 0;
        auto operator<=>(const Key&) const = default;
    };

    std::map<Key, ifl_uring_cqe> by_user_data_;
    std::map<std::uint64_t, Key> in_order_;  // by number
    std::uint64_t added_ = 0;
};

}  // namespace inflight::model::uring
