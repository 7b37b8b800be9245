// SPDX-License-Identifier: Apache-2.0
#include "act/stopped_thread.hpp"

#include "act/interrupted.hpp"

#include <fmt/format.h>
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
constexpr int at_syscall = SIGTRAP | 0x80;
constexpr int at_event_stop = SIGTRAP | PTRACE_EVENT_STOP << 8;

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

Failure failed(pid_t tid, std::string_view what) {
    return failure(fmt::format("{} thread {}", what, tid), describe_errno(errno),
                   errno == EPERM ? "it needs the right to ptrace that process, which nobody else may trace" : "");
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
      called_(other.called_),
      saved_(other.saved_),
      saved_mask_(other.saved_mask_),
      since_ns_(other.since_ns_) {}

StoppedThread::~StoppedThread() {
    release();
}

// `wanted`: the stop, as waitpid tells it. Others that come before are passed on.
Result<void> StoppedThread::wait_for_stop(int wanted, std::uint64_t at_most_ns) {
    const std::uint64_t give_up_ns = now_ns() + at_most_ns;
    for (;;) {
        int status = 0;
        const pid_t got = ::waitpid(tid_, &status, __WALL | WNOHANG);
        if (got < 0 && errno != EINTR) {
            return failed(tid_, "wait for");
        }
        if (got == tid_) {
            if (WIFEXITED(status) || WIFSIGNALED(status)) {
                ended_ = true;
                return failure(fmt::format("wait for thread {}", tid_), "it ended meanwhile");
            }
            const int stop = status >> 8;
            if (stop == wanted) {
                return {};
            }
            const bool by_signal = stop >> 8 == 0 && stop != at_syscall;
            const int request = wanted == at_syscall ? PTRACE_SYSCALL : PTRACE_CONT;
            trace(request, tid_, 0, static_cast<std::uint64_t>(by_signal ? stop : 0));
        } else if (now_ns() > give_up_ns) {
            return failure(fmt::format("stop thread {}", tid_), "it did not stand still in time",
                           "it sleeps uninterruptibly: try again later");
        } else {
            // Not a loop: the thread may need this CPU.
            const timespec pause{.tv_sec = 0, .tv_nsec = 10'000};
            ::nanosleep(&pause, nullptr);
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

Result<long> StoppedThread::make_call(user_regs_struct registers) {
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

Result<long> StoppedThread::call(long number, std::array<std::uint64_t, 6> arguments,
                                 std::span<const std::byte> memory) {
    const auto instruction = find_syscall_instruction();
    if (!instruction) {
        return std::unexpected(instruction.error());
    }
    constexpr std::uint64_t alignment = 16;
    const std::uint64_t place = (saved_.rsp - red_zone_bytes - memory.size()) & ~(alignment - 1);
    std::vector<std::byte> before(memory.size());
    if (!memory.empty() && (!read_memory(tid_, place, before) || !write_memory(tid_, place, memory))) {
        return failure(fmt::format("make a call in thread {}", tid_), "there is no room below its stack");
    }
    std::ranges::replace(arguments, at_memory, place);
    user_regs_struct registers = saved_;
    registers.rip = *instruction;
    registers.rax = static_cast<std::uint64_t>(number);
    registers.orig_rax = ~std::uint64_t{0};
    registers.rdi = arguments[0];
    registers.rsi = arguments[1];
    registers.rdx = arguments[2];
    registers.r10 = arguments[3];
    registers.r8 = arguments[4];
    registers.r9 = arguments[5];
    auto ret = make_call(registers);
    if (!memory.empty() && !ended_) {
        write_memory(tid_, place, before);
    }
    return ret;
}

bool StoppedThread::rewind_interrupted(user_regs_struct& registers) const {
    const auto number = static_cast<long>(registers.orig_rax);
    const auto* const interrupted = interrupted_call(number);
    if (static_cast<long>(registers.rax) != -EINTR || interrupted == nullptr ||
        has_deliverable_signal(tid_, saved_mask_)) {
        return false;
    }
    registers.rax = registers.orig_rax;
    registers.rip -= syscall_instruction.size();
    registers.orig_rax = ~std::uint64_t{0};
    return has_timeout(*interrupted,
                       {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9});
}

Release StoppedThread::release() {
    Release released;
    if (!std::exchange(seized_, false) || ended_) {
        return released;
    }
    // The kernel restarts an interrupted call on the way out of a stop like the first, with the registers as they are
    // then: so one more, and only there the old registers.
    if (called_) {
        trace(PTRACE_INTERRUPT, tid_, 0, 0);
        trace(PTRACE_CONT, tid_, 0, 0);
        if (!wait_for_stop(at_event_stop, endurance_ns) && ended_) {
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
    trace(PTRACE_DETACH, tid_, 0, 0);
    released.stood_still_ns = now_ns() - since_ns_;
    return released;
}

}  // namespace inflight::act
