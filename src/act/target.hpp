// SPDX-License-Identifier: Apache-2.0
// What must be known of a process before anything in it is touched, and its threads.
#pragma once

#include "act/sleeping_call.hpp"
#include "base/result.hpp"

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inflight::act {

// What /proc tells of the running of a thread. While it stays the same the thread has not run.
struct Progress {
    char state = '?';            // of /proc/PID/task/TID/status; '?': it is gone
    std::uint64_t switches = 0;  // of context, voluntary or not
    bool operator==(const Progress&) const = default;
};

struct Thread {
    pid_t tid = 0;
    Progress progress;         // read before all others: if it has not changed, they hold still
    bool kernels = false;      // a worker or SQ thread of io_uring, which nobody may stop
    bool filtered = true;      // it has a seccomp filter
    bool fuse = false;         // it waits for a file system in user space, which would be told of an interruption
    bool parent = false;       // it has made processes that have not been waited for: their SIGCHLD is addressed to it
    std::optional<long> call;  // the system call that it is in
    CallArguments arguments{};
};

// Reads all of it; about 100 us.
[[nodiscard]] Thread read_thread(pid_t pid, pid_t tid);
// Without those that have ended: their numbers only, in no order. Empty: the process is gone.
[[nodiscard]] std::vector<pid_t> list_threads(pid_t pid);
[[nodiscard]] bool has_ended(const Thread& thread);
// No thread of it runs programs any more; true also where there is no such process.
[[nodiscard]] bool process_has_ended(pid_t pid);
// Processes that this thread has made are there. True where the kernel does not tell (no CONFIG_PROC_CHILDREN).
[[nodiscard]] bool has_children(pid_t tid);
// Processes that it has made have ended and were waited for: it is one that makes some.
[[nodiscard]] bool has_had_children(pid_t pid);
// Reads the first part from an open /proc/PID/task/TID/status.
[[nodiscard]] Progress read_progress(int status_fd);

// The smaller the less does a stop disturb: 0 it runs, 1 it is in a call that the kernel restarts unseen, 2 in one that
// is made again, 3 in one that is made again with its timeout, 4 in a wait that ends early; nothing: it must not be
// stopped now, for it sleeps uninterruptibly, or in a call that would be cut short.
[[nodiscard]] std::optional<int> disturbance(const Thread& thread);
// What stands in the way where disturbance() says nothing: "sleeps uninterruptibly (state D)".
[[nodiscard]] std::string why_not_stopped(const Thread& thread);

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
    pid_t tracer_ = 0;
    std::vector<Thread> threads_;
};

}  // namespace inflight::act
