// SPDX-License-Identifier: Apache-2.0
// What only io_uring requests, rings and cancels have. Included by types.hpp; the rules are the same.
#pragma once

#include "contract/uring.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::model {

// What an argument points at, as raw bytes: a path without NUL, a struct sockaddr, a struct open_how, ...
struct Detail {
    std::uint8_t kind = 0;  // ifl_detail_kind
    bool readable = true;   // false: the memory could not be read, `bytes` is empty
    bool kernel = false;    // K: the kernel's own copy; else U: user memory, which can change after the kernel read it
    bool truncated = false;
    std::uint64_t address = 0;
    std::uint32_t total = 0;  // of IOVECS and FUTEXES their number, of REGISTER the bytes that belong to it
    std::string bytes;
};

namespace uring {
// What a ring is known by (Request::ctx_id) where its descriptor is not known. 0 is one.
inline constexpr std::uint64_t no_ring_fd = ~std::uint64_t{0};
[[nodiscard]] constexpr bool is_ring_fd(std::uint64_t ctx_id) {
    return ctx_id <= 0x7fffffff;
}
}  // namespace uring

// One entry of the completion queue.
struct Cqe {
    std::uint64_t time_ns = 0;
    std::int32_t result = 0;
    std::uint32_t flags = 0;                          // IORING_CQE_F_*
    std::optional<std::array<std::uint64_t, 2>> big;  // second half of a 32-byte CQE
    bool overflowed = false;                          // went to the backlog because the CQ ring was full
    bool dropped = false;                             // the program never sees it
    bool of_no_request = false;                       // overflowed, a tag or a message: none was in flight
    std::optional<std::uint64_t> reap_ns;             // it had been taken by then
};

// Why a request ended with -ECANCELED or was given up.
enum class EndCause : std::uint8_t {
    none,
    cancel,        // a cancel attempt took it: cancelled_by
    link_failed,   // an earlier request of its chain failed: failed_by
    link_timeout,  // its linked timeout fired
    target_ended,  // a linked timeout, whose target ended first
    task_exit,     // the kernel cancelled it because its task ended
    ring_closed,   // ... because its ring was closed
    unknown,
    denied_by_filter,       // a BPF filter of its ring or task (7.0)
    denied_by_restriction,  // a restriction of its ring or task
};
[[nodiscard]] std::string_view name(EndCause cause);  // "link-failed"

// The part of a Request that io_uring adds.
struct UringPart {
    std::uint64_t request_id = 0;  // inflight's number, 0 not known
    std::array<std::uint8_t, IFL_SQE_BYTES> sqe{};
    bool sqe_known = false;
    std::uint8_t sqe_flags = 0;                    // IOSQE_*
    std::optional<std::uint64_t> first_user_data;  // of a poll that was given another since
    bool fixed_file = false;                       // fd is an index of the ring's file table
    bool kernel_rw = false;  // buffer, length and offset are the kernel's own (K), else the SQE's (U)

    std::optional<std::uint64_t> defer_ns;  // held back by IOSQE_IO_DRAIN
    std::optional<std::uint64_t> punt_ns;   // handed to io-wq, the first time
    std::optional<std::uint64_t> worker_ns;
    std::optional<std::uint64_t> arm_ns;
    std::optional<std::uint64_t> task_work_ns;
    ifl_place place = IFL_PLACE_NONE;  // of one in flight: the list that it was found on
    std::uint32_t punts = 0;
    std::uint32_t arms = 0;
    std::uint32_t task_works = 0;
    std::uint32_t ring_pid = 0;       // of the process that made the ring, 0: not known
    std::uint32_t batch = 0;          // SQEs of the same submission, 0 not known
    std::uint32_t sq_thread_tid = 0;  // the SQ thread that submitted it, 0 none
    std::uint32_t worker_tid = 0;     // the io-wq worker that ran it, 0 none or not known
    bool by_worker = false;           // it also completed in a worker
    bool driven_by_bpf = false;       // a BPF program that drives the ring submitted it, in a thread that calls enter
    std::string completer_comm;

