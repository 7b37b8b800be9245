// SPDX-License-Identifier: Apache-2.0
#include "act/target.hpp"

#include "act/interrupted.hpp"
#include "base/fd.hpp"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>

namespace inflight::act {
namespace {

// Of the first pid namespace (include/linux/proc_ns.h, PROC_PID_INIT_INO).
constexpr ino_t first_pid_namespace = 0xEFFFFFFC;
constexpr std::uint64_t io_worker = 0x10;  // PF_IO_WORKER, include/linux/sched.h

std::map<std::string, std::string> read_status(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    std::map<std::string, std::string> fields;
    std::string line;
    while (std::getline(file, line)) {
        const auto colon = line.find(':');
        const auto value = line.find_first_not_of(" \t", colon + 1);
        if (colon != std::string::npos) {
            fields[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
        }
    }
    return fields;
}

// What stands behind the name, which may hold anything: the state, five numbers, the flags.
std::pair<char, std::uint64_t> read_stat(pid_t pid, pid_t tid) {
    std::ifstream file(fmt::format("/proc/{}/task/{}/stat", pid, tid));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) {
        return {'?', 0};
    }
    std::istringstream fields(text.substr(name_end + 1));
    char state = '?';
    long ignored = 0;
    std::uint64_t flags = 0;
    fields >> state;
    for (int field = 0; field < 5; field++) {
        fields >> ignored;
    }
    fields >> flags;
    return {state, flags};
}

Thread read_thread(pid_t pid, pid_t tid) {
    const auto [state, flags] = read_stat(pid, tid);
    Thread thread{.tid = tid, .state = state, .kernels = (flags & io_worker) != 0, .call = {}, .arguments = {}};
    std::ifstream file(fmt::format("/proc/{}/task/{}/syscall", pid, tid));
    long number = -1;
    if (file >> number && number >= 0) {
        thread.call = number;
        for (auto& argument : thread.arguments) {
            file >> std::hex >> argument;
        }
    }
    return thread;
}

int number_of(const std::map<std::string, std::string>& status, const std::string& field) {
    const auto found = status.find(field);
    int value = 0;
    if (found != status.end()) {
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    }
    return value;
}

Result<void> check_64_bit(pid_t pid) {
    const auto what = fmt::format("look at the program of process {}", pid);
    const UniqueFd file(::open(fmt::format("/proc/{}/exe", pid).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) {
        return failure(
            what, describe_errno(errno),
            errno == EACCES || errno == EPERM ? "it needs the right to ptrace that process (CAP_SYS_PTRACE)" : "");
    }
    std::array<char, EI_NIDENT> ident{};
    if (::read(file.get(), ident.data(), ident.size()) != EI_NIDENT || ident[EI_CLASS] != ELFCLASS64) {
        return failure(what, "it is a 32-bit program", "only 64-bit programs are supported");
    }
    return {};
}

}  // namespace

std::optional<int> disturbance(const Thread& thread) {
    if (thread.state == 'R') {
        return 0;
    }
    if (thread.state != 'S') {
        return std::nullopt;
    }
    const auto* const interrupted = thread.call ? interrupted_call(*thread.call) : nullptr;
    return interrupted == nullptr ? 1 : has_timeout(*interrupted, thread.arguments) ? 3 : 2;
}

Result<Target> Target::look(pid_t pid) {
    const auto what = fmt::format("cancel in process {}", pid);
    struct stat own{};
    if (::stat("/proc/self/ns/pid", &own) == 0 && own.st_ino != first_pid_namespace) {
        return failure(what, "inflight runs in a pid namespace of its own, and the kernel's pids mean nothing there",
                       "run it on the host, or with the host's pid namespace");
    }
    Target target(pid);
    const auto status = read_status(pid);
    const auto state = status.find("State");
    if (state == status.end()) {
        return failure(what, "the process is gone");
    }
    target.state_ = state->second.empty() ? '?' : state->second[0];
    target.tracer_ = number_of(status, "TracerPid");
    target.seccomp_ = number_of(status, "Seccomp");
    if (target.state_ == 'Z' || target.state_ == 'X') {
        return failure(what, "the process has ended, and its parent has not noticed (zombie)",
                       "its requests are the kernel's to end");
    }
    if (!status.contains("VmSize")) {
        return failure(what, "it is a thread of the kernel");
    }
    if (auto checked = check_64_bit(pid); !checked) {
        return std::unexpected(checked.error());
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
        const Thread thread = read_thread(pid, std::stoi(entry.path().filename().string()));
        if (!thread.kernels) {
            target.threads_.push_back(thread);
        }
    }
    return target;
}

Result<void> Target::may_be_stopped() const {
    const auto what = fmt::format("stop process {}", pid_);
    if (tracer_ != 0) {
        return failure(what, fmt::format("process {} traces it already", tracer_),
                       "a debugger or strace must let it go");
    }
    if (state_ == 'T' || state_ == 't') {
        return failure(what, "it is stopped (SIGSTOP)", "let it continue first: kill -CONT");
    }
    return {};
}

Result<void> Target::may_make_calls() const {
    constexpr int filtered = 2;
    constexpr int strict = 1;
    if (seccomp_ == filtered || seccomp_ == strict) {
        return failure(fmt::format("make a call in process {}", pid_),
                       "it has a seccomp filter, which may forbid the call or kill the process for it",
                       "nothing was touched");
    }
    return may_be_stopped();
}

Result<pid_t> Target::thread_for_call(pid_t wanted) const {
    const Thread* best = nullptr;
    for (const Thread& thread : threads_) {
        const auto disturbs = disturbance(thread);
        if (!disturbs || (wanted != 0 && thread.tid != wanted)) {
            continue;
        }
        if (best == nullptr || *disturbs < disturbance(*best).value_or(0)) {
            best = &thread;
        }
    }
    if (best != nullptr) {
        return best->tid;
    }
    return failure(fmt::format("make a call in process {}", pid_),
                   wanted == 0 ? "all of its threads sleep uninterruptibly (state D)"
                               : fmt::format("thread {}, which alone may, is gone or sleeps uninterruptibly", wanted),
                   "try again later");
}

}  // namespace inflight::act
