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

// Of a thread: that of a process whose main thread has ended says little.
std::map<std::string, std::string> read_status(pid_t tid) {
    std::ifstream file(fmt::format("/proc/{}/status", tid));
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

bool has_ended(const Thread& thread) {
    return thread.state == 'Z' || thread.state == 'X' || thread.state == '?';
}

int number_of(const std::map<std::string, std::string>& status, const std::string& field) {
    const auto found = status.find(field);
    int value = 0;
    if (found != status.end()) {
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    }
    return value;
}

Result<void> check_64_bit(pid_t pid, pid_t tid) {
    const auto what = fmt::format("look at the program of process {}", pid);
    const UniqueFd file(::open(fmt::format("/proc/{}/exe", tid).c_str(), O_RDONLY | O_CLOEXEC));
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
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
        const Thread thread = read_thread(pid, std::stoi(entry.path().filename().string()));
        if (!thread.kernels && !has_ended(thread)) {
            target.threads_.push_back(thread);
        }
    }
    if (target.threads_.empty()) {
        return std::filesystem::exists(fmt::format("/proc/{}", pid), error)
                   ? failure(what, "the process has ended, and its parent has not noticed (zombie)",
                             "its requests are the kernel's to end")
                   : failure(what, "the process is gone");
    }
    const pid_t living = target.threads_.front().tid;
    const auto status = read_status(living);
    if (!status.contains("VmSize")) {
        return status.empty() ? failure(what, "the process is gone") : failure(what, "it is a thread of the kernel");
    }
    target.state_ = target.threads_.front().state;
    target.tracer_ = number_of(status, "TracerPid");
    if (auto checked = check_64_bit(pid, living); !checked) {
        return std::unexpected(checked.error());
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

Result<std::vector<pid_t>> Target::threads_for_call(pid_t wanted) const {
    std::vector<std::pair<int, pid_t>> possible;
    for (const Thread& thread : threads_) {
        const auto disturbs = disturbance(thread);
        if (disturbs && (wanted == 0 || thread.tid == wanted)) {
            possible.emplace_back(*disturbs, thread.tid);
        }
    }
    if (!possible.empty()) {
        std::ranges::sort(possible);
        std::vector<pid_t> tids;
        tids.reserve(possible.size());
        for (const auto& [disturbs, tid] : possible) {
            tids.push_back(tid);
        }
        return tids;
    }
    return failure(fmt::format("make a call in process {}", pid_),
                   wanted == 0 ? "all of its threads sleep uninterruptibly (state D)"
                               : fmt::format("thread {}, which alone may, is gone or sleeps uninterruptibly", wanted),
                   "try again later");
}

}  // namespace inflight::act
