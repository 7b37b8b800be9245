// SPDX-License-Identifier: Apache-2.0
#include "cli/child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace inflight::cli {

namespace {

// In the child. Only async-signal-safe calls; `arguments` was made before the fork.
[[noreturn]] void wait_and_execute(int go, int exec_error, char* const* arguments) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    char byte = 0;
    ssize_t got = 0;
    do {
        got = ::read(go, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        ::_exit(127);  // inflight gave up
    }
    ::execvp(arguments[0], arguments);
    const int error = errno;
    [[maybe_unused]] const auto written = ::write(exec_error, &error, sizeof(error));
    ::_exit(127);
}

}  // namespace

Result<Child> Child::prepare(std::vector<std::string> command) {
    std::array<int, 2> go{};
    std::array<int, 2> exec_error{};
    if (::pipe2(go.data(), O_CLOEXEC) != 0 || ::pipe2(exec_error.data(), O_CLOEXEC) != 0) {
        return failure("start " + command.front(), describe_errno(errno));
    }
    const UniqueFd go_read(go[0]);
    const UniqueFd error_write(exec_error[1]);
    Child child;
    child.go_.reset(go[1]);
    child.exec_error_.reset(exec_error[0]);
    child.name_ = command.front();
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (auto& argument : command) {
        arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    // libinflight_aio then does nothing within io_submit, where it could not be seen. Set here, as setenv() is not to
    // be called in the child.
    ::setenv("INFLIGHT_AIO_OBSERVED", "1", 0);
    child.pid_ = ::fork();
    if (child.pid_ < 0) {
        return failure("start " + command.front(), describe_errno(errno));
    }
    if (child.pid_ == 0) {
        // The child must not hold the end that it waits on, or it would never see inflight die.
        child.go_.reset();
        wait_and_execute(go_read.get(), error_write.get(), arguments.data());
    }
    child.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
    return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      reaped_(other.reaped_),
      released_(other.released_),
      exec_errno_(other.exec_errno_),
      name_(std::move(other.name_)),
      pidfd_(std::move(other.pidfd_)),
      go_(std::move(other.go_)),
      exec_error_(std::move(other.exec_error_)) {}

Child::~Child() {
    if (pid_ > 0 && !reaped_ && !released_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

Result<void> Child::release() {
    released_ = true;
    const char byte = 1;
    [[maybe_unused]] const auto written = ::write(go_.get(), &byte, 1);
    go_.reset();
    // Closed by a successful exec, else it carries the errno.
    int error = 0;
    ssize_t got = 0;
    do {
        got = ::read(exec_error_.get(), &error, sizeof(error));
    } while (got < 0 && errno == EINTR);
    if (got == sizeof(error)) {
        exec_errno_ = error;
        ::waitpid(pid_, nullptr, 0);
        reaped_ = true;
        return failure("run " + name_, describe_errno(error), error == ENOENT ? "is it spelt right, and in PATH?" : "");
    }
    return {};
}

std::optional<int> Child::ended() {
    int status = 0;
    if (reaped_ || ::waitpid(pid_, &status, WNOHANG) != pid_) {
        return std::nullopt;
    }
    reaped_ = true;
    return status;
}

}  // namespace inflight::cli
