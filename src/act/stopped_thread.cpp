// SPDX-License-Identifier: Apache-2.0
#include "act/stopped_thread.hpp"

#include "act/interrupted.hpp"
#include "act/thread_filters.hpp"

#include <fmt/format.h>
#include <linux/audit.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace inflight::act {
namespace {

// Before it was changed it may be left alone, after that it must be waited for: on a busy machine it comes to its stop
// late.
constexpr std::uint64_t patience_ns = 500'000'000;
constexpr std::uint64_t endurance_ns = 60'000'000'000;
constexpr std::uint64_t code_segment_64 = 0x33;
constexpr std::uint64_t red_zone_bytes = 128;
constexpr std::array<unsigned char, 2> syscall_instruction{0x0f, 0x05};
// ERESTART_RESTARTBLOCK (include/linux/errno.h): the rest of a timeout is the kernel's to know.
constexpr long restarted_by_call = -516;
constexpr int at_syscall = SIGTRAP | 0x80;
constexpr int at_event_stop = SIGTRAP | PTRACE_EVENT_STOP << 8;

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

// '?': it is gone.
char state_of(pid_t tid) {
    std::ifstream file(fmt::format("/proc/{}/stat", tid));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto name_end = text.rfind(") ");
    return name_end == std::string::npos ? '?' : text[name_end + 2];
}

// Of a zombie ptrace says that it is not allowed.
bool has_ended(pid_t tid) {
    const char state = state_of(tid);
    return state == '?' || state == 'Z' || state == 'X';
}

// Until a thread may have come to its stop: the kernel tells by SIGCHLD, where that is blocked in all of this process;
// else it is looked for now and then. Not a loop: the thread may need this processor.
void wait_for_news() {
    sigset_t news;
    ::sigemptyset(&news);
    ::sigaddset(&news, SIGCHLD);
    const timespec at_most{.tv_sec = 0, .tv_nsec = 100'000};
    ::sigtimedwait(&news, nullptr, &at_most);
}

Failure failed(pid_t tid, std::string_view what) {
    const int error = errno;
    const auto whole = fmt::format("{} thread {}", what, tid);
    if (error == ESRCH || has_ended(tid)) {
        return failure(whole, "it has ended meanwhile");
    }
    return failure(whole, describe_errno(error),
                   error == EPERM ? "it needs the right to ptrace that process, which nobody else may trace" : "");
}

// `data` is a number or an address, as the request wants it.
long trace(int request, pid_t tid, std::uint64_t address, std::uint64_t data) {
    return ::syscall(SYS_ptrace, request, tid, address, data);
}

template <typename Value>
std::uint64_t address_of(Value& value) {
    return reinterpret_cast<std::uint64_t>(&value);
}

// Memory of another process.
iovec remote_memory(std::uint64_t address, std::size_t bytes) {
    return {.iov_base = reinterpret_cast<void*>(address), .iov_len = bytes};  // NOLINT(performance-no-int-to-ptr)
}

bool read_memory(pid_t pid, std::uint64_t address, std::span<std::byte> out) {
    const iovec local{.iov_base = out.data(), .iov_len = out.size()};
    const iovec remote = remote_memory(address, out.size());
    return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(out.size());
}

bool write_memory(pid_t pid, std::uint64_t address, std::span<const std::byte> bytes) {
    const iovec local{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    const iovec remote = remote_memory(address, bytes.size());
    return ::process_vm_writev(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes.size());
}

bool is_syscall_instruction(pid_t pid, std::uint64_t address) {
    std::array<std::byte, 2> bytes{};
    return read_memory(pid, address, bytes) && std::memcmp(bytes.data(), syscall_instruction.data(), 2) == 0;
}

// A call as a filter sees it: `after` is the address behind its instruction.
seccomp_data seen_by_seccomp(const user_regs_struct& registers, long number, std::uint64_t after) {
    return {.nr = static_cast<int>(number),
            .arch = AUDIT_ARCH_X86_64,
            .instruction_pointer = after,
            .args = {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9}};
}

// Signals that wait for it and are not blocked: the program may be entitled to see its call interrupted.
bool has_deliverable_signal(pid_t tid, std::uint64_t mask) {
    std::ifstream status(fmt::format("/proc/{}/status", tid));
    std::string line;
    std::uint64_t pending = 0;
    while (std::getline(status, line)) {
        if (line.starts_with("SigPnd:") || line.starts_with("ShdPnd:")) {
            pending |= std::stoull(line.substr(line.find(':') + 1), nullptr, 16);
        }
    }
    return (pending & ~mask) != 0;
}

}  // namespace

StoppedThread::StoppedThread(StoppedThread&& other) noexcept
    : tid_(other.tid_),
      seized_(std::exchange(other.seized_, false)),
      stopped_(other.stopped_),
      ended_(other.ended_),
      unwaited_(other.unwaited_),
      called_(other.called_),
      saved_(other.saved_),
      saved_mask_(other.saved_mask_),
      since_ns_(other.since_ns_),
      instruction_(other.instruction_) {}

StoppedThread::~StoppedThread() {
    release();
}

// `wanted`: the stop, as waitpid tells it. Others that come before are passed on.
Result<void> StoppedThread::wait_for_stop(int wanted, std::uint64_t at_most_ns) {
    constexpr unsigned usual_looks = 20;
    const std::uint64_t give_up_ns = now_ns() + at_most_ns;
    for (unsigned look = 0;; look++) {
        int status = 0;
        const pid_t got = ::waitpid(tid_, &status, __WALL | WNOHANG);
        if (got < 0 && errno != EINTR) {
            return failed(tid_, "wait for");
        }
        if (got == tid_) {
            if (WIFEXITED(status) || WIFSIGNALED(status)) {
                ended_ = true;
                return failure(fmt::format("wait for thread {}", tid_), "it has ended meanwhile");
            }
            const int stop = status >> 8;
            if (stop == wanted) {
                return {};
            }
            const bool by_signal = stop >> 8 == 0 && stop != at_syscall;
            const int request = wanted == at_syscall ? PTRACE_SYSCALL : PTRACE_CONT;
            trace(request, tid_, 0, static_cast<std::uint64_t>(by_signal ? stop : 0));
        } else if (look > usual_looks && has_ended(tid_)) {
            // A main thread is told of only when the others were waited for.
            ended_ = true;
            unwaited_ = true;
            return failure(fmt::format("wait for thread {}", tid_), "it has ended meanwhile");
        } else if (now_ns() > give_up_ns) {
            return failure(fmt::format("stop thread {}", tid_), "it did not stand still in time",
                           state_of(tid_) == 'D' ? "it sleeps uninterruptibly: try again later"
                                                 : "the processors are too busy for it to run: try again later");
        } else {
            wait_for_news();
        }
    }
}

Result<StoppedThread> StoppedThread::ask(pid_t tid) {
    StoppedThread thread(tid);
    thread.since_ns_ = now_ns();
    if (trace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) != 0) {
        return failed(tid, "attach to");
    }
    thread.seized_ = true;
    if (trace(PTRACE_INTERRUPT, tid, 0, 0) != 0) {
        return failed(tid, "interrupt");
    }
    return thread;
}

Result<void> StoppedThread::wait() {
    if (auto stopped = wait_for_stop(at_event_stop, patience_ns); !stopped) {
        return stopped;
    }
    if (trace(PTRACE_GETREGS, tid_, 0, address_of(saved_)) != 0 ||
        trace(PTRACE_GETSIGMASK, tid_, sizeof(saved_mask_), address_of(saved_mask_)) != 0) {
        return failed(tid_, "read the registers of");
    }
    stopped_ = true;
    if (saved_.cs != code_segment_64) {
        return failure(fmt::format("stop thread {}", tid_), "it runs 32-bit code",
                       "only 64-bit programs are supported");
    }
    return {};
}

Result<std::uint64_t> StoppedThread::find_syscall_instruction() const {
    if (is_syscall_instruction(tid_, saved_.rip - syscall_instruction.size())) {
        return saved_.rip - syscall_instruction.size();
    }
    std::ifstream maps(fmt::format("/proc/{}/maps", tid_));
    std::string line;
    while (std::getline(maps, line)) {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        char dash = 0;
        std::string rights;
        std::istringstream fields(line);
        fields >> std::hex >> begin >> dash >> end >> rights;
        if (!rights.starts_with("r-x") || line.find("[vdso]") == std::string::npos) {
            continue;
        }
        std::vector<std::byte> code(end - begin);
        if (read_memory(tid_, begin, code)) {
            const auto found = std::ranges::search(code, std::as_bytes(std::span(syscall_instruction)));
            if (!found.empty()) {
                return begin + static_cast<std::uint64_t>(found.begin() - code.begin());
            }
        }
    }
    return failure(fmt::format("make a call in thread {}", tid_), "its vDSO has no system call instruction");
}

Result<long> StoppedThread::run(user_regs_struct registers) {
    // Signals wait; SIGKILL and SIGSTOP do not, and need not.
    const std::uint64_t all = ~std::uint64_t{0};
    if (trace(PTRACE_SETSIGMASK, tid_, sizeof(all), address_of(all)) != 0 ||
        trace(PTRACE_SETREGS, tid_, 0, address_of(registers)) != 0) {
        return failed(tid_, "set the registers of");
    }
    called_ = true;
    for (int stop = 0; stop < 2; stop++) {
        if (trace(PTRACE_SYSCALL, tid_, 0, 0) != 0) {
            return failed(tid_, "continue");
        }
        if (auto stopped = wait_for_stop(at_syscall, endurance_ns); !stopped) {
            return std::unexpected(stopped.error());
        }
    }
    if (trace(PTRACE_GETREGS, tid_, 0, address_of(registers)) != 0) {
        return failed(tid_, "read the registers of");
    }
    return static_cast<long>(registers.rax);
}

std::uint64_t StoppedThread::place_for(const ForeignCall& call) const {
    constexpr std::uint64_t alignment = 16;
    return (saved_.rsp - red_zone_bytes - call.memory.size()) & ~(alignment - 1);
}

Result<user_regs_struct> StoppedThread::registers_for(const ForeignCall& call) {
    if (instruction_ == 0) {
        const auto found = find_syscall_instruction();
        if (!found) {
            return std::unexpected(found.error());
        }
        instruction_ = *found;
    }
    auto arguments = call.arguments;
    std::ranges::replace(arguments, ForeignCall::at_memory, place_for(call));
    user_regs_struct registers = saved_;
    registers.rip = instruction_;
    registers.rax = static_cast<std::uint64_t>(call.number);
    registers.orig_rax = ~std::uint64_t{0};
    registers.rdi = arguments[0];
    registers.rsi = arguments[1];
    registers.rdx = arguments[2];
    registers.r10 = arguments[3];
    registers.r8 = arguments[4];
    registers.r9 = arguments[5];
    return registers;
}

Result<void> StoppedThread::may_make(const ForeignCall& call) {
    const auto registers = registers_for(call);
    if (!registers) {
        return std::unexpected(registers.error());
    }
    if (auto reaches = calls_reach_the_kernel(tid_); !reaches) {
        return reaches;
    }
    return allowed_by_seccomp(tid_,
                              seen_by_seccomp(*registers, call.number, registers->rip + syscall_instruction.size()));
}

Result<long> StoppedThread::make(const ForeignCall& call) {
    const auto registers = registers_for(call);
    if (!registers) {
        return std::unexpected(registers.error());
    }
    const std::uint64_t place = place_for(call);
    std::vector<std::byte> before(call.memory.size());
    if (!call.memory.empty() && (!read_memory(tid_, place, before) || !write_memory(tid_, place, call.memory))) {
        if (errno == ESRCH) {
            return failed(tid_, "lend the stack of");
        }
        return failure(fmt::format("make a call in thread {}", tid_), "there is no room below its stack");
    }
    auto ret = run(*registers);
    if (!call.memory.empty() && !ended_) {
        write_memory(tid_, place, before);
    }
    return ret;
}

// Instead of returning -EINTR, which the program would see, or of being restarted by a call that would hurt it.
bool StoppedThread::must_be_made_again() const {
    const auto result = static_cast<long>(saved_.rax);
    if (result == -EINTR) {
        return interrupted_call(static_cast<long>(saved_.orig_rax)) != nullptr;
    }
    return result == restarted_by_call && static_cast<long>(saved_.orig_rax) >= 0 &&
           !allowed_by_seccomp(tid_, seen_by_seccomp(saved_, SYS_restart_syscall, saved_.rip));
}

bool StoppedThread::rewind_interrupted(user_regs_struct& registers) const {
    if (!must_be_made_again() || has_deliverable_signal(tid_, saved_mask_)) {
        return false;
    }
    const std::array<std::uint64_t, 6> arguments{registers.rdi, registers.rsi, registers.rdx,
                                                 registers.r10, registers.r8,  registers.r9};
    const auto* const interrupted = interrupted_call(static_cast<long>(registers.orig_rax));
    registers.rax = registers.orig_rax;
    registers.rip -= syscall_instruction.size();
    registers.orig_rax = ~std::uint64_t{0};
    return interrupted == nullptr || has_timeout(*interrupted, arguments);
}

Release StoppedThread::release() {
    Release released;
    if (!std::exchange(seized_, false) || ended_) {
        released.killed = std::exchange(unwaited_, false);
        return released;
    }
    // The kernel restarts an interrupted call on the way out of a stop like the first, with the registers as they are
    // then: so one more, and only there the old registers.
    if (called_) {
        trace(PTRACE_INTERRUPT, tid_, 0, 0);
        trace(PTRACE_CONT, tid_, 0, 0);
        if (!wait_for_stop(at_event_stop, endurance_ns) && ended_) {
            released.killed = std::exchange(unwaited_, false);
            return released;
        }
    }
    if (!stopped_) {
        // It was asked, and can be left only where it stands still.
        if (wait_for_stop(at_event_stop, endurance_ns)) {
            trace(PTRACE_DETACH, tid_, 0, 0);
        }
        return released;
    }
    user_regs_struct registers = saved_;
    released.timeout_restarted = rewind_interrupted(registers);
    trace(PTRACE_SETREGS, tid_, 0, address_of(registers));
    trace(PTRACE_SETSIGMASK, tid_, sizeof(saved_mask_), address_of(saved_mask_));
    released.killed = trace(PTRACE_DETACH, tid_, 0, 0) != 0 && errno == ESRCH;
    released.stood_still_ns = now_ns() - since_ns_;
    return released;
}

}  // namespace inflight::act
