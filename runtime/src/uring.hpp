// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "identity.hpp"

#include <linux/io_uring.h>
#include <linux/time_types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace inflight::aio {

// An io_uring instance, no more than what is needed here. Not thread-safe: its owner says who may use it when; only
// attach(), register_() and wait() may be called beside others. It is not inherited by a fork.
//
// The kernel is never called with the ring's descriptor, whose number may be a file of the program's at any time, after
// closefrom() or dup2(). A thread that is to call the kernel first registers the ring with itself (attach()), and then
// names it by an index that nobody else can change. The descriptor stays open only so that the ring is seen from
// outside; its mapping alone keeps the ring alive.
class Uring {
public:
    // 0 or -errno. The calling thread is attached.
    [[nodiscard]] long create(unsigned sq_entries, unsigned cq_entries, unsigned flags);
    void destroy();
    [[nodiscard]] bool is_open() const { return rings_ != nullptr; }
    // In a child of fork(): it lets go what it must not use.
    void forget();

    // Whether the calling thread may call the kernel for this ring. The first call of a thread registers the ring with
    // it; that fails when the program has closed the descriptor by then.
    [[nodiscard]] bool attach() const { return index() >= 0 || attach_now(); }
    // Only for the thread that has just created it: before 6.3 the kernel must be told the descriptor.
    [[nodiscard]] long register_new(unsigned operation, const void* argument, unsigned count) const;

    // A cleared entry, or nullptr when the queue is full: submit() first.
    [[nodiscard]] io_uring_sqe* next_sqe();
    [[nodiscard]] unsigned unsubmitted() const { return sq_local_tail_ - submitted_; }
    // As many entries can be prepared before submit() is needed.
    [[nodiscard]] unsigned room() const;
    // Hands the kernel what was prepared. The number it took, or -errno.
    long submit();
    // Takes the last prepared entry back, which the kernel has not taken.
    void take_back();
    // The same, then waits until `min_complete` completions are there.
    long submit_and_wait(unsigned min_complete);
    // Waits only, at most for `timeout` (nullptr: for ever), and with that signal mask (nullptr: the thread's). 0,
    // -ETIME, -EINTR.
    [[nodiscard]] long wait(unsigned min_complete, const __kernel_timespec* timeout,
                            const std::uint64_t* mask = nullptr) const;
    // By an attached thread, since 6.3 (registers_by_index()). `unreachable`: the thread is one of a child of vfork(),
    // which has this memory and not the ring.
    static constexpr long unreachable = -0x1000;
    [[nodiscard]] long register_(unsigned operation, const void* argument, unsigned count) const;

    // Whether completions signal the registered eventfd.
    void signal_eventfd(bool wanted);

    // Takes at most `room` completions.
    unsigned take(io_uring_cqe* to, unsigned room);
    // Whether completions did not fit and wait in the kernel.
    [[nodiscard]] bool overflowed() const;

private:
    [[nodiscard]] long create_once(unsigned sq_entries, const io_uring_params& wanted);
    [[nodiscard]] long prove_ownership();
    [[nodiscard]] long map(const io_uring_params& params);
    [[nodiscard]] bool is_at_descriptor() const;
    [[nodiscard]] int index() const;
    [[nodiscard]] bool attach_now() const;
    [[nodiscard]] long enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument,
                             std::size_t bytes) const;
    void close_descriptor() const;

    int fd_ = -1;
    FileIdentity identity_;
    std::uint64_t serial_ = 0;  // no two rings of a process have the same
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

// Since 6.7: it completes when somebody wakes those who wait for the word, or at once when that is not `value`.
void prepare_word_wait(io_uring_sqe& sqe, const std::atomic<std::uint32_t>& word, std::uint32_t value,
                       std::uint64_t user_data);

// Whether the kernel has IORING_REGISTER_USE_REGISTERED_RING (6.3).
[[nodiscard]] bool registers_by_index();
// Whether the kernel has IORING_OP_FUTEX_WAIT (6.7). Both are known after learn_abilities().
[[nodiscard]] bool waits_for_futex();
void learn_abilities(const Uring& fresh_ring);

// Completions that are no request's of the program, and mean nothing.
constexpr std::uint64_t ignored_data = ~std::uint64_t{0} - 2;

// In a child of fork(), where the thread that held it is not.
void renew_ring_lock();

}  // namespace inflight::aio
