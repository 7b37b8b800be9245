// SPDX-License-Identifier: Apache-2.0
#include "act/cancelling.hpp"

#include "act/ring.hpp"
#include "act/stopped_thread.hpp"
#include "act/target.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace inflight::act {
namespace {

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

// No signal ends this process, and no timer is late, while a thread of another waits for it.
class SignalsHeld {
public:
    SignalsHeld() {
        ::prctl(PR_SET_TIMERSLACK, 1UL);  // the pauses between two looks are short
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsHeld() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
    SignalsHeld(const SignalsHeld&) = delete;
    SignalsHeld& operator=(const SignalsHeld&) = delete;

private:
    sigset_t before_{};
};

// Threads of a process that stand still; they go on when this goes.
class Held {
public:
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() {
        Answer ignored;
        let_go(ignored);
    }

    Result<void> add(pid_t tid) {
        auto asked = StoppedThread::ask(tid);
        if (!asked) {
            return std::unexpected(asked.error());
        }
        threads_.emplace_back(tid, std::move(*asked));
        return threads_.back().second.wait();
    }
    // All, those too that are made meanwhile.
    Result<void> add_all(pid_t pid) {
        for (bool found = true; found;) {
            found = false;
            auto target = Target::look(pid);
            if (!target) {
                return std::unexpected(target.error());
            }
            const std::size_t held = threads_.size();
            for (const Thread& thread : target->threads()) {
                if (find(thread.tid) != nullptr) {
                    continue;
                }
                // One that has ended in between is none to be held.
                if (auto asked = StoppedThread::ask(thread.tid)) {
                    threads_.emplace_back(thread.tid, std::move(*asked));
                    found = true;
                } else if (std::filesystem::exists(fmt::format("/proc/{}/task/{}", pid, thread.tid))) {
                    return std::unexpected(asked.error());
                }
            }
            for (std::size_t next = held; next < threads_.size(); next++) {
                if (auto stopped = threads_[next].second.wait(); !stopped && !threads_[next].second.ended()) {
                    return stopped;
                }
            }
        }
        return {};
    }
    [[nodiscard]] StoppedThread* find(pid_t tid) {
        const auto found = std::ranges::find(threads_, tid, [](const auto& each) { return each.first; });
        return found == threads_.end() ? nullptr : &found->second;
    }
    void let_go(Answer& answer) {
        answer.threads_stopped = static_cast<unsigned>(threads_.size());
        std::vector<pid_t> killed;
        for (auto& [tid, thread] : threads_) {
            const Release released = thread.release();
            if (released.killed) {
                killed.push_back(tid);
            }
            answer.stood_still_ns = std::max(answer.stood_still_ns, released.stood_still_ns);
            answer.timeout_restarted = answer.timeout_restarted || released.timeout_restarted;
        }
        threads_.clear();
        bury(std::move(killed));
    }

private:
    // Its parent learns of its end only when whoever traced it has. A main thread can be waited for when the others
    // were.
    static void bury(std::vector<pid_t> killed) {
        for (int look = 0; look < 100 && !killed.empty(); look++) {
            std::erase_if(killed, [](pid_t tid) { return ::waitpid(tid, nullptr, __WALL | WNOHANG) != 0; });
            const timespec pause{.tv_sec = 0, .tv_nsec = killed.empty() ? 0 : 1'000'000};
            ::nanosleep(&pause, nullptr);
        }
    }

