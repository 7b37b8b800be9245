// SPDX-License-Identifier: Apache-2.0
// Arithmetic on numbers that nobody vouches for: what does not fit stops at the end of the range. Pure functions.
#pragma once

#include <cstdint>
#include <limits>

namespace inflight {

[[nodiscard]] constexpr std::int64_t add_clamped(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) {
        return sum;
    }
    return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

[[nodiscard]] constexpr std::int64_t subtract_clamped(std::int64_t a, std::int64_t b) {
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(a, b, &difference)) {
        return difference;
    }
    return b < 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

[[nodiscard]] constexpr std::int64_t multiply_clamped(std::int64_t a, std::int64_t b) {
    std::int64_t product = 0;
    if (!__builtin_mul_overflow(a, b, &product)) {
        return product;
    }
    return (a < 0) == (b < 0) ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

[[nodiscard]] constexpr std::int64_t to_signed_clamped(std::uint64_t value) {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    return value > static_cast<std::uint64_t>(largest) ? largest : static_cast<std::int64_t>(value);
}

// A time of CLOCK_MONOTONIC as nanoseconds since 1970, where that clock is `wall_offset_ns` behind.
[[nodiscard]] constexpr std::int64_t wall_time_ns(std::uint64_t time_ns, std::int64_t wall_offset_ns) {
    return add_clamped(to_signed_clamped(time_ns), wall_offset_ns);
}

// The errno that a negative result of a system call stands for; 0 for any other.
[[nodiscard]] constexpr int error_of_result(std::int64_t result) {
    constexpr int largest = std::numeric_limits<int>::max();
    return result >= 0 ? 0 : result < -std::int64_t{largest} ? largest : static_cast<int>(-result);
}

// Nothing that is negative or not a number is a count.
[[nodiscard]] constexpr std::uint64_t to_count_clamped(double value) {
    constexpr double beyond = 18446744073709551616.0;  // 2^64
    if (!(value > 0)) {
        return 0;
    }
    return value >= beyond ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(value);
}

}  // namespace inflight
