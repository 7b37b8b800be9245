// SPDX-License-Identifier: Apache-2.0
#include "act/cancelling.hpp"

#include "act/helper.hpp"
#include "act/hold.hpp"
#include "act/one_at_a_time.hpp"
#include "act/ring.hpp"
#include "act/stopped_thread.hpp"
#include "act/target.hpp"
#include "act/tracing.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <map>
#include <memory>
#include <utility>

namespace inflight::act {
namespace {

// A program stands still for about this long at once, whatever is to be done; but where it takes long until all of its
// threads stand still, some orders at least are carried out then.
constexpr std::uint64_t longest_stand_ns = 40'000'000;
constexpr std::uint64_t least_work_ns = 10'000'000;
// How long threads that a stop would disturb may take until none of them runs.
constexpr std::uint64_t hold_patience_ns = 1'000'000'000;

void sleep_ns(std::uint64_t ns) {
    const timespec pause{.tv_sec = 0, .tv_nsec = static_cast<long>(std::min<std::uint64_t>(ns, 999'999'999))};
    ::nanosleep(&pause, nullptr);
}

// The orders for one process, from the first look at it until it goes on.
class Session {
public:
    Session(std::span<const Order> orders, const std::function<bool()>& orphaned)
        : orders_(orders), answers_(orders.size()), orphaned_(orphaned) {}

    std::vector<Result<Answer>> run() {
        if (auto prepared = prepare(); !prepared) {
            return std::vector<Result<Answer>>(orders_.size(), std::unexpected(prepared.error()));
        }
        for (std::size_t next = 0; next < orders_.size() && !orphaned_();) {
            next = stand_once(next);
        }
        std::vector<Result<Answer>> all;
        all.reserve(answers_.size());
        for (auto& answer : answers_) {
            all.push_back(answer
                              ? std::move(*answer)
                              : failure(fmt::format("cancel in process {}", pid()), "inflight was killed meanwhile"));
        }
        return all;
    }

private:
    [[nodiscard]] pid_t pid() const { return orders_.front().pid; }

    Result<void> prepare() {
        auto target = Target::look(pid());
        if (!target) {
            return std::unexpected(target.error());
        }
        target_.emplace(std::move(*target));
        living_ = target_->threads().front().tid;
        auto lock = OneAtATime::enter(pid());
        if (!lock) {
            return std::unexpected(lock.error());
        }
        lock_.emplace(std::move(*lock));
        held_pids_.push_back(pid());
        for (std::size_t each = 0; each < orders_.size(); each++) {
            const Order& order = orders_[each];
            if (auto possible = check(order); !possible) {
                answers_[each] = std::unexpected(possible.error());
                continue;
            }
            for (const pid_t holder : order.hold_all ? order.holders : std::vector<pid_t>{}) {
                if (std::ranges::find(held_pids_, holder) == held_pids_.end()) {
                    held_pids_.push_back(holder);
                }
            }
        }
        return {};
    }

    // What can be known before anything is touched.
    Result<void> check(const Order& order) {
        if (!order.aio && order.ring_fd < 0) {
            return failure(fmt::format("cancel in process {}", order.pid), "the descriptor of its ring is not known",
                           "the program may have closed it after it registered it");
        }
        if (order.hold_all || order.way == Way::inject) {
            if (auto allowed = target_->may_be_stopped(); !allowed) {
                return allowed;
            }
            for (const pid_t holder : order.holders) {
                const auto other = Target::look(holder);
                if (!other) {
                    continue;  // it is gone, and submits nothing
                }
                if (auto allowed = other->may_be_stopped(); !allowed) {
                    return allowed;
                }
            }
        }
        if (order.way == Way::inject) {
            if (auto candidates = find_candidates(order.only_thread); !candidates) {
                return candidates;
            }
        }
        return order.aio ? Result<void>{} : open_ring(order);
    }

    // Most threads sleep uninterruptibly, or in what a stop would cut short, for a moment only.
    Result<void> find_candidates(pid_t only_thread) {
        constexpr int most_looks = 20;
        constexpr std::uint64_t between_looks_ns = 5'000'000;
        for (int looks = 0;; looks++) {
            auto found = target_->threads_for_call(only_thread);
            if (found) {
                candidates_[only_thread] = std::move(*found);
                return {};
            }
            if (looks == most_looks) {
                return std::unexpected(found.error());
            }
            sleep_ns(between_looks_ns);
            auto again = Target::look(pid());
            if (!again) {
                return std::unexpected(again.error());
            }
            target_.emplace(std::move(*again));
        }
    }

    Result<void> open_ring(const Order& order) {
        auto& ring = rings_[order.ring_fd];
        if (ring) {
            return {};
        }
        if (order.way == Way::inject && !order.check_ring) {
            return {};
        }
        auto opened = ForeignRing::open(order.pid, living_, order.ring_fd);
        if (!opened) {
            return std::unexpected(opened.error());
        }
        if (order.check_ring) {
            if (auto right = order.check_ring(opened->fd()); !right) {
                return right;
            }
        }
        ring = std::make_unique<ForeignRing>(std::move(*opened));
        return {};
    }

