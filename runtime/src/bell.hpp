// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "uring.hpp"

#include <pthread.h>

#include <atomic>
#include <cstdint>

namespace inflight::aio {

// Wakes the worker, which sleeps in its ring, without a descriptor: the program may have closed any descriptor, or have
// put a file of its own there. To ring it is to change a word of memory and wake who waits for that.
//
// Since 6.7 the worker's ring waits for the word itself (IORING_OP_FUTEX_WAIT). Before, a thread does, and raises an
// eventfd that the worker's ring polls. That thread has a table of descriptors of its own, so the eventfd is nowhere
// else.
class Bell {
public:
    void reset();
    // Starts what is needed for `ring`, before its worker uses it. `place` of the ring's file table is the bell's. 0 or
    // -errno.
    [[nodiscard]] long create(Uring& ring, std::uint32_t place);
    // After the worker has ended.
    void destroy();

    // By any thread.
    void strike();
    // The worker reads it before it looks for work for the last time, and hands it to listen().
    [[nodiscard]] std::uint32_t strokes() const { return word_.load(); }
    // By the worker: a completion with `user_data` comes when the bell is struck, or was since `strokes`. Needs one
    // entry in the ring. Nothing happens when it listens already.
    void listen(Uring& ring, std::uint32_t strokes, std::uint64_t user_data);
    // Such a completion has come.
    void heard(std::uint32_t completion_flags);

private:
    static void* ring_the_eventfd(void* argument);
    [[nodiscard]] long prepare_eventfd();

    std::atomic<std::uint32_t> word_;
    std::atomic<std::uint32_t> state_;
    std::atomic<bool> stop_;
    bool listens_;
    bool has_thread_;
    long result_;
    std::uint32_t place_;
    int eventfd_;
    Uring* ring_;
    pthread_t thread_;
};

// Starts a thread in which none of the program's signals is ever handled. 0 or -errno.
[[nodiscard]] long start_quiet_thread(pthread_t& thread, void* (*work)(void*), void* argument, const char* name);

}  // namespace inflight::aio
