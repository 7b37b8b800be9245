// SPDX-License-Identifier: Apache-2.0
#include "act/stopped_thread.hpp"

#include "act/sleeping_call.hpp"
#include "act/thread_filters.hpp"
#include "act/tracing.hpp"

#include <fmt/format.h>
#include <linux/audit.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

namespace inflight::act {
namespace {

// How long a thread may take for a call of ours, and for the stop after it. It is safe to leave it at any moment.
constexpr std::uint64_t call_patience_ns = 2'000'000'000;
constexpr std::uint64_t release_patience_ns = 50'000'000;
constexpr std::uint64_t code_segment_64 = 0x33;
constexpr std::uint64_t syscall_instruction_bytes = 2;
// Signals that may arrive before a call of ours gets its turn.
constexpr int most_signals = 64;
constexpr int at_syscall = SIGTRAP | 0x80;
constexpr std::uint64_t no_call = ~std::uint64_t{0};

// What the kernel leaves in rax until the way out (include/linux/errno.h).
enum Restart : long {
    restart_sys = -512,
    restart_nointr = -513,
    restart_nohand = -514,
    restart_block = -516,
};

// Until a thread may have come to its stop: the kernel tells by SIGCHLD, where that is blocked in all of this process;
// else it is looked for now and then. Not a loop: the thread may need this processor.
void wait_for_news() {
    sigset_t news;
    ::sigemptyset(&news);
    ::sigaddset(&news, SIGCHLD);
    const timespec at_most{.tv_sec = 0, .tv_nsec = 100'000};
    ::sigtimedwait(&news, nullptr, &at_most);
}

// A call as a filter sees it: `after` is the address behind its instruction.
seccomp_data seen_by_seccomp(const user_regs_struct& registers, long number, std::uint64_t after) {
    return {.nr = static_cast<int>(number),
            .arch = AUDIT_ARCH_X86_64,
            .instruction_pointer = after,
            .args = {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9}};
}

CallArguments arguments_of(const user_regs_struct& registers) {
    return {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9};
}

// A stop of get_signal(): the one that was asked for, or a group stop, which SIGSTOP and its kin bring.
bool is_event_stop(int status) {
    return status >> 16 == PTRACE_EVENT_STOP;
}

}  // namespace

StoppedThread::StoppedThread(StoppedThread&& other) noexcept
    : tid_(other.tid_),
      filtered_(other.filtered_),
      seized_(std::exchange(other.seized_, false)),
      state_(other.state_),
      lent_(other.lent_),
      at_call_(other.at_call_),
      saved_(other.saved_),
      made_again_(other.made_again_),
      timeout_restarted_(other.timeout_restarted_),
      since_ns_(other.since_ns_),
      code_(other.code_),
      dispatch_known_(other.dispatch_known_) {}

StoppedThread::~StoppedThread() {
    release();
}

Result<StoppedThread> StoppedThread::ask(pid_t tid, bool filtered) {
    StoppedThread thread(tid, filtered);
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

bool StoppedThread::on_status(int status) {
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        state_ = State::ended;
        return false;
    }
    if (is_event_stop(status)) {
        return true;
    }
    const bool by_signal = status >> 16 == 0 && WSTOPSIG(status) != at_syscall;
    trace(PTRACE_CONT, tid_, 0, static_cast<std::uint64_t>(by_signal ? WSTOPSIG(status) : 0));
    return false;
}

// Where a call returned -EINTR by itself, or must not be restarted by restart_syscall(2), the kernel is left to decide:
// with this result it restarts the call from its beginning, unless the handler of a signal runs, which the program then
// sees as EINTR.
Result<void> StoppedThread::remember() {
    if (trace(PTRACE_GETREGS, tid_, 0, address_of(saved_)) != 0) {
        return failed(tid_, "read the registers of");
    }
    state_ = State::stopped;
    made_again_ = must_be_made_again();
    timeout_restarted_ = false;
    if (made_again_) {
        const auto* const call = find_sleeping_call(static_cast<long>(saved_.orig_rax));
        timeout_restarted_ = call == nullptr || has_timeout(*call, arguments_of(saved_));
        saved_.rax = static_cast<std::uint64_t>(restart_nohand);
        if (trace(PTRACE_SETREGS, tid_, 0, address_of(saved_)) != 0) {
            return failed(tid_, "set the registers of");
        }
    }
    return {};
}

StoppedThread::State StoppedThread::look() {
    if (state_ != State::running) {
        return state_;
    }
    int status = 0;
    const pid_t got = ::waitpid(tid_, &status, __WALL | WNOHANG);
    // ECHILD: another thread called execve and took its number.
    if (got < 0 && errno != EINTR) {
        state_ = State::ended;
    } else if (got == tid_ && on_status(status) && !remember()) {
        state_ = State::ended;
    }
    return state_;
}

Result<void> StoppedThread::wait(std::uint64_t patience_ns) {
    constexpr unsigned usual_looks = 20;
    const std::uint64_t give_up_ns = now_ns() + patience_ns;
    for (unsigned looks = 0; look() == State::running; looks++) {
        if (looks > usual_looks && has_ended(tid_)) {
            // The kernel reports the end of a main thread only after all other threads were waited for.
            state_ = State::ended;
        } else if (now_ns() > give_up_ns) {
            return failure(fmt::format("stop thread {}", tid_), "it did not stand still in time",
                           state_of(tid_) == 'D' ? "it sleeps uninterruptibly: try again later"
                                                 : "the processors are too busy for it to run: try again later");
        } else {
            wait_for_news();
        }
    }
    if (state_ == State::ended) {
        return failure(fmt::format("wait for thread {}", tid_), "it has ended meanwhile");
    }
    if (saved_.cs != code_segment_64) {
        return failure(fmt::format("stop thread {}", tid_), "it runs 32-bit code",
                       "only 64-bit programs are supported");
    }
    return {};
}

Result<void> StoppedThread::find_room() {
    if (!code_) {
        auto found = LentCode::find(tid_);
        if (!found) {
            return std::unexpected(found.error());
        }
        code_ = *found;
    }
    return {};
}

Result<void> StoppedThread::may_make(const ForeignCall& call) {
    if (auto room = find_room(); !room) {
        return room;
    }
    if (!dispatch_known_) {
        if (auto reaches = calls_reach_the_kernel(tid_); !reaches) {
            return reaches;
        }
        dispatch_known_ = true;
    }
    if (!filtered_) {
        return {};
    }
    auto arguments = call.arguments;
    std::ranges::replace(arguments, ForeignCall::at_memory, code_->argument_address());
    seccomp_data seen = seen_by_seccomp(saved_, call.number, code_->after_call());
    std::ranges::copy(arguments, seen.args);
    return allowed_by_seccomp(tid_, seen);
}

// The kernel aborts a sequence that was preempted when the thread goes on. It would not, because the thread goes on in
// other code first, and the kernel then forgets the sequence. So the thread goes on where the kernel would have sent
// it.
void StoppedThread::abort_restartable_sequence() {
    // struct ptrace_rseq_configuration, struct rseq and struct rseq_cs, which the build machine's headers may not have.
    struct Configuration {
        std::uint64_t area;
        std::uint32_t area_bytes;
        std::uint32_t signature;
        std::uint32_t flags;
        std::uint32_t pad;
    };
    struct Sequence {
        std::uint32_t version;
        std::uint32_t flags;
        std::uint64_t start;
        std::uint64_t bytes;
        std::uint64_t abort;
    };
    constexpr int get_rseq_configuration = 0x420f;
    constexpr std::uint64_t sequence_offset = 8;
    Configuration configuration{};
    std::uint64_t address = 0;
    Sequence sequence{};
    if (trace(get_rseq_configuration, tid_, sizeof(configuration), address_of(configuration)) <= 0 ||
        configuration.area == 0 ||
        !read_memory(tid_, configuration.area + sequence_offset, std::as_writable_bytes(std::span(&address, 1))) ||
        address == 0 || !read_memory(tid_, address, std::as_writable_bytes(std::span(&sequence, 1)))) {
        return;
    }
    if (saved_.rip - sequence.start < sequence.bytes) {
        saved_.rip = sequence.abort;
    }
}

// With which registers it goes on when nobody is left to put its own back: those that the kernel would have made of
// them on the way out of the stop.
user_regs_struct StoppedThread::without_the_stop() const {
    user_regs_struct after = saved_;
    if (static_cast<long>(saved_.orig_rax) < 0) {
        return after;
    }
    const auto repeat = [&after](std::uint64_t number) {
        after.rax = number;
        after.rip -= syscall_instruction_bytes;
    };
    switch (static_cast<long>(saved_.rax)) {
        case restart_sys:
        case restart_nointr:
        case restart_nohand:
            repeat(saved_.orig_rax);
            break;
        case restart_block:
            repeat(SYS_restart_syscall);
            break;
        default:
            break;
    }
    return after;
}

// Puts the code and the argument there, and the registers on it.
Result<void> StoppedThread::enter_lent_code(const ForeignCall& call) {
    if (!lent_) {
        abort_restartable_sequence();
        if (auto written = code_->write(tid_, without_the_stop()); !written) {
            return written;
        }
    }
    if (!call.memory.empty()) {
        if (auto written = code_->write_argument(tid_, call.memory); !written) {
            return written;
        }
    }
    auto arguments = call.arguments;
    std::ranges::replace(arguments, ForeignCall::at_memory, code_->argument_address());
    user_regs_struct registers = saved_;
    registers.rip = code_->address();
    registers.rax = static_cast<std::uint64_t>(call.number);
    registers.orig_rax = no_call;
    registers.rdi = arguments[0];
    registers.rsi = arguments[1];
    registers.rdx = arguments[2];
    registers.r10 = arguments[3];
    registers.r8 = arguments[4];
    registers.r9 = arguments[5];
    if (trace(PTRACE_SETREGS, tid_, 0, address_of(registers)) != 0) {
        return failed(tid_, "set the registers of");
    }
    lent_ = true;
    return {};
}

// The status of its next stop, whatever it is.
Result<int> StoppedThread::wait_for_any_stop() {
    constexpr unsigned quick_looks = 3;
    constexpr unsigned usual_looks = 200;
    const std::uint64_t give_up_ns = now_ns() + call_patience_ns;
    for (unsigned looks = 0;; looks++) {
        int status = 0;
        const pid_t got = ::waitpid(tid_, &status, __WALL | WNOHANG);
        const bool gone = (got < 0 && errno != EINTR) || (got == tid_ && !WIFSTOPPED(status)) ||
                          (got == 0 && looks > usual_looks && has_ended(tid_));
        if (gone) {
            state_ = State::ended;
            return failure(fmt::format("wait for thread {}", tid_), "it has ended meanwhile");
        }
        if (got == tid_) {
            return status;
        }
        if (now_ns() > give_up_ns) {
            state_ = State::running;
            return failure(fmt::format("wait for thread {}", tid_), "its call has not returned in time",
                           "the thread goes on by itself when it does");
        }
        // On another processor the thread makes its call faster than we could fall asleep and wake up again. But the
        // kernel may have woken it on our processor, and there it runs only when we give the processor away.
        if (looks > usual_looks / 2) {
            wait_for_news();
        } else if (looks >= quick_looks) {
            ::sched_yield();
        }
    }
}

// A signal came before the call was made: the thread gets it with its own registers, as if nothing had been, and is
// stopped again before it runs on.
Result<void> StoppedThread::give_back(int signal) {
    if (trace(PTRACE_SETREGS, tid_, 0, address_of(saved_)) != 0) {
        return failed(tid_, "set the registers of");
    }
    lent_ = false;
    at_call_ = false;
    code_->erase(tid_);
    if (trace(PTRACE_INTERRUPT, tid_, 0, 0) != 0 ||
        trace(PTRACE_CONT, tid_, 0, static_cast<std::uint64_t>(signal)) != 0) {
        return failed(tid_, "continue");
    }
    state_ = State::running;
    return wait(call_patience_ns);
}

// True: it stands at a stop of its system call. False: a signal came first, and it stands still with its own registers.
Result<bool> StoppedThread::run_to_syscall_stop() {
    for (int stops = 0; stops < most_signals; stops++) {
        if (trace(PTRACE_SYSCALL, tid_, 0, 0) != 0) {
            return failed(tid_, "continue");
        }
        const auto status = wait_for_any_stop();
        if (!status) {
            return std::unexpected(status.error());
        }
        if (*status >> 16 == 0 && WSTOPSIG(*status) == at_syscall) {
            return true;
        }
        if (*status >> 16 == 0) {
            if (auto given = give_back(WSTOPSIG(*status)); !given) {
                return std::unexpected(given.error());
            }
            return false;
        }
        // A group stop: it runs nevertheless, and stops again when it is let go.
    }
    return failure(fmt::format("make a call in thread {}", tid_), "it is stopped again and again", "try again later");
}

Result<long> StoppedThread::make(const ForeignCall& call) {
    if (auto room = find_room(); !room) {
        return std::unexpected(room.error());
    }
    for (int tries = 0; tries < most_signals; tries++) {
        if (auto entered = enter_lent_code(call); !entered) {
            return std::unexpected(entered.error());
        }
        const auto before = run_to_syscall_stop();
        if (!before) {
            return std::unexpected(before.error());
        }
        if (!*before) {
            continue;
        }
        // From its entry no signal comes before its end.
        at_call_ = true;
        const auto after = run_to_syscall_stop();
        if (!after) {
            return std::unexpected(after.error());
        }
        user_regs_struct registers{};
        if (trace(PTRACE_GETREGS, tid_, 0, address_of(registers)) != 0) {
            return failed(tid_, "read the registers of");
        }
        return static_cast<long>(registers.rax);
    }
    return failure(fmt::format("make a call in thread {}", tid_), "signals arrive all the time", "try again later");
}

// Instead of returning -EINTR, which the program would see, or of being restarted by a call that would hurt it.
bool StoppedThread::must_be_made_again() const {
    const auto number = static_cast<long>(saved_.orig_rax);
    if (number < 0) {
        return false;
    }
    if (static_cast<long>(saved_.rax) == -EINTR) {
        const auto* const call = find_sleeping_call(number);
        return call != nullptr && can_be_made_again(*call);
    }
    return static_cast<long>(saved_.rax) == restart_block && filtered_ &&
           !allowed_by_seccomp(tid_, seen_by_seccomp(saved_, SYS_restart_syscall, saved_.rip));
}

Release StoppedThread::release() {
    Release released;
    if (!std::exchange(seized_, false) || state_ == State::ended) {
        return released;
    }
    // The kernel restarts an interrupted call on the way out of a stop like the first, with the registers as they are
    // then: so one more, and only there the thread's own.
    if (at_call_) {
        trace(PTRACE_INTERRUPT, tid_, 0, 0);
        trace(PTRACE_CONT, tid_, 0, 0);
        const auto status = wait_for_any_stop();
        // A signal that is reported first is delivered with the thread's own registers.
        if (status && !is_event_stop(*status)) {
            trace(PTRACE_SETREGS, tid_, 0, address_of(saved_));
            code_->erase(tid_);
            trace(PTRACE_DETACH, tid_, 0, static_cast<std::uint64_t>(WSTOPSIG(*status) & 0x7f));
            released.stood_still_ns = now_ns() - since_ns_;
            return released;
        }
        if (!status) {
            return released;
        }
    }
    // It was asked, and can be let go only where it stands still. Its call may have returned -EINTR already.
    if (state_ == State::running && state_of(tid_) != 'D') {
        [[maybe_unused]] const auto stopped = wait(release_patience_ns);
    }
    if (state_ != State::stopped) {
        return released;
    }
    if (lent_) {
        trace(PTRACE_SETREGS, tid_, 0, address_of(saved_));
        code_->erase(tid_);
    }
    released.timeout_restarted = timeout_restarted_;
    trace(PTRACE_DETACH, tid_, 0, 0);
    released.stood_still_ns = now_ns() - since_ns_;
    return released;
}

}  // namespace inflight::act
