// SPDX-License-Identifier: Apache-2.0
#include "act/hold.hpp"

#include "act/tracing.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

namespace inflight::act {
namespace {

// A thread that has not come to its stop by then may sleep uninterruptibly.
constexpr std::uint64_t usual_stop_ns = 3'000'000;

// Whether a thread is watched instead of stopped. While the main thread is traced, the kernel does not throw away
// signals that the process ignores, but wakes some thread for them that is not stopped: a call that would return -EINTR
// then must be stopped too. One with a timeout is not, for it would begin anew. Source: kernel/signal.c (sig_ignored,
// complete_signal).
bool is_left_alone(const Thread& thread, bool main_thread, bool main_thread_traced) {
    constexpr int restarted = 1;
    constexpr int made_again = 2;
    const auto disturbs = disturbance(thread);
    if (!disturbs) {
        return true;
    }
    if (main_thread) {
        return *disturbs >= restarted;
    }
    return *disturbs > (main_thread_traced ? made_again : restarted);
}

UniqueFd open_status(pid_t pid, pid_t tid) {
    return UniqueFd(::open(fmt::format("/proc/{}/task/{}/status", pid, tid).c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

void Hold::watch(pid_t pid, const Thread& thread) {
    watched_.insert_or_assign(thread.tid,
                              Watched{.pid = pid, .status = open_status(pid, thread.tid), .progress = thread.progress});
}

// Before the others: if it must be stopped, those that were left alone are looked at anew.
void Hold::take_main_thread(pid_t pid) {
    if (main_threads_traced_.contains(pid)) {
        return;
    }
    const bool traced = stopped_.contains(pid) || asked_.contains(pid) ||
                        (!watched_.contains(pid) && !is_left_alone(read_thread(pid, pid), true, false));
    if (!traced) {
        return;
    }
    main_threads_traced_.insert(pid);
    std::erase_if(watched_, [pid](const auto& each) { return each.second.pid == pid && !each.second.asked; });
    complete_ = false;
}

// Whether there was a thread that was not known.
Result<bool> Hold::take_new(std::span<const pid_t> pids, std::uint64_t give_up_ns) {
    bool news = false;
    std::vector<std::pair<pid_t, bool>> wanted;
    for (const pid_t pid : pids) {
        const auto tids = list_threads(pid);
        if (tids.empty()) {
            return failure(fmt::format("hold process {}", pid), "the process is gone");
        }
        take_main_thread(pid);
        for (const pid_t tid : tids) {
            if (stopped_.contains(tid) || watched_.contains(tid) || asked_.contains(tid) || left_out_.contains(tid)) {
                continue;
            }
            const Thread thread = read_thread(pid, tid);
            if (thread.kernels || has_ended(thread)) {
                left_out_.insert(tid);
                continue;
            }
            news = true;
            if (thread.progress.state == 't') {
                return failure(fmt::format("hold thread {}", tid), "another process traces it",
                               "a debugger or strace must let it go");
            }
            const bool main_thread_traced = main_threads_traced_.contains(pid);
            if (is_left_alone(thread, tid == pid, main_thread_traced)) {
                watch(pid, thread);
            } else if (tid != pid || main_thread_traced) {
                // A main thread that has begun to run in between is stopped in the next round.
                wanted.emplace_back(tid, thread.filtered);
            }
        }
    }
    // Main threads last: see is_left_alone().
    std::ranges::stable_partition(
        wanted, [pids](const auto& each) { return std::ranges::find(pids, each.first) == pids.end(); });
    // Only now, so that nobody stands still while others are read of.
    const auto stopped = stop(wanted, give_up_ns);
    return stopped ? Result<bool>(news) : stopped;
}

// `wanted`: each with whether it has a seccomp filter. All are asked before the first is waited for.
Result<bool> Hold::stop(std::span<const std::pair<pid_t, bool>> wanted, std::uint64_t give_up_ns) {
    std::vector<StoppedThread> threads;
    threads.reserve(wanted.size());
    if (!wanted.empty() && since_ns_ == 0) {
        since_ns_ = now_ns();
    }
    std::vector<pid_t> traced;
    traced.reserve(wanted.size() + stopped_.size());
    std::ranges::transform(wanted, std::back_inserter(traced), &std::pair<pid_t, bool>::first);
    std::ranges::transform(stopped_, std::back_inserter(traced), [](const auto& each) { return each.first; });
    std::optional<ReapingAlarm> reaping;
    if (!wanted.empty()) {
        reaping.emplace(traced);
    }
    for (const auto& [tid, filtered] : wanted) {
        auto asked = StoppedThread::ask(tid, filtered);
        if (asked) {
            threads.push_back(std::move(*asked));
        } else if (act::has_ended(tid)) {
            left_out_.insert(tid);
        } else {
            return std::unexpected(asked.error());
        }
    }
    reaping.reset();
    for (StoppedThread& thread : threads) {
        const pid_t tid = thread.tid();
        auto stopped = thread.wait(std::min(usual_stop_ns, give_up_ns - std::min(now_ns(), give_up_ns)));
        while (!stopped && !thread.ended() && state_of(tid) != 'D' && now_ns() < give_up_ns) {
            stopped = thread.wait(usual_stop_ns);
        }
        if (thread.ended()) {
            left_out_.insert(tid);
        } else if (stopped) {
            stopped_.emplace(tid, std::move(thread));
        } else if (thread.stopped() || state_of(tid) != 'D') {
            broken_ = stopped.error();
            return std::unexpected(stopped.error());
        } else {
            const Thread sleeper = read_thread(tid, tid);
            watch(tid, sleeper);
            watched_.at(tid).asked = true;
            asked_.emplace(tid, std::move(thread));
        }
    }
    return true;
}

// Whether one has run: it will be looked at anew.
bool Hold::forget_those_that_ran() {
    bool any = false;
    for (auto each = watched_.begin(); each != watched_.end();) {
        if (read_progress(each->second.status.get()) == each->second.progress) {
            ++each;
            continue;
        }
        any = true;
        const auto asked = asked_.find(each->first);
        if (asked != asked_.end()) {
            if (asked->second.wait(usual_stop_ns)) {
                stopped_.emplace(asked->first, std::move(asked->second));
                asked_.erase(asked);
            } else if (asked->second.ended()) {
                left_out_.insert(asked->first);
                asked_.erase(asked);
            } else {
                each->second.progress = read_progress(each->second.status.get());
                ++each;
                continue;
            }
        }
        each = watched_.erase(each);
    }
    return any;
}

Result<void> Hold::all(std::span<const pid_t> pids, std::uint64_t patience_ns) {
    if (broken_) {
        return std::unexpected(*broken_);
    }
    const std::uint64_t give_up_ns = now_ns() + patience_ns;
    complete_ = false;
    for (;;) {
        const bool ran = forget_those_that_ran();
        const auto news = take_new(pids, give_up_ns);
        if (!news) {
            return std::unexpected(news.error());
        }
        if (!*news && !ran && still()) {
            complete_ = true;
            return {};
        }
        if (now_ns() > give_up_ns) {
            return failure(fmt::format("hold the threads of process {}", pids.front()),
                           "some of them, which a stop would disturb, run again and again",
                           "try again, or choose --no-stop");
        }
    }
}

Result<StoppedThread*> Hold::one(pid_t pid, pid_t tid) {
    if (StoppedThread* const found = find(tid)) {
        return found;
    }
    if (asked_.contains(tid)) {
        return failure(fmt::format("make a call in thread {}", tid), "it sleeps uninterruptibly", "try again later");
    }
    if (broken_) {
        return std::unexpected(*broken_);
    }
    constexpr std::uint64_t patience_ns = 1'000'000'000;
    const std::array<std::pair<pid_t, bool>, 1> wanted{std::pair(tid, read_thread(tid, tid).filtered)};
    watched_.erase(tid);
    const auto stopped = stop(wanted, now_ns() + patience_ns);
    if (!stopped) {
        return std::unexpected(stopped.error());
    }
    StoppedThread* const found = find(tid);
    if (found == nullptr) {
        return failure(fmt::format("make a call in thread {}", tid),
                       asked_.contains(tid) ? "it sleeps uninterruptibly" : "it has ended meanwhile");
    }
    take_main_thread(pid);
    return found;
}

bool Hold::still() const {
    return std::ranges::all_of(
        watched_, [](const auto& each) { return read_progress(each.second.status.get()) == each.second.progress; });
}

StoppedThread* Hold::find(pid_t tid) {
    const auto found = stopped_.find(tid);
    return found == stopped_.end() ? nullptr : &found->second;
}

std::uint64_t Hold::standing_ns() const {
    return since_ns_ == 0 ? 0 : now_ns() - since_ns_;
}

Release Hold::let_go() {
    Release all;
    // Main threads first.
    for (const pid_t pid : main_threads_traced_) {
        if (StoppedThread* const main_thread = find(pid)) {
            const Release released = main_thread->release();
            all.stood_still_ns = released.stood_still_ns;
            all.timeout_restarted = released.timeout_restarted;
        }
    }
    for (auto& [tid, thread] : stopped_) {
        const Release released = thread.release();
        all.stood_still_ns = std::max(all.stood_still_ns, released.stood_still_ns);
        all.timeout_restarted = all.timeout_restarted || released.timeout_restarted;
    }
    stopped_.clear();
    asked_.clear();
    watched_.clear();
    main_threads_traced_.clear();
    since_ns_ = 0;
    complete_ = false;
    return all;
}

}  // namespace inflight::act
