// SPDX-License-Identifier: Apache-2.0
#include "act/helper.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace inflight::act {
namespace {

[[noreturn]] void be_helper(const std::function<std::string(const std::function<bool()>& orphaned)>& work, int out,
                            pid_t parent) {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    // A SIGCHLD that is ignored is not sent; and it tells of a thread's stop.
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGPIPE, SIG_IGN);
    ::setsid();
    ::prctl(PR_SET_NAME, "inflight-hold");
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // the pauses between two looks are short
    const std::string bytes = work([parent] { return ::getppid() != parent; });
    for (std::size_t written = 0; written < bytes.size();) {
        const ssize_t now = ::write(out, bytes.data() + written, bytes.size() - written);
        if (now <= 0) {
            break;
        }
        written += static_cast<std::size_t>(now);
    }
    ::_exit(0);
}

std::string read_all(int in, const std::function<void()>& meanwhile) {
    constexpr int turn_ms = 2;
    std::string bytes;
    for (;;) {
        pollfd news{.fd = in, .events = POLLIN, .revents = 0};
        if (::poll(&news, 1, turn_ms) <= 0) {
            meanwhile();
            continue;
        }
        std::array<char, 65536> buffer{};
        const ssize_t got = ::read(in, buffer.data(), buffer.size());
        if (got > 0) {
            bytes.append(buffer.data(), static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EINTR) {
            return bytes;
        }
    }
}

}  // namespace

Result<std::string> run_in_helper(const std::function<std::string(const std::function<bool()>& orphaned)>& work,
                                  const std::function<void()>& meanwhile) {
    const auto* const what = "start the process that holds the threads";
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return failure(what, describe_errno(errno));
    }
    UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    const pid_t parent = ::getpid();
    const pid_t helper = ::fork();
    if (helper < 0) {
        return failure(what, describe_errno(errno));
    }
    if (helper == 0) {
        in.reset();
        be_helper(work, out.get(), parent);
    }
    out.reset();
    auto bytes = read_all(in.get(), meanwhile);
    int status = 0;
    while (::waitpid(helper, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        return failure("hold the threads",
                       fmt::format("the process that did it was killed by signal {}", WTERMSIG(status)),
                       "the threads go on; what was cancelled is not known");
    }
    return bytes;
}

void Packer::number(std::uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void Packer::text(const std::string& value) {
    number(value.size());
    bytes_.append(value);
}

std::uint64_t Unpacker::number() {
    std::uint64_t value = 0;
    if (bytes_.size() - at_ < sizeof(value)) {
        complete_ = false;
        return 0;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof(value));
    at_ += sizeof(value);
    return value;
}

std::string Unpacker::text() {
    const std::uint64_t bytes = number();
    if (bytes > bytes_.size() - at_) {
        complete_ = false;
        return {};
    }
    std::string value = bytes_.substr(at_, bytes);
    at_ += bytes;
    return value;
}

}  // namespace inflight::act
