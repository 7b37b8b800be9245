// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys.hpp"

#include <linux/futex.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

namespace inflight::aio {

// futex(2) on a word of this process. `deadline` is of CLOCK_MONOTONIC; nullptr: none.
inline long futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t value, const timespec* deadline) {
    return sys(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, deadline, nullptr,
               FUTEX_BITSET_MATCH_ANY);
}

inline void futex_wake(const std::atomic<std::uint32_t>& word) {
    (void)sys(SYS_futex, &word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr,
              FUTEX_BITSET_MATCH_ANY);
}

}  // namespace inflight::aio
