// SPDX-License-Identifier: Apache-2.0
// What must be known of a process before anything in it is touched, and its threads.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inflight::act {

struct Thread {
    pid_t tid = 0;
    char state = '?';          // of /proc/PID/task/TID/stat
    bool kernels = false;      // a worker or SQ thread of io_uring, which nobody may stop
    std::optional<long> call;  // the system call that it is in
    std::array<std::uint64_t, 6> arguments{};
};

// The smaller the less does a stop disturb: 0 it runs, 1 it is in a call that the kernel restarts unseen, 2 in one that
// is made again, 3 in one that is made again with its timeout; nothing: it cannot be stopped now.
[[nodiscard]] std::optional<int> disturbance(const Thread& thread);

class Target {
public:
    // Reads /proc. Fails, in words, when it is gone, a zombie, a kernel thread or a 32-bit program, and when this
    // process sees other pids than the kernel's own. A process whose main thread alone has ended goes on.
    [[nodiscard]] static Result<Target> look(pid_t pid);

    [[nodiscard]] pid_t pid() const { return pid_; }
    // Without the kernel's, and without those that have ended.
    [[nodiscard]] const std::vector<Thread>& threads() const { return threads_; }

    // Whether a thread of it may be stopped: nobody else traces it, it is not stopped by job control.
    [[nodiscard]] Result<void> may_be_stopped() const;

    // The threads that a call can be made in, at least one: `wanted` alone, or (0) all, the one that a stop disturbs
    // least first.
    [[nodiscard]] Result<std::vector<pid_t>> threads_for_call(pid_t wanted) const;

private:
    explicit Target(pid_t pid) : pid_(pid) {}
    pid_t pid_;
    char state_ = '?';
    pid_t tracer_ = 0;
    std::vector<Thread> threads_;
};

}  // namespace inflight::act
