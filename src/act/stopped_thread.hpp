// SPDX-License-Identifier: Apache-2.0
// A thread of another process that stands still for a moment, and makes calls of ours. x86-64 only.
#pragma once

#include "act/lent_code.hpp"
#include "base/result.hpp"

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace inflight::act {

// A system call for a thread to make. It must not be one that waits. An argument `at_memory` becomes the address of a
// copy of `memory` (at most lent_memory_bytes) that the call can read.
struct ForeignCall {
    static constexpr std::uint64_t at_memory = ~std::uint64_t{0} - 0x1234;
    long number = 0;
    std::array<std::uint64_t, 6> arguments{};
    std::span<const std::byte> memory{};
};

// How the thread went on.
struct Release {
    std::uint64_t stood_still_ns = 0;
    bool timeout_restarted = false;  // it had waited with a timeout, which begins anew
};

// Stopped with ptrace (PTRACE_SEIZE, PTRACE_INTERRUPT). release() lets it go; if that is not possible, because the
// thread did not come to its stop, the kernel does so when the process that traces it ends (see run_in_helper()).
//
// - Its registers, signal mask, pending signals and memory are then as they were, and a call that the stop interrupted
//   goes on unseen: the kernel restarts it. One that returns -EINTR by itself is restarted too, unless the handler of a
//   signal runs: then the program has a right to EINTR.
// - While it makes a call of ours it runs LentCode, which leads back by itself: the process that traces it may be
//   killed at any moment.
// - The signal mask is never changed. A signal that arrives before the call is made gets the thread's own registers
//   first, as if nothing had been; one that arrives later waits until the thread is let go.
// - A stop signal (SIGSTOP and its kin) takes effect when the thread is let go.
// - A restartable sequence that the stop interrupted is aborted, as any preemption would.
//
// Sources: kernel/signal.c (get_signal, do_signal_stop), arch/x86/kernel/signal.c (arch_do_signal_or_restart),
// kernel/ptrace.c (__ptrace_unlink), kernel/rseq.c (rseq_ip_fixup).
class StoppedThread {
public:
    // Asks it to stop; it goes on for a little. Of several threads all are asked before the first is waited for.
    // `filtered`: it may have a seccomp filter, which then is asked whether the kernel may restart its call.
    [[nodiscard]] static Result<StoppedThread> ask(pid_t tid, bool filtered = true);

    enum class State : std::uint8_t { running, stopped, ended };
    // Whether it has come to its stop. Does not wait.
    [[nodiscard]] State look();
    // Waits until it stands still; at most `patience_ns`.
    [[nodiscard]] Result<void> wait(std::uint64_t patience_ns = 500'000'000);

    StoppedThread(StoppedThread&& other) noexcept;
    StoppedThread& operator=(StoppedThread&&) = delete;
    StoppedThread(const StoppedThread&) = delete;
    StoppedThread& operator=(const StoppedThread&) = delete;
    ~StoppedThread();

    [[nodiscard]] pid_t tid() const { return tid_; }
    // The thread, or its process, has ended.
    [[nodiscard]] bool ended() const { return state_ == State::ended; }
    // Its call is made again when it goes on.
    [[nodiscard]] bool made_again() const { return made_again_; }
    [[nodiscard]] bool stopped() const { return state_ == State::stopped; }

    // Whether the call would be made as it is: there is room for its code, its seccomp filters let it pass, and so
    // does the program. The error says why not, or why it cannot be known. Nothing is made, nothing is changed.
    [[nodiscard]] Result<void> may_make(const ForeignCall& call);
    // Makes it and returns what it returned, a negative errno for an error. Several may be made one after the other.
    [[nodiscard]] Result<long> make(const ForeignCall& call);

    // Lets it go. Again: nothing.
    Release release();

private:
    StoppedThread(pid_t tid, bool filtered) : tid_(tid), filtered_(filtered) {}
    // What waitpid(2) told: whether the thread stands still now. A signal is passed on.
    bool on_status(int status);
    [[nodiscard]] Result<void> remember();
    [[nodiscard]] Result<void> find_room();
    [[nodiscard]] Result<void> enter_lent_code(const ForeignCall& call);
    [[nodiscard]] Result<int> wait_for_any_stop();
    [[nodiscard]] Result<void> give_back(int signal);
    [[nodiscard]] Result<bool> run_to_syscall_stop();
    [[nodiscard]] bool must_be_made_again() const;
    [[nodiscard]] user_regs_struct without_the_stop() const;
    void abort_restartable_sequence();

    pid_t tid_;
    bool filtered_;
    bool seized_ = false;
    State state_ = State::running;
    bool lent_ = false;     // its registers are those of the lent code
    bool at_call_ = false;  // ... and it stands at the end of a call of ours, no longer where calls are restarted
    // Its own registers, with which it goes on.
    user_regs_struct saved_{};
    bool made_again_ = false;  // its call is made again where the program would see EINTR
    bool timeout_restarted_ = false;
    std::uint64_t since_ns_ = 0;
    std::optional<LentCode> code_;
    bool dispatch_known_ = false;  // its system calls reach the kernel
};

}  // namespace inflight::act