    // Carries out orders from `first` on while the process stands still. Returns the first that is left.
    std::size_t stand_once(std::size_t first) {
        hold_.emplace();
        std::size_t next = first;
        std::uint64_t began_ns = 0;
        for (; next < orders_.size() && !orphaned_(); next++) {
            if (answers_[next]) {
                continue;
            }
            if (began_ns != 0 && hold_->standing_ns() > longest_stand_ns && now_ns() - began_ns > least_work_ns) {
                break;
            }
            answers_[next] = carry_out(orders_[next]);
            began_ns = began_ns == 0 ? now_ns() : began_ns;
        }
        const unsigned stopped = hold_->threads_stopped();
        const Release released = hold_->let_go();
        for (std::size_t each = first; each < next; each++) {
            if (answers_[each] && *answers_[each] && (*answers_[each])->threads_stopped == 0) {
                Answer& answer = **answers_[each];
                answer.threads_stopped = stopped;
                answer.stood_still_ns = released.stood_still_ns;
                answer.timeout_restarted = released.timeout_restarted && answer.thread != 0;
            }
        }
        if (next < orders_.size()) {
            // inflight may have the greater priority: the program gets its turn.
            sleep_ns(released.stood_still_ns);
        }
        return next;
    }

    Result<void> hold_for(const Order& order) {
        if (!order.hold_all) {
            return {};
        }
        if (!held_) {
            return std::unexpected(held_.error());
        }
        held_ = hold_->all(held_pids_, hold_patience_ns);
        if (held_ && order.held_anew) {
            order.held_anew();
        }
        return held_;
    }

