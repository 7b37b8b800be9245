// SPDX-License-Identifier: Apache-2.0
#include "probe/narrowing.hpp"

#include "base/fd.hpp"

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace inflight::probe {

namespace {

// Newer than the header of the build machine.
constexpr unsigned register_sync_cancel = 24;
constexpr std::uint32_t cancel_userdata = 1U << 4U;
constexpr std::uint32_t cancel_op = 1U << 5U;

struct SyncCancel {
    std::uint64_t user_data = 0;
    std::int32_t fd = -1;
    std::uint32_t flags = 0;
    std::array<std::int64_t, 2> timeout{};
    std::array<std::uint64_t, 4> opcode_and_pad{};
};
static_assert(sizeof(SyncCancel) == 64, "struct io_uring_sync_cancel_reg");

}  // namespace

bool can_narrow_cancel() {
    io_uring_params params{};
    const UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params)));
    if (!ring.valid()) {
        return false;
    }
    // An empty ring: ENOENT where the opcode has its place. Older kernels read over flags that they do not know, but
    // answer EINVAL where what was padding is not 0. Source: io_sync_cancel().
    SyncCancel order;
    order.flags = cancel_userdata | cancel_op;
    order.opcode_and_pad[0] = IORING_OP_READ;
    return ::syscall(SYS_io_uring_register, ring.get(), register_sync_cancel, &order, 1) == 0 || errno == ENOENT;
}

}  // namespace inflight::probe
