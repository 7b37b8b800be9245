// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <span>
#include <string_view>

namespace inflight {
namespace {

struct Unit {
    std::uint64_t size;
    std::string_view name;
};

constexpr Unit duration_units[] = {{1, "ns"}, {1'000, "µs"}, {1'000'000, "ms"}, {1'000'000'000, "s"}};

constexpr Unit byte_units[] = {
    {1, "B"},
    {1ULL << 10, "KiB"},
    {1ULL << 20, "MiB"},
    {1ULL << 30, "GiB"},
    {1ULL << 40, "TiB"},
    {1ULL << 50, "PiB"},
    {1ULL << 60, "EiB"},
};

// The largest unit that `amount` reaches after rounding, so that 999,999 ns is "1.00 ms" and not "1000 µs".
const Unit& unit_for(std::span<const Unit> units, std::uint64_t amount) {
    const Unit* best = &units.front();
    for (const Unit& unit : units.subspan(1)) {
        const double rounding = 0.5 * static_cast<double>((&unit - 1)->size);
        if (static_cast<double>(amount) + rounding >= static_cast<double>(unit.size)) {
            best = &unit;
        }
    }
    return *best;
}

constexpr Unit duration_words[] = {
    {1, "ns"},           {1'000, "us"},        {1'000, "µs"},         {1'000'000, "ms"},
    {1'000'000'000, ""}, {1'000'000'000, "s"}, {60'000'000'000, "m"}, {3'600'000'000'000, "h"}};

constexpr Unit byte_words[] = {{1, ""},
                               {1, "b"},
                               {1ULL << 10, "k"},
                               {1ULL << 10, "kb"},
                               {1ULL << 10, "kib"},
                               {1ULL << 20, "m"},
                               {1ULL << 20, "mb"},
                               {1ULL << 20, "mib"},
                               {1ULL << 30, "g"},
                               {1ULL << 30, "gb"},
                               {1ULL << 30, "gib"},
                               {1ULL << 40, "t"},
                               {1ULL << 40, "tb"},
                               {1ULL << 40, "tib"}};

std::expected<std::uint64_t, NumberFault> scaled(std::string_view text, std::span<const Unit> words, double most) {
    double number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto unit = std::ranges::find(words, text.substr(static_cast<std::size_t>(end - text.data())), &Unit::name);
    if (unit == words.end()) {
        return std::unexpected(NumberFault::no_number);
    }
    if (bad == std::errc::result_out_of_range) {
        const bool small = text.find("e-") != std::string_view::npos || text.front() == '-';
        return std::unexpected(small ? NumberFault::no_number : NumberFault::too_large);
    }
    const double amount = number * static_cast<double>(unit->size);
    // Written so that a NaN is refused too.
    if (bad != std::errc{} || !(amount >= 1)) {
        return std::unexpected(NumberFault::no_number);
    }
    if (amount > most) {
        return std::unexpected(NumberFault::too_large);
    }
    return static_cast<std::uint64_t>(amount);
}

}  // namespace

std::expected<std::uint64_t, NumberFault> parse_duration_ns(std::string_view text) {
    // A sum of two such and of the time since the machine was booted is still a number.
    constexpr double longest_ns = 100.0 * 365 * 86'400 * 1e9;
    return scaled(text, duration_words, longest_ns);
}

std::expected<std::uint64_t, NumberFault> parse_size_bytes(std::string_view text) {
    constexpr double largest_bytes = 1024.0 * static_cast<double>(1ULL << 40U);
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
    return scaled(lower, byte_words, largest_bytes);
}

std::string format_duration(std::uint64_t duration_ns) {
    const Unit& unit = unit_for(duration_units, duration_ns);
    if (unit.size == 1) {
        return fmt::format("{} ns", duration_ns);
    }
    const double value = static_cast<double>(duration_ns) / static_cast<double>(unit.size);
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, decimals, unit.name);
}

std::string format_bytes(std::uint64_t bytes) {
    const Unit& unit = unit_for(byte_units, bytes);
    if (unit.size == 1) {
        return fmt::format("{} B", bytes);
    }
    const double value = static_cast<double>(bytes) / static_cast<double>(unit.size);
    return fmt::format("{:.{}f} {}", value, value < 99.95 ? 1 : 0, unit.name);
}

std::string format_bytes_exact(std::uint64_t bytes) {
    const Unit* best = &byte_units[0];
    for (const Unit& unit : byte_units) {
        if (bytes != 0 && bytes % unit.size == 0) {
            best = &unit;
        }
    }
    return fmt::format("{} {}", bytes / best->size, best->name);
}

std::string format_count(std::uint64_t count) {
    std::string digits = fmt::to_string(count);
    for (std::size_t left = digits.size(); left > 3;) {
        left -= 3;
        digits.insert(left, 1, ',');
    }
    return digits;
}

std::string noun(std::uint64_t count, std::string_view one, std::string_view many) {
    return count == 1 ? std::string(one) : many.empty() ? std::string(one) + "s" : std::string(many);
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", format_count(count), noun(count, one, many));
}

std::string format_share(std::uint64_t part, std::uint64_t whole) {
    return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace inflight
