// SPDX-License-Identifier: Apache-2.0
#include "act/ring.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace inflight::act {
namespace {

struct SyncCancel {
    std::uint64_t user_data;
    std::int32_t fd;
    std::uint32_t flags;
    std::int64_t timeout_s;
    std::int64_t timeout_ns;
    std::uint8_t opcode;
    std::array<std::uint8_t, 7> pad;
    std::array<std::uint64_t, 3> pad2;
};
static_assert(sizeof(SyncCancel) == 64, "struct io_uring_sync_cancel_reg");

constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;

}  // namespace

Result<UniqueFd> take_descriptor(pid_t pid, pid_t living, int fd) {
    const auto what = fmt::format("take a duplicate of descriptor {} of process {}", fd, pid);
    constexpr unsigned of_thread = O_EXCL;  // PIDFD_THREAD
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, living, living == pid ? 0 : of_thread)));
    if (!process.valid() && errno == EINVAL) {
        return failure(what, "its main thread has ended, and this kernel gives none of another thread",
                       "Linux 6.9 does; or choose --way inject");
    }
    if (!process.valid()) {
        return failure(what, describe_errno(errno), errno == ESRCH ? "the process is gone" : "");
    }
    UniqueFd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
    if (!taken.valid()) {
        return failure(what, describe_errno(errno),
                       errno == EPERM ? "it needs the right to ptrace that process (CAP_SYS_PTRACE)" : "");
    }
    return taken;
}

std::optional<bool> is_same_file(int one, int other) {
    constexpr int compare_files = 0;  // KCMP_FILE
    const pid_t self = ::getpid();
    const long order = ::syscall(SYS_kcmp, self, self, compare_files, one, other);
    return order < 0 ? std::nullopt : std::optional<bool>(order == 0);
}

Result<ForeignRing> ForeignRing::open(pid_t pid, pid_t living, int fd) {
    auto ring = take_descriptor(pid, living, fd);
    if (!ring) {
        return std::unexpected(ring.error());
    }
    std::error_code ignored;
    const auto link = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", ring->get()), ignored);
    if (link != "anon_inode:[io_uring]") {
        return failure(fmt::format("take a duplicate of descriptor {} of process {}", fd, pid),
                       fmt::format("it is no ring but {}", link.string()),
                       "the program has closed its ring's descriptor meanwhile");
    }
    return ForeignRing(std::move(*ring));
}

std::array<std::byte, 64> sync_cancel_order(const Match& match, std::uint64_t timeout_ns) {
    constexpr std::uint32_t by_fd = 1U << 1U;         // IORING_ASYNC_CANCEL_FD
    constexpr std::uint32_t by_user_data = 1U << 4U;  // IORING_ASYNC_CANCEL_USERDATA
    constexpr std::uint32_t by_opcode = 1U << 5U;     // IORING_ASYNC_CANCEL_OP
    SyncCancel order{};
    order.user_data = match.user_data;
    order.fd = match.fd.value_or(-1);
    order.opcode = match.opcode.value_or(0);
    order.flags = (match.fd ? by_fd | by_user_data : 0U) | (match.opcode ? by_opcode | by_user_data : 0U);
    order.timeout_s = static_cast<std::int64_t>(timeout_ns) / nanoseconds_per_second;
    order.timeout_ns = static_cast<std::int64_t>(timeout_ns) % nanoseconds_per_second;
    return std::bit_cast<std::array<std::byte, 64>>(order);
}

int ForeignRing::cancel(const Match& match, std::uint64_t timeout_ns) const {
    const auto order = sync_cancel_order(match, timeout_ns);
    const long ret = ::syscall(SYS_io_uring_register, fd_.get(), register_sync_cancel, order.data(), 1);
    return ret < 0 ? -errno : static_cast<int>(ret);
}

bool ForeignRing::all_taken() const {
    for (int look = 0; look < 50; look++) {
        std::ifstream info(fmt::format("/proc/self/fdinfo/{}", fd_.get()));
        std::map<std::string, std::string> fields;
        for (std::string key, value; !fields.contains("CachedSqHead:") && info >> key >> value;) {
            fields[key] = value;
        }
        if (fields["SqTail:"] == fields["CachedSqHead:"]) {
            return true;
        }
        const timespec pause{.tv_sec = 0, .tv_nsec = 100'000};
        ::nanosleep(&pause, nullptr);
    }
    return false;
}

}  // namespace inflight::act
