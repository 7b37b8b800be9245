// SPDX-License-Identifier: Apache-2.0
// What arguments point at, kept until the request or call that they belong to is over.
#pragma once

#include "model/types.hpp"

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace inflight::model {

class DetailStore {
public:
    // Of a record that may claim anything about its size.
    void add(const ifl_header& header);
    [[nodiscard]] std::vector<Detail> take(std::uint64_t owner_id);
    // nullptr: none. Valid until the next add() or take().
    [[nodiscard]] const std::vector<Detail>* find(std::uint64_t owner_id) const;

private:
    // Those of a request are kept as long as it is in flight, which may be for ever; the oldest go first.
    static constexpr std::size_t bytes_limit = std::size_t{64} << 20U;
    static constexpr std::size_t owners_limit = std::size_t{1} << 18U;

    static std::size_t weight(const std::vector<Detail>& details);
    void forget_oldest();

    std::unordered_map<std::uint64_t, std::vector<Detail>> details_;
    std::deque<std::uint64_t> order_;  // owners, also some that are over
    std::size_t bytes_ = 0;
};

}  // namespace inflight::model
