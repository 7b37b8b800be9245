// SPDX-License-Identifier: Apache-2.0
// Cancelling a request of another process from outside, on a duplicate of its ring's descriptor. The process is not
// stopped and no call of its own is disturbed.
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace inflight::act {

// IORING_REGISTER_SYNC_CANCEL, which the build machine's header may not have.
inline constexpr unsigned register_sync_cancel = 24;
// Its argument, struct io_uring_sync_cancel_reg: the request with this user_data.
[[nodiscard]] std::array<std::byte, 64> sync_cancel_order(std::uint64_t user_data, std::uint64_t timeout_ns);

// A ring of another process. Needs what ptrace-attaching to the process needs (pidfd_getfd(2)).
class ForeignRing {
public:
    // `fd` is the ring's descriptor in that process, `living` a thread of it that has not ended: the main one has
    // `pid`. Another needs Linux 6.9.
    [[nodiscard]] static Result<ForeignRing> open(pid_t pid, pid_t living, int fd);

    // IORING_REGISTER_SYNC_CANCEL of the request with this user_data: what the kernel returned, 0 or a count, or a
    // negative errno (-ENOENT: nothing to cancel has it; -EALREADY: it runs, and was told to stop; -ETIME: it did not
    // end within `timeout_ns`; -EEXIST: only the task that made the ring may; -EINVAL: a kernel before 6.0). Of several
    // requests with the same user_data the kernel takes one of its own choice. Source: io_uring/cancel.c,
    // io_sync_cancel.
    [[nodiscard]] int cancel(std::uint64_t user_data, std::uint64_t timeout_ns) const;

    // No submission stands in the ring that the kernel has not taken; waits for that a little.
    [[nodiscard]] bool all_taken() const;

private:
    explicit ForeignRing(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace inflight::act
