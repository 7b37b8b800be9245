// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them, always with their unit. Pure functions.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace inflight {

// Three significant digits: "870 ns", "12.3 µs", "4.56 ms", "1.20 s", "4321 s".
[[nodiscard]] std::string format_duration(std::uint64_t duration_ns);

// Binary units, rounded: "512 B", "4.0 KiB", "128 KiB", "1.5 GiB".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// Nothing is rounded off: the largest unit that divides the number, as "4 KiB", "1028 KiB", "1234 B". For positions in
// a file, where the last byte matters.
[[nodiscard]] std::string format_bytes_exact(std::uint64_t bytes);

// Digits in groups of three: "1,234,567".
[[nodiscard]] std::string format_count(std::uint64_t count);

// What stands after a number: "request" after 1, "requests" after any other; `many` where an s does not make it.
[[nodiscard]] std::string noun(std::uint64_t count, std::string_view one, std::string_view many = {});

// With the number: "1 request", "1,200 requests".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view one, std::string_view many = {});

// One digit after the point: "12.5 %". `whole` is not 0.
[[nodiscard]] std::string format_share(std::uint64_t part, std::uint64_t whole);

enum class NumberFault : std::uint8_t { no_number, too_large };

// What people write: a positive number and a unit, "250ms", "1.5h", "64mb" (of 1024 kb each, in any case). A bare
// number is of seconds, or of bytes. The fraction of the smallest unit is dropped. At most 100 years, or 1024 tb.
[[nodiscard]] std::expected<std::uint64_t, NumberFault> parse_duration_ns(std::string_view text);
[[nodiscard]] std::expected<std::uint64_t, NumberFault> parse_size_bytes(std::string_view text);

}  // namespace inflight
