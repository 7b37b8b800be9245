// SPDX-License-Identifier: Apache-2.0
#include "faults_support.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace inflight::faults {

namespace {

std::string content_of(int fd) {
    struct stat info{};
    ::fstat(fd, &info);
    std::string content(static_cast<std::size_t>(info.st_size), '\0');
    std::size_t got = 0;
    while (got < content.size()) {
        const ssize_t bytes = ::pread(fd, content.data() + got, content.size() - got, static_cast<off_t>(got));
        if (bytes <= 0) {
            break;
        }
        got += static_cast<std::size_t>(bytes);
    }
    content.resize(got);
    return content;
}

int memory_file(const char* name) {
    const int fd = ::memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) {
        throw std::runtime_error("memfd_create");
    }
    return fd;
}

std::vector<char*> pointers_to(Words& words) {
    std::vector<char*> pointers;
    for (auto& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

Process::Process(Start start) : out_(memory_file("out")), err_(memory_file("err")) {
    std::array<int, 2> input{};
    if (::pipe2(input.data(), O_CLOEXEC) != 0) {
        throw std::runtime_error("pipe2");
    }
    in_ = input[1];
    const auto pointers = pointers_to(start.command);
    pid_ = ::fork();
    if (pid_ < 0) {
        throw std::runtime_error("fork");
    }
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // A shell's background job ignores these, and what it starts would go on to do so.
        ::signal(SIGINT, SIG_DFL);
        ::signal(SIGQUIT, SIG_DFL);
        ::dup2(input[0], STDIN_FILENO);
        ::dup2(start.out_fd >= 0 ? start.out_fd : out_, STDOUT_FILENO);
        ::dup2(err_, STDERR_FILENO);
        ::close(in_);  // or its own standard input would never end
        if (start.in_child) {
            start.in_child();
        }
        if (start.command.empty()) {
            ::_exit(0);
        }
        if (start.program_fd >= 0) {
            ::fexecve(start.program_fd, pointers.data(), environ);
        } else {
            ::execvp(pointers.front(), pointers.data());
        }
        ::perror("exec");
        ::_exit(127);
    }
    ::close(input[0]);
}

Process::~Process() {
    if (!ended_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    close_input();
    for (const int fd : {out_, err_}) {
        ::close(fd);
    }
}

void Process::signal(int signal_number) const {
    EXPECT_EQ(::kill(pid_, signal_number), 0);
}

void Process::close_input() {
    if (in_ >= 0) {
        ::close(in_);
        in_ = -1;
    }
}

void Process::send(std::string_view content) {
    ::signal(SIGPIPE, SIG_IGN);
    while (!content.empty()) {
        const ssize_t written = ::write(in_, content.data(), content.size());
        if (written < 0) {
            break;  // it does not read
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    ::signal(SIGPIPE, SIG_DFL);
    close_input();
}

bool Process::wait(Milliseconds limit) {
    const auto ended = [this] { return !running(); };
    if (!wait_until(ended, limit)) {
        ADD_FAILURE() << "process " << pid_ << " did not end in " << limit.count() << " ms; it said: " << err();
        return false;
    }
    return true;
}

bool Process::running() {
    int wait_status = 0;
    if (!ended_ && ::waitpid(pid_, &wait_status, WNOHANG) == pid_) {
        ended_ = true;
        status_ = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    }
    return !ended_;
}

std::string Process::out() const {
    return content_of(out_);
}

std::string Process::err() const {
    return content_of(err_);
}

bool Process::wait_for_out(std::string_view part) const {
    return wait_until([&] { return out().find(part) != std::string::npos; });
}

}  // namespace inflight::faults
