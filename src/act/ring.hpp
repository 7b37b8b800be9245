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
#include <optional>
#include <utility>

namespace inflight::act {

// IORING_REGISTER_SYNC_CANCEL, which the build machine's header may not have.
inline constexpr unsigned register_sync_cancel = 24;
// Which request is meant. The kernel takes the first that fits all of it.
struct Match {
    std::uint64_t user_data = 0;
    // Only where the kernel can look at these too (Linux 6.6); `fd` is a descriptor of the calling process.
    std::optional<std::uint8_t> opcode{};
    std::optional<int> fd{};
};
// The call's argument, struct io_uring_sync_cancel_reg.
[[nodiscard]] std::array<std::byte, 64> sync_cancel_order(const Match& match, std::uint64_t timeout_ns);

// A duplicate of a descriptor of another process, in this one. `living`: a thread of it that has not ended.
[[nodiscard]] Result<UniqueFd> take_descriptor(pid_t pid, pid_t living, int fd);
// Both descriptors of this process are of one open file (kcmp(2)); nothing: the kernel does not say.
[[nodiscard]] std::optional<bool> is_same_file(int one, int other);

// A ring of another process. Needs what ptrace-attaching to the process needs (pidfd_getfd(2)).
class ForeignRing {
public:
    // `fd` is the ring's descriptor in that process, `living` a thread of it that has not ended: the main one has
    // `pid`. Another needs Linux 6.9.
    [[nodiscard]] static Result<ForeignRing> open(pid_t pid, pid_t living, int fd);

    // IORING_REGISTER_SYNC_CANCEL: what the kernel returned, 0 or a count, or a
    // negative errno (-ENOENT: nothing to cancel has it; -EALREADY: it runs, and was told to stop; -ETIME: it did not
    // end within `timeout_ns`; -EEXIST: only the task that made the ring may; -EINVAL: a kernel before 6.0). Of several
    // requests with the same user_data the kernel takes one of its own choice. Source: io_uring/cancel.c,
    // io_sync_cancel.
    [[nodiscard]] int cancel(const Match& match, std::uint64_t timeout_ns) const;

    // The duplicate, a descriptor of this process.
    [[nodiscard]] int fd() const { return fd_.get(); }

    // No submission stands in the ring that the kernel has not taken; waits for that a little.
    [[nodiscard]] bool all_taken() const;

private:
    explicit ForeignRing(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace inflight::act
