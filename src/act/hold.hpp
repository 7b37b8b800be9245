// SPDX-License-Identifier: Apache-2.0
// Processes that do not run for a moment, so that none of them submits a request between a last look and a call.
#pragma once

#include "act/stopped_thread.hpp"
#include "act/target.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace inflight::act {

// A thread that runs, or sleeps in a call that the kernel restarts unseen, is stopped. One that a stop would disturb
// (it sleeps uninterruptibly, or in a call that would return -EINTR, begin its timeout anew or be cut short) is left
// alone and watched: while its context switches stay the same it has not run. Not thread-safe; the process that holds
// must end soon after, because the kernel alone lets go of a thread that was asked to stop and has not come to it.
class Hold {
public:
    // All threads of these processes, those too that are made meanwhile. Gives up after `patience_ns`.
    [[nodiscard]] Result<void> all(std::span<const pid_t> pids, std::uint64_t patience_ns);
    // all() has succeeded: only still() can change that.
    [[nodiscard]] bool complete() const { return complete_; }
    // One thread of a process, stopped even if it is watched. complete() may be false afterwards.
    [[nodiscard]] Result<StoppedThread*> one(pid_t pid, pid_t tid);

    // No watched thread has run since all() returned.
    [[nodiscard]] bool still() const;
    // Null: it is not stopped.
    [[nodiscard]] StoppedThread* find(pid_t tid);

    [[nodiscard]] unsigned threads_stopped() const { return static_cast<unsigned>(stopped_.size()); }
    // How long the first has been standing still.
    [[nodiscard]] std::uint64_t standing_ns() const;
    // Lets all go; the longest that one stood still, and whether a timeout began anew.
    Release let_go();

private:
    struct Watched {
        pid_t pid = 0;
        UniqueFd status;
        Progress progress;
        bool asked = false;  // it was asked to stop, and sleeps uninterruptibly
    };
    [[nodiscard]] Result<bool> take_new(std::span<const pid_t> pids, std::uint64_t give_up_ns);
    enum class Turn : std::uint8_t;
    // A thread that is to be stopped.
    struct Wanted {
        pid_t tid = 0;
        bool filtered = true;  // it has a seccomp filter
        Turn turn{};
    };
    [[nodiscard]] static Wanted wanted(pid_t pid, const Thread& thread);
    [[nodiscard]] Result<bool> take_new_of(pid_t pid, std::vector<Wanted>& wanted);
    [[nodiscard]] Result<bool> stop(std::vector<Wanted> wanted, std::uint64_t give_up_ns);
    [[nodiscard]] bool is_known(pid_t tid) const;
    bool makes_processes(pid_t pid);
    void look_at_waiting_anew(pid_t pid);
    void watch(pid_t pid, const Thread& thread);
    bool forget_those_that_ran();

    std::map<pid_t, StoppedThread> stopped_;
    std::map<pid_t, Watched> watched_;
    std::map<pid_t, StoppedThread> asked_;  // they will stop before they run on
    // Of these processes a thread is traced, or will be, that the kernel addresses signals to: see hold.cpp.
    std::set<pid_t> addressed_traced_;
    std::map<pid_t, bool> makes_processes_;  // has had children when it was first looked at
    std::set<pid_t> left_out_;               // the kernel's own threads, and those that have ended
    std::uint64_t since_ns_ = 0;
    bool complete_ = false;
    std::optional<Error> broken_;  // a thread was asked to stop, and did not: nothing more is tried
};

}  // namespace inflight::act
