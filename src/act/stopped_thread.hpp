// SPDX-License-Identifier: Apache-2.0
// A thread of another process that stands still for a moment, and makes a call of ours. x86-64 only.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace inflight::act {

// A system call for a thread to make. It must not be one that waits. `memory` is copied below the thread's stack for
// the time of the call; an argument `at_memory` is its address there.
struct ForeignCall {
    static constexpr std::uint64_t at_memory = ~std::uint64_t{0} - 0x1234;
    long number = 0;
    std::array<std::uint64_t, 6> arguments{};
    std::span<const std::byte> memory{};
};

// How it went on.
struct Release {
    std::uint64_t stood_still_ns = 0;
    bool timeout_restarted = false;  // it had waited with a timeout, which begins anew
    bool killed = false;             // it was killed meanwhile: this process must wait for it before its parent can
};

// Stopped with ptrace (PTRACE_SEIZE, PTRACE_INTERRUPT) and detached when this goes, on every way. Its registers, signal
// mask and memory are then as they were: a call that the stop interrupted goes on unseen. What the kernel restarts by
// itself (-ERESTARTSYS and its kin) it restarts; a call that would return -EINTR is made again, unless a signal is
// pending for which the program has a right to it; so is one that the kernel would restart by restart_syscall(2) where
// a seccomp filter does not let that pass. Signals that come meanwhile wait for the release. Should this
// process be killed while the thread makes a call, about 50 us, the thread goes on with wrong registers. Sources:
// kernel/signal.c (get_signal), arch/x86/kernel/signal.c (arch_do_signal_or_restart), kernel/ptrace.c.
class StoppedThread {
public:
    // Asks it to stop; it goes on for a little. Of several threads all are asked before the first is waited for.
    [[nodiscard]] static Result<StoppedThread> ask(pid_t tid);
    // Waits until it stands still, at most half a second: it must not sleep uninterruptibly (state D).
    [[nodiscard]] Result<void> wait();

    StoppedThread(StoppedThread&& other) noexcept;
    StoppedThread& operator=(StoppedThread&&) = delete;
    StoppedThread(const StoppedThread&) = delete;
    StoppedThread& operator=(const StoppedThread&) = delete;
    ~StoppedThread();

    // Whether the call would be made as it is: its seccomp filters let it pass, and so does the program. The error says
    // why not, or why it cannot be known. Nothing is made.
    [[nodiscard]] Result<void> may_make(const ForeignCall& call);
    // Makes it and returns what it returned, a negative errno for an error.
    [[nodiscard]] Result<long> make(const ForeignCall& call);

    // The thread, or its process, has ended.
    [[nodiscard]] bool ended() const { return ended_; }
    // Lets it go.
    Release release();

private:
    explicit StoppedThread(pid_t tid) : tid_(tid) {}
    [[nodiscard]] Result<void> wait_for_stop(int wanted, std::uint64_t at_most_ns);
    [[nodiscard]] Result<std::uint64_t> find_syscall_instruction() const;
    [[nodiscard]] std::uint64_t place_for(const ForeignCall& call) const;
    [[nodiscard]] Result<user_regs_struct> registers_for(const ForeignCall& call);
    [[nodiscard]] Result<long> run(user_regs_struct registers);
    [[nodiscard]] bool must_be_made_again() const;
    bool rewind_interrupted(user_regs_struct& registers) const;

    pid_t tid_;
    bool seized_ = false;
    bool stopped_ = false;  // what it was is known
    bool ended_ = false;
    bool unwaited_ = false;  // ... and its end was not yet waited for
    bool called_ = false;    // it stands at the end of our call, and no longer where a call is restarted
    user_regs_struct saved_{};
    std::uint64_t saved_mask_ = 0;
    std::uint64_t since_ns_ = 0;
    std::uint64_t instruction_ = 0;  // a system call instruction in its memory, once it was looked for
};

}  // namespace inflight::act