    std::vector<std::pair<pid_t, StoppedThread>> threads_;
};

// All are to be held, and one that sleeps uninterruptibly cannot be: the others would stand still for it. Most sleep so
// for a moment only.
Result<void> none_sleeps(Target target) {
    for (int look = 0; look < 20; look++) {
        const auto sleeping = std::ranges::find(target.threads(), 'D', &Thread::state);
        if (sleeping == target.threads().end()) {
            return {};
        }
        const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
        ::nanosleep(&pause, nullptr);
        auto again = Target::look(target.pid());
        if (!again) {
            return std::unexpected(again.error());
        }
        target = std::move(*again);
    }
    return failure(fmt::format("hold all threads of process {}", target.pid()),
                   "one of them sleeps uninterruptibly (state D)", "try again later");
}

template <typename Call>
Result<Answer> measured(Answer answer, const Call& call) {
    answer.tried = true;
    answer.start_ns = now_ns();
    const Result<long> ret = call();
    answer.call_ns = now_ns() - answer.start_ns;
    if (!ret) {
        return std::unexpected(ret.error());
    }
    answer.ret = *ret;
    return answer;
}

Result<Answer> cancel_on_ring(const Order& order, pid_t living) {
    const auto ring = ForeignRing::open(order.pid, living, order.ring_fd);
    if (!ring) {
        return std::unexpected(ring.error());
    }
    Held held;
    if (order.hold_all) {
        if (auto stopped = held.add_all(order.pid); !stopped) {
            return std::unexpected(stopped.error());
        }
        if (order.sq_thread && !ring->all_taken()) {
            return failure(fmt::format("cancel in process {}", order.pid),
                           "its SQ thread, which cannot be held, has submissions to take: the call might meet one",
                           "try again later, or choose --no-stop");
        }
    }
    Result<Answer> answer = Answer{};
    if (order.still_in_flight()) {
        // What stands still cannot end: then the call must not wait for it.
        answer = measured(
            {}, [&]() -> Result<long> { return ring->cancel(order.user_data, order.hold_all ? 0 : order.timeout_ns); });
    }
    if (answer) {
        held.let_go(*answer);
    }
    return answer;
}

// The first of `candidates` whose seccomp filters let the call pass; it stands still then. tid 0: there is none, and
// `refusal` says what stands in the way at the first.
struct Chosen {
    pid_t tid = 0;
    std::string refusal;
};
Result<Chosen> choose_thread(Held& held, bool all_held, const std::vector<pid_t>& candidates, const ForeignCall& call) {
    Chosen chosen;
    for (const pid_t tid : candidates) {
        StoppedThread* thread = held.find(tid);
        if (thread == nullptr && !all_held && held.add(tid)) {
            thread = held.find(tid);
        }
        if (thread == nullptr || thread->ended()) {
            continue;
        }
        const auto allowed = thread->may_make(call);
        if (allowed) {
            return Chosen{.tid = tid, .refusal = {}};
        }
        if (chosen.refusal.empty()) {
            chosen.refusal = allowed.error().message();
        }
    }
    if (chosen.refusal.empty()) {
        return failure("make a call in the process", "its threads have ended meanwhile");
    }
    return chosen;
}

Result<Answer> cancel_by_injection(const Order& order, const std::vector<pid_t>& candidates) {
    Held held;
    if (auto stopped = held.add(candidates.front()); !stopped) {
        return std::unexpected(stopped.error());
    }
    if (order.hold_all) {
        if (auto stopped = held.add_all(order.pid); !stopped) {
            return std::unexpected(stopped.error());
        }
    }
    const auto bytes = sync_cancel_order(order.user_data, 0);
    const ForeignCall call =
        order.aio ? ForeignCall{.number = SYS_io_cancel, .arguments = {order.ctx_id, order.iocb}, .memory = {}}
                  : ForeignCall{.number = SYS_io_uring_register,
                                .arguments = {static_cast<std::uint64_t>(order.ring_fd), register_sync_cancel,
                                              ForeignCall::at_memory, 1},
                                .memory = bytes};
    const auto chosen = choose_thread(held, order.hold_all, candidates, call);
    if (!chosen) {
        return std::unexpected(chosen.error());
    }
    Result<Answer> answer = Answer{.refusal = chosen->refusal};
    if (chosen->refusal.empty() && order.still_in_flight()) {
        StoppedThread& thread = *held.find(chosen->tid);
        answer = measured({.thread = chosen->tid}, [&] { return thread.make(call); });
    }
    if (answer) {
        held.let_go(*answer);
    }
    return answer;
}

}  // namespace

Result<Answer> cancel(const Order& order) {
    const auto target = Target::look(order.pid);
    if (!target) {
        return std::unexpected(target.error());
    }
    if (!order.aio && order.ring_fd < 0) {
        return failure(fmt::format("cancel in process {}", order.pid), "the descriptor of its ring is not known",
                       "the program may have closed it after it registered it");
    }
    if (order.hold_all) {
        if (auto still = none_sleeps(*target); !still) {
            return std::unexpected(still.error());
        }
    }
    if (order.way == Way::ring) {
        if (order.hold_all) {
            if (auto allowed = target->may_be_stopped(); !allowed) {
                return std::unexpected(allowed.error());
            }
        }
        const SignalsHeld signals;
        return cancel_on_ring(order, target->threads().front().tid);
    }
    if (auto allowed = target->may_be_stopped(); !allowed) {
        return std::unexpected(allowed.error());
    }
    const auto candidates = target->threads_for_call(order.only_thread);
    if (!candidates) {
        return std::unexpected(candidates.error());
    }
    const SignalsHeld signals;
    return cancel_by_injection(order, *candidates);
}

}  // namespace inflight::act
