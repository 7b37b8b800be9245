// SPDX-License-Identifier: Apache-2.0
#include "act/hold.hpp"

#include "act/tracing.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <ranges>
#include <utility>

namespace inflight::act {

// The order in which threads are stopped; they are let go the other way round.
enum class Hold::Turn : std::uint8_t {
    waits,      // it would see signals that are addressed to others
    usual,      // it runs, or its call is restarted
    addressed,  // the kernel addresses signals to it
};

namespace {

// A thread that has not come to its stop by then may sleep uninterruptibly.
constexpr std::uint64_t usual_stop_ns = 3'000'000;

constexpr int restarted = 1;   // of disturbance()
constexpr int made_again = 2;  // and without a timeout

// Whether a thread is watched instead of stopped. A signal of a whole process is addressed to one of its threads: to
// the main thread, or, SIGCHLD, to the one that made the child. While that one is traced, the kernel does not throw
// away signals that the process ignores, but wakes some thread for them that is not stopped: a call that would return
// -EINTR then must be stopped too. One with a timeout is not, for it would begin anew. Source: kernel/signal.c
// (sig_ignored, complete_signal), kernel/exit.c (exit_notify).
bool is_left_alone(pid_t pid, const Thread& thread, bool addressed_traced) {
    const auto disturbs = disturbance(thread);
    if (!disturbs || *disturbs > made_again) {
        return true;
    }
    if (*disturbs == made_again) {
        return !addressed_traced;
    }
    return *disturbs == restarted && (thread.tid == pid || thread.parent);
}

UniqueFd open_status(pid_t pid, pid_t tid) {
    return UniqueFd(::open(fmt::format("/proc/{}/task/{}/status", pid, tid).c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

void Hold::watch(pid_t pid, const Thread& thread) {
    watched_.insert_or_assign(thread.tid,
                              Watched{.pid = pid, .status = open_status(pid, thread.tid), .progress = thread.progress});
}

Hold::Wanted Hold::wanted(pid_t pid, const Thread& thread) {
    const bool addressed = thread.tid == pid || thread.parent;
    const bool waits = disturbance(thread).value_or(0) >= made_again;
    return {.tid = thread.tid,
            .filtered = thread.filtered,
            .turn = addressed ? Turn::addressed : (waits ? Turn::waits : Turn::usual)};
}

bool Hold::is_known(pid_t tid) const {
    return stopped_.contains(tid) || watched_.contains(tid) || asked_.contains(tid) || left_out_.contains(tid);
}

bool Hold::makes_processes(pid_t pid) {
    const auto known = makes_processes_.find(pid);
    return known != makes_processes_.end() ? known->second
                                           : makes_processes_.emplace(pid, has_had_children(pid)).first->second;
}

// A thread that signals are addressed to will be traced: those that wait without a timeout must be stopped before.
void Hold::look_at_waiting_anew(pid_t pid) {
    addressed_traced_.insert(pid);
    std::erase_if(watched_, [pid](const auto& each) { return each.second.pid == pid && !each.second.asked; });
    complete_ = false;
}

// Whether there was a thread that was not known.
Result<bool> Hold::take_new_of(pid_t pid, std::vector<Wanted>& wanted) {
    const auto tids = list_threads(pid);
    if (tids.empty()) {
        return failure(fmt::format("hold process {}", pid), "the process is gone");
    }
    bool news = false;
    std::vector<Wanted> here;
    bool addressed = false;
    for (const pid_t tid : tids) {
        if (is_known(tid)) {
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
        if (is_left_alone(pid, thread, addressed_traced_.contains(pid))) {
            watch(pid, thread);
        } else {
            here.push_back(Hold::wanted(pid, thread));
            // One that runs may make a process at any moment.
            addressed = addressed || here.back().turn == Turn::addressed || makes_processes(pid);
        }
    }
    if (addressed && !addressed_traced_.contains(pid)) {
        look_at_waiting_anew(pid);
        return true;
    }
    wanted.insert(wanted.end(), here.begin(), here.end());
    return news;
}

Result<bool> Hold::take_new(std::span<const pid_t> pids, std::uint64_t give_up_ns) {
    bool news = false;
    std::vector<Wanted> wanted;
    for (const pid_t pid : pids) {
        const auto some = take_new_of(pid, wanted);
        if (!some) {
            return some;
        }
        news = news || *some;
    }
    // Only now, so that nobody stands still while others are read of.
    const auto stopped = stop(std::move(wanted), give_up_ns);
    return stopped ? Result<bool>(news) : stopped;
}

// All are asked before the first is waited for.
Result<bool> Hold::stop(std::vector<Wanted> wanted, std::uint64_t give_up_ns) {
    std::ranges::stable_sort(wanted, {}, &Wanted::turn);
    std::vector<StoppedThread> threads;
    threads.reserve(wanted.size());
    if (!wanted.empty() && since_ns_ == 0) {
        since_ns_ = now_ns();
    }
    std::vector<pid_t> traced;
    traced.reserve(wanted.size() + stopped_.size());
    std::ranges::transform(wanted, std::back_inserter(traced), &Wanted::tid);
    std::ranges::transform(stopped_, std::back_inserter(traced), [](const auto& each) { return each.first; });
    std::optional<ReapingAlarm> reaping;
    if (!wanted.empty()) {
        reaping.emplace(traced);
    }
    for (const auto& [tid, filtered, turn] : wanted) {
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
    watched_.erase(tid);
    std::vector<Wanted> together;
    const Thread chosen = read_thread(pid, tid);
    together.push_back(wanted(pid, chosen));
    if (!addressed_traced_.contains(pid) && (together.back().turn == Turn::addressed || makes_processes(pid))) {
        look_at_waiting_anew(pid);
        for (const pid_t each : list_threads(pid)) {
            const Thread thread = each == tid || is_known(each) ? Thread{} : read_thread(pid, each);
            if (thread.tid == each && !thread.kernels && disturbance(thread) == made_again) {
                together.push_back(wanted(pid, thread));
            }
        }
    }
    const auto stopped = stop(std::move(together), now_ns() + patience_ns);
    if (!stopped) {
        return std::unexpected(stopped.error());
    }
    StoppedThread* const found = find(tid);
    if (found == nullptr) {
        return failure(fmt::format("make a call in thread {}", tid),
                       asked_.contains(tid) ? "it sleeps uninterruptibly" : "it has ended meanwhile");
    }
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
    // Those that a signal is addressed to first, those that would see it instead of them last.
    std::multimap<Turn, StoppedThread*> turns;
    for (auto& [tid, thread] : stopped_) {
        const bool addressed = addressed_traced_.contains(tid) || (!addressed_traced_.empty() && has_children(tid));
        turns.emplace(thread.made_again() ? Turn::waits : (addressed ? Turn::addressed : Turn::usual), &thread);
    }
    for (const auto& [turn, thread] : turns | std::views::reverse) {
        const Release released = thread->release();
        all.stood_still_ns = std::max(all.stood_still_ns, released.stood_still_ns);
        all.timeout_restarted = all.timeout_restarted || released.timeout_restarted;
    }
    stopped_.clear();
    asked_.clear();
    watched_.clear();
    addressed_traced_.clear();
    makes_processes_.clear();
    since_ns_ = 0;
    complete_ = false;
    return all;
}

}  // namespace inflight::act
