// SPDX-License-Identifier: Apache-2.0
// Which programs of stat stand where, in each tier, as tables.
#pragma once

#include "base/result.hpp"
#include "contract/stat.h"
#include "probe/hooks.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::probe {

// A program and the function it stands at; without a function the program says itself where.
struct StatPlace {
    std::string_view program;
    std::string_view function;
    bool returns = false;
};

// Of kernel AIO's requests, and of io_cancel; ends before beginnings.
[[nodiscard]] std::span<const StatPlace> stat_request_places(Tier tier);
[[nodiscard]] std::span<const StatPlace> stat_cancel_places(Tier tier);

// What one program of several at a place skips another one sees.
[[nodiscard]] bool stat_has_twins(std::string_view program);

// Tiers that are not available for a hook. With all three the hook is left out.
struct RefusedTiers {
    std::vector<Tier> requests;
    std::vector<Tier> cancels;
};
[[nodiscard]] Result<RefusedTiers> tiers_without(const std::vector<std::string>& without);

// Operations of AIO that the slab does not tell apart: "pread,preadv" of the first pair of which only one is in `ops`
// (bit per opcode).
[[nodiscard]] std::optional<std::string_view> divided_pair(std::uint64_t ops);
// `ops` with the bits of contract/stat.h for pairs of which both are in it.
[[nodiscard]] std::uint64_t with_pairs(std::uint64_t ops);

}  // namespace inflight::probe
