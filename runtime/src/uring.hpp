// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/io_uring.h>
#include <linux/time_types.h>

#include <cstddef>
#include <cstdint>

namespace inflight::aio {

// An io_uring instance, no more than what is needed here. Not thread-safe: its owner says who may use it when; only
// register_() and wait() may be called beside others. It is not inherited by a fork.
class Uring {
public:
    // 0 or -errno.
    [[nodiscard]] long create(unsigned sq_entries, unsigned cq_entries, unsigned flags);
    void destroy();
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    [[nodiscard]] int fd() const { return fd_; }
    // After a fork: the child lets go what it must not use.
    void forget();

    // A cleared entry, or nullptr when the queue is full: submit() first.
    [[nodiscard]] io_uring_sqe* next_sqe();
    [[nodiscard]] unsigned unsubmitted() const { return sq_local_tail_ - submitted_; }
    // Hands the kernel what was prepared. The number it took, or -errno.
    long submit();
    // The same, then waits until `min_complete` completions are there.
    long submit_and_wait(unsigned min_complete);
    // Waits only, at most for `timeout` (nullptr: for ever). 0, -ETIME, -EINTR.
    [[nodiscard]] long wait(unsigned min_complete, const __kernel_timespec* timeout) const;
    [[nodiscard]] long register_(unsigned operation, const void* argument, unsigned count) const;

    // Whether completions signal the registered eventfd.
    void signal_eventfd(bool wanted);

    // Takes at most `room` completions.
    unsigned take(io_uring_cqe* to, unsigned room);
    // Whether completions did not fit and wait in the kernel.
    [[nodiscard]] bool overflowed() const;

private:
    [[nodiscard]] long map(const io_uring_params& params);

    int fd_ = -1;
    unsigned sq_local_tail_ = 0;
    unsigned submitted_ = 0;
    unsigned sq_mask_ = 0;
    unsigned sq_entries_ = 0;
    unsigned cq_mask_ = 0;
    unsigned* sq_head_ = nullptr;
    unsigned* sq_tail_ = nullptr;
    unsigned* sq_flags_ = nullptr;
    unsigned* cq_head_ = nullptr;
    unsigned* cq_tail_ = nullptr;
    unsigned* cq_flags_ = nullptr;
    io_uring_cqe* cqes_ = nullptr;
    io_uring_sqe* sqes_ = nullptr;
    void* rings_ = nullptr;
    std::size_t rings_bytes_ = 0;
    std::size_t sqes_bytes_ = 0;
};

}  // namespace inflight::aio