    // The last look, and the call if it may be made then.
    template <typename Call>
    Result<Answer> look_and_call(const Order& order, Answer answer, const Call& call) {
        constexpr int most_tries = 10;
        for (int tries = 0; tries < most_tries; tries++) {
            if (tries != 0) {
                if (auto held = hold_for(order); !held) {
                    return std::unexpected(held.error());
                }
            }
            if (!order.still_in_flight()) {
                return answer;
            }
            if (order.hold_all && !hold_->still()) {
                continue;
            }
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
        return failure(fmt::format("cancel in process {}", pid()), "its threads run again and again",
                       "try again, or choose --no-stop");
    }

    Result<Answer> carry_out(const Order& order) {
        if (!hold_->complete()) {
            if (auto held = hold_for(order); !held) {
                return std::unexpected(held.error());
            }
        }
        return order.way == Way::ring ? cancel_on_ring(order) : cancel_by_injection(order);
    }

    Result<Answer> cancel_on_ring(const Order& order) {
        const ForeignRing& ring = *rings_.at(order.ring_fd);
        if (order.hold_all && order.sq_thread && !ring.all_taken()) {
            return failure(fmt::format("cancel in process {}", order.pid),
                           "its SQ thread, which cannot be held, has submissions to take: the call might meet one",
                           "try again later, or choose --no-stop");
        }
        Match match{.user_data = order.user_data, .opcode = order.opcode};
        UniqueFd file;
        if (order.request_fd) {
            auto taken = take_descriptor(order.pid, living_, *order.request_fd);
            if (!taken) {
                return std::unexpected(taken.error());
            }
            file = std::move(*taken);
            match.fd = file.get();
        }
        // What stands still cannot end: then the call must not wait for it.
        const std::uint64_t timeout_ns = order.hold_all ? 0 : order.timeout_ns;
        return look_and_call(order, {}, [&]() -> Result<long> { return ring.cancel(match, timeout_ns); });
    }

    // The descriptor's number still is the ring that was looked at.
    Result<void> is_still_the_ring(const Order& order) {
        const auto& ring = rings_[order.ring_fd];
        if (order.aio || !ring) {
            return {};
        }
        const auto now = take_descriptor(order.pid, living_, order.ring_fd);
        if (!now) {
            return std::unexpected(now.error());
        }
        if (!is_same_file(now->get(), ring->fd()).value_or(true)) {
            return failure(fmt::format("cancel in process {}", order.pid),
                           fmt::format("its descriptor {} is of another file by now", order.ring_fd),
                           "look again: inflight ls");
        }
        return {};
    }

    Result<Answer> cancel_by_injection(const Order& order) {
        const Match match{.user_data = order.user_data, .opcode = order.opcode, .fd = order.request_fd};
        const auto bytes = sync_cancel_order(match, 0);
        const ForeignCall call =
            order.aio ? ForeignCall{.number = SYS_io_cancel, .arguments = {order.ctx_id, order.iocb}, .memory = {}}
                      : ForeignCall{.number = SYS_io_uring_register,
                                    .arguments = {static_cast<std::uint64_t>(order.ring_fd), register_sync_cancel,
                                                  ForeignCall::at_memory, 1},
                                    .memory = bytes};
        const auto chosen = choose_thread(order, call);
        if (!chosen) {
            return std::unexpected(chosen.error());
        }
        if (chosen->tid == 0) {
            return Answer{.refusal = chosen->refusal};
        }
        if (!hold_->complete()) {
            if (auto held = hold_for(order); !held) {
                return std::unexpected(held.error());
            }
        }
        if (auto right = is_still_the_ring(order); !right) {
            return std::unexpected(right.error());
        }
        return look_and_call(order, {.thread = chosen->tid}, [&]() -> Result<long> {
            StoppedThread* const thread = hold_->find(chosen->tid);
            if (thread == nullptr || thread->ended()) {
                return failure(fmt::format("make a call in thread {}", chosen->tid), "it has ended meanwhile");
            }
            return thread->make(call);
        });
    }

    // The first candidate that would make the call as it is; it stands still then. tid 0: there is none, and `refusal`
    // says what stands in the way at the first.
    struct Chosen {
        pid_t tid = 0;
        std::string refusal;
    };
    Result<Chosen> choose_thread(const Order& order, const ForeignCall& call) {
        Chosen chosen;
        for (const pid_t tid : candidates_.at(order.only_thread)) {
            const auto thread = hold_->one(pid(), tid);
            if (!thread || (*thread)->ended()) {
                if (!thread && chosen.refusal.empty() && !has_ended(tid)) {
                    chosen.refusal = thread.error().message();
                }
                continue;
            }
            const auto allowed = (*thread)->may_make(call);
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

    std::span<const Order> orders_;
    std::vector<std::optional<Result<Answer>>> answers_;
    const std::function<bool()>& orphaned_;
    std::optional<Target> target_;
    pid_t living_ = 0;
    std::optional<OneAtATime> lock_;
    std::vector<pid_t> held_pids_;
    std::map<int, std::unique_ptr<ForeignRing>> rings_;  // by their descriptor in the process
    std::map<pid_t, std::vector<pid_t>> candidates_;     // by Order::only_thread
    std::optional<Hold> hold_;
    Result<void> held_;  // an error is the answer to all orders that are left
};

std::string pack(const std::vector<Result<Answer>>& answers) {
    Packer packer;
    for (const auto& answer : answers) {
        packer.number(answer ? 1 : 0);
        if (!answer) {
            packer.text(answer.error().what);
            packer.text(answer.error().why);
            packer.text(answer.error().hint);
            continue;
        }
        packer.text(answer->refusal);
        for (const std::uint64_t each :
             {std::uint64_t{answer->tried}, static_cast<std::uint64_t>(answer->ret), answer->start_ns, answer->call_ns,
              static_cast<std::uint64_t>(answer->thread), std::uint64_t{answer->threads_stopped},
              answer->stood_still_ns, std::uint64_t{answer->timeout_restarted}}) {
            packer.number(each);
        }
    }
    return packer.take();
}

Result<Answer> unpack_one(Unpacker& unpacker) {
    if (unpacker.number() == 0) {
        Error error;
        error.what = unpacker.text();
        error.why = unpacker.text();
        error.hint = unpacker.text();
        return std::unexpected(error);
    }
    Answer answer;
    answer.refusal = unpacker.text();
    answer.tried = unpacker.number() != 0;
    answer.ret = static_cast<std::int64_t>(unpacker.number());
    answer.start_ns = unpacker.number();
    answer.call_ns = unpacker.number();
    answer.thread = static_cast<pid_t>(unpacker.number());
    answer.threads_stopped = static_cast<unsigned>(unpacker.number());
    answer.stood_still_ns = unpacker.number();
    answer.timeout_restarted = unpacker.number() != 0;
    return answer;
}

}  // namespace

std::vector<Result<Answer>> cancel(std::span<const Order> orders, const std::function<void()>& meanwhile) {
    if (orders.empty()) {
        return {};
    }
    const auto packed = run_in_helper(
        [orders](const std::function<bool()>& orphaned) { return pack(Session(orders, orphaned).run()); }, meanwhile);
    if (!packed) {
        return std::vector<Result<Answer>>(orders.size(), std::unexpected(packed.error()));
    }
    Unpacker unpacker(*packed);
    std::vector<Result<Answer>> answers;
    answers.reserve(orders.size());
    for (const Order& order : orders) {
        auto answer = unpack_one(unpacker);
        answers.push_back(unpacker.complete() ? std::move(answer)
                                              : failure(fmt::format("cancel in process {}", order.pid),
                                                        "the process that did it ended early"));
    }
    return answers;
}

Result<Answer> cancel(const Order& order) {
    return cancel(std::span(&order, 1), [] {}).front();
}

}  // namespace inflight::act
