// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace inflight::aio {

constexpr std::uint64_t second_ns = 1'000'000'000;
// Ten years. A wait with a limit is left when a signal was handled, as the kernel's is; one without would go on.
constexpr std::uint64_t for_ever_ns = 10ULL * 365 * 86400 * second_ns;

// CLOCK_MONOTONIC.
inline std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

inline timespec time_of(std::uint64_t ns) {
    return {static_cast<time_t>(ns / second_ns), static_cast<long>(ns % second_ns)};
}

// Nothing when it is negative, at most for ever.
inline std::uint64_t duration_ns(const timespec& time) {
    if (time.tv_sec < 0 || time.tv_nsec < 0) {
        return 0;
    }
    const auto seconds = static_cast<std::uint64_t>(time.tv_sec);
    return seconds >= for_ever_ns / second_ns ? for_ever_ns
                                              : seconds * second_ns + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace inflight::aio
