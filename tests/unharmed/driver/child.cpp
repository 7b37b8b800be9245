// SPDX-License-Identifier: Apache-2.0
#include "unharmed/driver/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

namespace inflight::unharmed {

Result<Child> Child::start(const std::vector<std::string>& command, const std::string& out) {
    std::vector<char*> arguments;
    for (const std::string& word : command) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    // SIGTSTP does nothing to an orphaned group: a group of its own, whose parent is of the same session.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, arguments.front(), &files, &attributes, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        return failure("start " + command.front(), describe_errno(error));
    }
    return Child(pid);
}

Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, -1);
        status_ = other.status_;
    }
    return *this;
}

Child::~Child() {
    kill();
}

std::optional<int> Child::ended() {
    int status = 0;
    if (!status_ && pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        status_ = status;
    }
    return status_;
}

std::optional<int> Child::wait(std::chrono::milliseconds at_most) {
    const auto end = std::chrono::steady_clock::now() + at_most;
    while (!ended() && std::chrono::steady_clock::now() < end) {
        sleep_for(std::chrono::microseconds(500));
    }
    return status_;
}

void Child::signal(int number) const {
    if (!status_ && pid_ > 0) {
        ::kill(pid_, number);
    }
}

void Child::kill() {
    if (pid_ > 0 && !ended()) {
        ::kill(pid_, SIGKILL);
        static_cast<void>(wait(std::chrono::seconds(10)));
    }
}

std::string describe_status(int status) {
    return WIFSIGNALED(status) ? fmt::format("ended by signal {}", WTERMSIG(status))
                               : fmt::format("exit status {}", WEXITSTATUS(status));
}

void sleep_for(std::chrono::microseconds time) {
    std::this_thread::sleep_for(time);
}

}  // namespace inflight::unharmed
