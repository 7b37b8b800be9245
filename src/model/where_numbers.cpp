// SPDX-License-Identifier: Apache-2.0
#include "model/where_numbers.hpp"

#include "catalog/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace inflight::model {

namespace {

struct UnitName {
    std::string_view name;
    double factor;
};

constexpr auto time_units =
    std::to_array<UnitName>({{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}});
constexpr auto byte_units = std::to_array<UnitName>({{"", 1},
                                                     {"B", 1},
                                                     {"KiB", 0x1p10},
                                                     {"MiB", 0x1p20},
                                                     {"GiB", 0x1p30},
                                                     {"TiB", 0x1p40},
                                                     {"kB", 1e3},
                                                     {"MB", 1e6},
                                                     {"GB", 1e9},
                                                     {"TB", 1e12}});

std::optional<WideNumber> with_unit(std::string_view text, std::span<const UnitName> units) {
    double number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
    const auto found = std::ranges::find(units, unit, &UnitName::name);
    // Written so that a NaN is refused too.
    if (bad != std::errc{} || found == units.end() || !(std::abs(number) * found->factor < 0x1p63)) {
        return std::nullopt;
    }
    return static_cast<WideNumber>(std::llround(number * found->factor));
}

}  // namespace

std::optional<int> errno_by_name(std::string_view name) {
    constexpr int last = 4095;
    for (int number = 1; number <= last; ++number) {
        if (catalog::errno_name(number) == name) {
            return number;
        }
    }
    return std::nullopt;
}

std::optional<WideNumber> whole_number(std::string_view text) {
    const bool negative = text.starts_with('-');
    text.remove_prefix(negative ? 1 : 0);
    const bool hex = text.starts_with("0x");
    text.remove_prefix(hex ? 2 : 0);
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    if (bad != std::errc{} || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return negative ? -static_cast<WideNumber>(number) : static_cast<WideNumber>(number);
}

std::optional<WideNumber> time_number(std::string_view text) {
    return with_unit(text, time_units);
}

std::optional<WideNumber> bytes_number(std::string_view text) {
    return with_unit(text, byte_units);
}

}  // namespace inflight::model
