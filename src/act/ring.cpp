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

Result<ForeignRing> ForeignRing::open(pid_t pid, pid_t living, int fd) {
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
    UniqueFd ring(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
    if (!ring.valid()) {
        return failure(what, describe_errno(errno),
                       errno == EPERM ? "it needs the right to ptrace that process (CAP_SYS_PTRACE)" : "");
    }
    std::error_code ignored;
    const auto link = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", ring.get()), ignored);
    if (link != "anon_inode:[io_uring]") {
        return failure(what, fmt::format("it is no ring but {}", link.string()),
                       "the program has closed its ring's descriptor meanwhile");
    }
    return ForeignRing(std::move(ring));
}

std::array<std::byte, 64> sync_cancel_order(std::uint64_t user_data, std::uint64_t timeout_ns) {
    SyncCancel order{};
    order.user_data = user_data;
    order.fd = -1;
    order.timeout_s = static_cast<std::int64_t>(timeout_ns) / nanoseconds_per_second;
    order.timeout_ns = static_cast<std::int64_t>(timeout_ns) % nanoseconds_per_second;
    return std::bit_cast<std::array<std::byte, 64>>(order);
}

int ForeignRing::cancel(std::uint64_t user_data, std::uint64_t timeout_ns) const {
    const auto order = sync_cancel_order(user_data, timeout_ns);
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
