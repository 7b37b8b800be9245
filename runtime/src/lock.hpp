// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys.hpp"

#include <linux/futex.h>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace inflight::aio {

// What a thread is told apart by. Never 0.
[[nodiscard]] inline std::uint64_t this_thread() {
    return address_of(__builtin_thread_pointer());
}

// A mutex that stands whole in its owner's cache line: libc's costs two calls into pages of libc, which after a wait
// for a disk are cold. Zeroed memory is an unlocked one. It knows which thread has it, except for a moment after lock()
// and a moment before unlock().
class Lock {
public:
    void lock() {
        std::uint32_t expected = unlocked;
        if (!word_.compare_exchange_strong(expected, locked, std::memory_order_acquire, std::memory_order_relaxed)) {
            wait(nullptr);
        }
        owner_.store(this_thread(), std::memory_order_relaxed);
    }

    void unlock() {
        owner_.store(0, std::memory_order_relaxed);
        if (word_.exchange(unlocked, std::memory_order_release) == wanted) {
            wake();
        }
    }

    [[nodiscard]] bool is_locked() const { return word_.load(std::memory_order_relaxed) != unlocked; }

    // False when the calling thread has it already, or could not get it until then (CLOCK_MONOTONIC).
    [[nodiscard]] bool lock_until(const timespec& deadline);

private:
    static constexpr std::uint32_t unlocked = 0;
    static constexpr std::uint32_t locked = 1;
    static constexpr std::uint32_t wanted = 2;  // locked, and somebody may wait for it

    // False when the time is over.
    [[gnu::cold]] bool wait(const timespec* deadline);
    [[gnu::cold]] void wake();

    std::atomic<std::uint32_t> word_;
    std::atomic<std::uint64_t> owner_;
};

}  // namespace inflight::aio
