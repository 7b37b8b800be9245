// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace inflight::live {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(10);

[[noreturn]] void give_up(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

int open_for_output(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        give_up(path);
    }
    return fd;
}

}  // namespace

TemporaryFolder::TemporaryFolder(const std::filesystem::path& parent) {
    std::string name = parent / "inflight-live.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        give_up(name);
    }
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    if (!keep_) {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
}

Process::Process(const std::vector<std::string>& command, const std::filesystem::path& out,
                 const std::filesystem::path& err) {
    std::array<int, 2> input{};
    if (::pipe2(input.data(), O_CLOEXEC) != 0) {
        give_up("pipe");
    }
    const int out_fd = open_for_output(out);
    const int err_fd = open_for_output(err);
    std::vector<char*> arguments;
    for (const auto& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::setpgid(0, 0);
        // A shell's background job ignores these, and what it starts would go on to do so.
        ::signal(SIGINT, SIG_DFL);
        ::signal(SIGQUIT, SIG_DFL);
        ::dup2(input[0], STDIN_FILENO);
        ::dup2(out_fd, STDOUT_FILENO);
        ::dup2(err_fd, STDERR_FILENO);
        ::execv(arguments[0], arguments.data());
        constexpr int not_found = 127;
        ::_exit(not_found);
    }
    ::close(input[0]);
    ::close(out_fd);
    ::close(err_fd);
    input_ = input[1];
    if (pid_ < 0) {
        give_up("fork");
    }
    ::setpgid(pid_, pid_);
}

Process::~Process() {
    ::close(input_);
    ::kill(-pid_, SIGKILL);
    if (!status_) {
        ::waitpid(pid_, nullptr, 0);
    }
}

void Process::write(std::string_view text) const {
    // A child that has ended is to be a failure with words, not this process's end. Others inherit what is ignored.
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    const ssize_t written = ::write(input_, text.data(), text.size());
    const int error = errno;
    ::signal(SIGPIPE, before);
    if (written != static_cast<ssize_t>(text.size())) {
        errno = error;
        give_up("write to a child");
    }
}

void Process::signal(int number) const {
    if (!status_) {
        ::kill(pid_, number);
    }
}

bool Process::running() {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        constexpr int signal_base = 128;
        status_ = WIFSIGNALED(status) ? signal_base + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return !status_;
}

std::optional<int> Process::wait(std::chrono::seconds limit) {
    eventually([this] { return !running(); }, limit);
    return status_;
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(poll_interval);
    }
    return true;
}

std::string content_of(const std::filesystem::path& path) {
    std::ifstream stream(path);
    std::stringstream content;
    content << stream.rdbuf();
    return content.str();
}

}  // namespace inflight::live
