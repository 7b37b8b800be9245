// SPDX-License-Identifier: Apache-2.0
#include "act/thread_filters.hpp"

#include "act/seccomp.hpp"
#include "base/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace inflight::act {
namespace {

// The kernel takes no more instructions from all filters of a thread, each counted with four more.
constexpr unsigned most_filters = (1U << 18U) / sizeof(sock_filter) / 5;

// "Seccomp:" of its status: SECCOMP_MODE_*.
std::optional<int> seccomp_mode(pid_t tid) {
    const UniqueFd file(::open(fmt::format("/proc/{}/status", tid).c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 8192> buffer{};
    const ssize_t bytes = ::read(file.get(), buffer.data(), buffer.size());
    const std::string_view text(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
    constexpr std::string_view field = "\nSeccomp:\t";
    const auto at = text.find(field);
    int mode = 0;
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const char* const begin = text.data() + at + field.size();
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), mode);
    return error == std::errc() ? std::optional<int>(mode) : std::nullopt;
}

struct Obstacle {
    int error;
    std::string_view why;
};

constexpr std::array obstacles{
    Obstacle{EACCES, "it needs CAP_SYS_ADMIN, in the first user namespace, and no seccomp filter on inflight itself"},
    Obstacle{EINVAL, "this kernel does not show them (CONFIG_CHECKPOINT_RESTORE)"},
    Obstacle{EMEDIUMTYPE, "one of them is not of classic BPF, and the kernel does not show it"},
};

Failure unreadable(std::string what, int error) {
    const auto* const known = std::ranges::find(obstacles, error, &Obstacle::error);
    return failure(std::move(what), "it has a seccomp filter, which cannot be read: " + describe_errno(error),
                   known == obstacles.end() ? "nothing was tried" : std::string(known->why));
}

// The number of instructions, or -1 and errno. The kernel writes as many into `filter`, if there is one.
long get_filter(pid_t tid, unsigned index, sock_filter* filter) {
    return ::syscall(SYS_ptrace, PTRACE_SECCOMP_GET_FILTER, tid, index, filter);
}

}  // namespace

Result<void> allowed_by_seccomp(pid_t tid, const seccomp_data& call) {
    const auto what = fmt::format("make a call in thread {}", tid);
    const auto mode = seccomp_mode(tid);
    if (!mode) {
        return failure(what, "it cannot be seen whether it has a seccomp filter", "nothing was tried");
    }
    if (*mode == SECCOMP_MODE_DISABLED) {
        return {};
    }
    if (*mode != SECCOMP_MODE_FILTER) {
        return failure(what, "it is in seccomp's strict mode, which would kill it for the call", "nothing was tried");
    }
    // The oldest is number 0.
    std::vector<SeccompFilter> filters;
    while (filters.size() <= most_filters) {
        const auto index = static_cast<unsigned>(filters.size());
        const long length = get_filter(tid, index, nullptr);
        if (length < 0 && errno == ENOENT && index != 0) {
            break;
        }
        if (length < 0) {
            return unreadable(what, errno);
        }
        SeccompFilter& filter = filters.emplace_back(static_cast<std::size_t>(length));
        if (get_filter(tid, index, filter.data()) != length) {
            return unreadable(what, errno);
        }
    }
    const auto answer = seccomp_answer_of_all(filters, call);
    if (!answer) {
        return failure(what, "it has a seccomp filter that inflight does not understand", "nothing was tried");
    }
    if (!passes_seccomp(*answer)) {
        return failure(what, "its seccomp filter " + describe_seccomp(*answer), "nothing was tried");
    }
    return {};
}

Result<void> calls_reach_the_kernel(pid_t tid) {
    // struct ptrace_sud_config, which the build machine's header may not have.
    struct Dispatch {
        std::uint64_t mode;
        std::uint64_t selector;
        std::uint64_t offset;
        std::uint64_t length;
    };
    constexpr long get_user_dispatch = 0x4211;
    Dispatch dispatch{};
    if (::syscall(SYS_ptrace, get_user_dispatch, tid, sizeof(dispatch), &dispatch) == 0 && dispatch.mode != 0) {
        return failure(fmt::format("make a call in thread {}", tid),
                       "its system calls may be sent back to the program (syscall user dispatch)", "nothing was tried");
    }
    return {};
}

}  // namespace inflight::act
