// SPDX-License-Identifier: Apache-2.0
#include "lock.hpp"

namespace inflight::aio {

bool Lock::wait(const timespec* deadline) {
    while (word_.exchange(wanted, std::memory_order_acquire) != unlocked) {
        const long result = sys(SYS_futex, &word_, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, wanted, deadline, nullptr,
                                FUTEX_BITSET_MATCH_ANY);
        if (result == -ETIMEDOUT) {
            return false;
        }
    }
    return true;
}

void Lock::wake() {
    (void)sys(SYS_futex, &word_, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

bool Lock::lock_until(const timespec& deadline) {
    if (owner_.load(std::memory_order_relaxed) == this_thread() || !wait(&deadline)) {
        return false;
    }
    owner_.store(this_thread(), std::memory_order_relaxed);
    return true;
}

}  // namespace inflight::aio