    std::uint64_t link_head = 0;  // request_id of the head of its chain, 0: none or itself the head
    std::uint64_t failed_by = 0;
    EndCause cause = EndCause::none;
    std::uint64_t cancelled_by = 0;  // call_id or request_id of the cancel attempt
    bool prep_failed = false;        // refused when its SQE was read, never issued
    int prep_error = 0;              // then: errno, also where its CQE was not seen; 0 not known
    bool cqe_skipped = false;        // ended without a CQE, as IOSQE_CQE_SKIP_SUCCESS asks for
    bool multishot = false;
    bool overflowed = false;  // its last CQE went to the backlog

    std::uint32_t cqe_flags = 0;                      // of the last CQE
    std::optional<std::array<std::uint64_t, 2>> big;  // of the last CQE
    std::uint64_t cqe_count = 0;                      // all of them, with the last
    std::vector<Cqe> cqes;                            // before the last; the first cqes_kept of them
    std::uint64_t cqe_bytes = 0;                      // sum of the positive results of `cqe_count` CQEs
    std::optional<std::uint64_t> notified_ns;         // zero-copy send: the buffer was free by then

    std::vector<Detail> details;
    bool details_lost = false;

    static constexpr std::size_t cqes_kept = 256;
    [[nodiscard]] const Detail* detail(ifl_detail_kind kind) const {
        for (const Detail& each : details) {
            if (each.kind == kind) {
                return &each;
            }
        }
        return nullptr;
    }
};

// What is known of a ring beside the fields of a Context.
struct RingPart {
    std::uint32_t setup_flags = 0;  // IORING_SETUP_*
    std::uint32_t sq_entries = 0;
    std::uint32_t cq_entries = 0;
    std::int32_t fd = -1;
    bool owner_guessed = false;
    bool closing = false;        // no task has it any more; the kernel frees it when its requests have ended
    bool driven_by_bpf = false;  // a BPF program submits and takes completions, or did at some time
    bool counted = false;        // the rest was read
    bool waited_for = false;     // then a thread was waiting for more completions
    std::uint64_t cqes = 0;
    std::uint64_t overflowed = 0;         // CQEs that went to the backlog
    std::uint64_t overflowed_others = 0;  // of these, tags and messages: no request was in flight that they could end
    std::uint32_t cq_overflow = 0;        // CQEs that the kernel had to drop
    std::uint32_t sq_dropped = 0;
    std::uint32_t sq_head = 0;
    std::uint32_t sq_tail = 0;
    std::uint32_t cq_head = 0;
    std::uint32_t cq_tail = 0;
    std::uint32_t sq_flags = 0;  // IORING_SQ_*
    std::uint32_t files = 0;
    std::uint32_t buffers = 0;
    std::uint32_t sq_thread_tid = 0;
    std::uint32_t workers_bound = 0;
    std::uint32_t workers_unbound = 0;
    std::uint32_t workers_bound_max = 0;  // most seen at once
    std::uint32_t workers_unbound_max = 0;
    std::uint32_t workers_bound_limit = 0;
    std::uint32_t workers_unbound_limit = 0;
};

// How a cancel attempt was made.
enum class CancelWay : std::uint8_t {
    io_cancel,       // the system call
    async_cancel,    // IORING_OP_ASYNC_CANCEL
    sync_cancel,     // IORING_REGISTER_SYNC_CANCEL
    poll_remove,     // IORING_OP_POLL_REMOVE
    timeout_remove,  // IORING_OP_TIMEOUT_REMOVE
    link_timeout,    // IORING_OP_LINK_TIMEOUT that fired
};
[[nodiscard]] std::string_view name(CancelWay way);  // "async-cancel"
// Whether it is a call; the others are requests themselves.
[[nodiscard]] constexpr bool is_call(CancelWay way) {
    return way == CancelWay::io_cancel || way == CancelWay::sync_cancel;
}

// What an io_uring cancel was asked to find.
struct CancelKey {
    std::uint32_t flags = 0;  // IORING_ASYNC_CANCEL_*
    std::optional<std::uint64_t> user_data;
    std::optional<std::int32_t> fd;
    std::optional<std::uint8_t> opcode;
    std::uint64_t count = 0;    // requests it cancelled, as far as seen
    std::uint64_t matches = 0;  // requests in flight that it could have meant
};

}  // namespace inflight::model
