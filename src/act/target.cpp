// SPDX-License-Identifier: Apache-2.0
#include "act/target.hpp"

#include "base/fd.hpp"
#include "base/namespaces.hpp"

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
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace inflight::act {
namespace {

constexpr std::size_t status_bytes = 8192;
constexpr std::uint64_t kernel_thread = 0x00200000;  // PF_KTHREAD
constexpr std::uint64_t exiting = 0x4;               // PF_EXITING
constexpr std::uint64_t io_worker = 0x10;            // PF_IO_WORKER, include/linux/sched.h

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

std::string_view field_of(std::string_view status, std::string_view name) {
    const auto at = status.find(name);
    if (at == std::string_view::npos) {
        return {};
    }
    const auto begin = status.find_first_not_of(" \t", at + name.size());
    return begin == std::string_view::npos ? std::string_view{}
                                           : status.substr(begin, status.find('\n', begin) - begin);
}

std::uint64_t value_of(std::string_view digits) {
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

// Fields of /proc/PID/task/TID/stat or /proc/PID/stat behind the name, which may hold anything: the state is field 0.
std::uint64_t read_stat_field(const std::string& path, int wanted) {
    std::ifstream file(path);
    // The name may hold newlines. A read fails with ESRCH where the thread ends meanwhile.
    std::array<char, status_bytes> buffer{};
    file.read(buffer.data(), buffer.size());
    const std::string text(buffer.data(), static_cast<std::size_t>(file.gcount()));
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) {
        return 0;
    }
    std::istringstream fields(text.substr(name_end + 1));
    std::string field;
    for (int at = 0; at <= wanted; at++) {
        fields >> field;
    }
    return fields ? value_of(field) : 0;
}

// The flags of struct task_struct.
std::uint64_t read_flags(pid_t pid, pid_t tid) {
    constexpr int flags = 6;
    return read_stat_field(fmt::format("/proc/{}/task/{}/stat", pid, tid), flags);
}

std::string_view read_whole(int fd, std::span<char> buffer) {
    const ssize_t bytes = ::pread(fd, buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(bytes, 0))};
}

Progress progress_in(std::string_view status) {
    const auto state = field_of(status, "\nState:");
    return {.state = state.empty() ? '?' : state.front(),
            .switches = value_of(field_of(status, "\nvoluntary_ctxt_switches:")) +
                        value_of(field_of(status, "\nnonvoluntary_ctxt_switches:"))};
}

// The kernel's function in which it sleeps is one of FUSE: an interruption is passed on to the file system, which may
// answer with EINTR. Source: fs/fuse/dev.c (request_wait_answer).
bool waits_for_fuse(pid_t pid, pid_t tid) {
    std::ifstream file(fmt::format("/proc/{}/task/{}/wchan", pid, tid));
    std::string function;
    file >> function;
    return function == "request_wait_answer" || function.contains("fuse_");
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

Progress read_progress(int status_fd) {
    std::array<char, status_bytes> buffer{};
    return progress_in(read_whole(status_fd, buffer));
}

Thread read_thread(pid_t pid, pid_t tid) {
    const UniqueFd file(::open(fmt::format("/proc/{}/task/{}/status", pid, tid).c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, status_bytes> buffer{};
    const auto status = read_whole(file.get(), buffer);
    Thread thread{.tid = tid,
                  .progress = progress_in(status),
                  .kernels = (read_flags(pid, tid) & io_worker) != 0,
                  .filtered = field_of(status, "\nSeccomp:") != "0",
                  .fuse = false,
                  .parent = has_children(tid),
                  .call = {},
                  .arguments = {}};
    std::ifstream call(fmt::format("/proc/{}/task/{}/syscall", pid, tid));
    long number = -1;
    if (call >> number && number >= 0) {
        thread.call = number;
        for (auto& argument : thread.arguments) {
            call >> std::hex >> argument;
        }
        thread.fuse = thread.progress.state == 'S' && waits_for_fuse(pid, tid);
    }
    return thread;
}

std::vector<pid_t> list_threads(pid_t pid) {
    std::vector<pid_t> tids;
    std::error_code error;
    std::filesystem::directory_iterator each(fmt::format("/proc/{}/task", pid), error);
    for (; !error && each != std::filesystem::directory_iterator(); each.increment(error)) {
        const auto name = each->path().filename().string();
        tids.push_back(static_cast<pid_t>(value_of(name)));
    }
    return tids;
}

bool has_ended(const Thread& thread) {
    const char state = thread.progress.state;
    return state == 'Z' || state == 'X' || state == '?';
}

bool process_has_ended(pid_t pid) {
    const auto tids = list_threads(pid);
    return std::ranges::all_of(tids, [pid](pid_t tid) {
        const Thread thread = read_thread(pid, tid);
        return thread.kernels || has_ended(thread) || (read_flags(pid, tid) & exiting) != 0;
    });
}

bool has_children(pid_t tid) {
    const UniqueFd file(::open(fmt::format("/proc/{}/task/{}/children", tid, tid).c_str(), O_RDONLY | O_CLOEXEC));
    char first = 0;
    return file.valid() ? ::pread(file.get(), &first, 1, 0) > 0 : errno == ENOENT;
}

bool has_had_children(pid_t pid) {
    constexpr int minor_faults_of_children = 8;
    return read_stat_field(fmt::format("/proc/{}/stat", pid), minor_faults_of_children) != 0;
}

std::optional<int> disturbance(const Thread& thread) {
    if (thread.progress.state == 'R') {
        return 0;
    }
    if (thread.progress.state != 'S' || thread.fuse) {
        return std::nullopt;
    }
    if (!thread.call) {
        return 1;
    }
    switch (stop_effect(*thread.call, thread.arguments)) {
        case StopEffect::restarted:
            return 1;
        case StopEffect::made_again:
            return has_timeout(*find_sleeping_call(*thread.call), thread.arguments) ? 3 : 2;
        case StopEffect::ends_early:
            return 4;
        case StopEffect::cut_short:
            return std::nullopt;
    }
    return std::nullopt;
}

std::string why_not_stopped(const Thread& thread) {
    switch (thread.progress.state) {
        case 'D':
            return "sleeps uninterruptibly (state D)";
        case 'T':
        case 't':
            return "is stopped";
        case 'S':
            return thread.fuse ? "waits for a file system in user space, which would be told of an interruption"
                               : fmt::format("sleeps in system call {}, which a stop could cut short",
                                             thread.call.value_or(-1));
        default:
            return "has ended";
    }
}

Result<Target> Target::look(pid_t pid) {
    const auto what = fmt::format("cancel in process {}", pid);
    if (!proc_is_own()) {
        return failure(what, "/proc shows the processes of another pid namespace",
                       "mount the one of this namespace: mount -t proc proc /proc");
    }
    Target target(pid);
    const auto tids = list_threads(pid);
    for (const pid_t tid : tids) {
        const Thread thread = read_thread(pid, tid);
        if (!thread.kernels && !has_ended(thread)) {
            target.threads_.push_back(thread);
        }
    }
    if (target.threads_.empty()) {
        return tids.empty() ? failure(what, "the process is gone")
                            : failure(what, "the process has ended, and its parent has not noticed (zombie)",
                                      "its requests are the kernel's to end");
    }
    const pid_t living = target.threads_.front().tid;
    const auto status = read_status(living);
    if (!status.contains("VmSize")) {
        const std::uint64_t flags = read_flags(pid, living);
        if ((flags & kernel_thread) != 0 && (flags & exiting) == 0) {
            return failure(what, "it is a thread of the kernel");
        }
        return status.empty() ? failure(what, "the process is gone")
                              : failure(what, "the process is ending", "its requests end with it");
    }
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
    if (const char state = threads_.front().progress.state; state == 'T' || state == 't') {
        return failure(what, "it is stopped (SIGSTOP)", "let it continue first: kill -CONT");
    }
    return {};
}

Result<std::vector<pid_t>> Target::threads_for_call(pid_t wanted) const {
    // The main thread and those with children come after others that see nothing of a stop: while they are traced,
    // signals that the process ignores wake another thread.
    constexpr int unseen = 2;
    std::vector<std::tuple<int, bool, int, pid_t>> possible;
    for (const Thread& thread : threads_) {
        const auto disturbs = disturbance(thread);
        if (disturbs && (wanted == 0 || thread.tid == wanted)) {
            possible.emplace_back(std::max(*disturbs, unseen), thread.tid == pid_ || thread.parent, *disturbs,
                                  thread.tid);
        }
    }
    if (!possible.empty()) {
        std::ranges::sort(possible);
        std::vector<pid_t> tids;
        tids.reserve(possible.size());
        for (const auto& [effect, is_addressed, disturbs, tid] : possible) {
            tids.push_back(tid);
        }
        return tids;
    }
    const auto what = fmt::format("make a call in process {}", pid_);
    if (wanted == 0) {
        return failure(what,
                       fmt::format("none of its threads can be stopped now: thread {} {}", threads_.front().tid,
                                   why_not_stopped(threads_.front())),
                       "try again later");
    }
    const auto found = std::ranges::find(threads_, wanted, &Thread::tid);
    return failure(what,
                   fmt::format("thread {}, which alone may, {}", wanted,
                               found == threads_.end() ? "is gone" : why_not_stopped(*found)),
                   "try again later");
}

}  // namespace inflight::act
