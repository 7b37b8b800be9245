// SPDX-License-Identifier: Apache-2.0
// What the model keeps of io_uring while a trace runs: rings, and cancels that wait for their explanation.
#pragma once

#include "model/queue.hpp"
#include "model/schedule.hpp"
#include "model/types.hpp"
#include "model/uring_abi.hpp"
#include "model/uring_announced.hpp"
#include "model/uring_history.hpp"
#include "model/uring_overflowed.hpp"
#include "model/uring_tracked.hpp"

#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace inflight::model::uring {

// One cancel attempt that has returned.
struct Attempt {
    Cancel cancel;              // as far as known
    std::uint64_t from_ns = 0;  // nothing that ended before can have been cancelled by it
    bool key_known = true;
    bool fd_fixed = false;
    FilePtr file;                  // that an FD key means, when known
    bool ret_known = true;         // false: it succeeded without a CQE
    std::uint64_t chain = 0;       // of a linked timeout: the request_id of the head of its chain
    std::uint64_t request_id = 0;  // of the cancel itself, when it is a request
    std::uint64_t expected = 1;    // requests that it cancelled, as the kernel says
    std::vector<TrackedPtr> taken;
    std::vector<TrackedPtr> finished;  // that its key names and that have ended, the taken ones too
    std::uint64_t deadline_ns = 0;
    std::uint64_t number = 0;  // in the order of their coming
    bool wants_look = false;
    bool looked = false;
};
using AttemptList = std::list<Attempt>;

// Finds the attempts that an end may concern: those with its user_data, or its chain, or any other key, that had not
// returned before it was submitted.
struct AttemptKey {
    enum class Kind : std::uint8_t { user_data, chain, other };
    Kind kind = Kind::other;
    std::uint64_t value = 0;  // 0 of other keys
    std::uint64_t end_ns = 0;
    std::uint64_t number = 0;
    auto operator<=>(const AttemptKey&) const = default;
};
[[nodiscard]] AttemptKey key_of(const Attempt& attempt);

// A request that a snapshot shows; two at one address are told apart by their times.
struct InFlightKey {
    std::uint64_t user_data = 0;
    std::uint64_t submit_ns = 0;
    std::uint64_t kernel_address = 0;
    auto operator<=>(const InFlightKey&) const = default;
};
[[nodiscard]] inline InFlightKey in_flight_key(const Request& request) {
    return {.user_data = request.user_data,
            .submit_ns = request.submit_ns.value_or(0),
            .kernel_address = request.kernel_address};
}

// Requests of a ring that ended, and it is not known how (yet). Each step takes logarithmic time.
class Unseen {
public:
    void add(const TrackedPtr& tracked) {
        const InFlightKey key = key_for(*tracked);
        by_end_.emplace(key, tracked);
        order_.push_back({key, tracked});
    }
    // Takes the first one with this user_data that was submitted before and ended after that time.
    [[nodiscard]] TrackedPtr take(std::uint64_t user_data, std::uint64_t time_ns) {
        auto each = by_end_.lower_bound({.user_data = user_data, .submit_ns = time_ns, .kernel_address = 0});
        for (unsigned looked = 0; looked < looked_at && each != by_end_.end() && each->first.user_data == user_data;
             looked++, ++each) {
            if (each->second->request.submit_ns.value_or(0) <= time_ns) {
                TrackedPtr tracked = std::move(each->second);
                by_end_.erase(each);
                return tracked;
            }
        }
        return nullptr;
    }
    // Also those that were taken.
    [[nodiscard]] bool empty() const { return order_.empty(); }
    [[nodiscard]] std::uint64_t first_ended_ns() const { return order_.front().first.submit_ns; }
    [[nodiscard]] TrackedPtr take_first() {
        auto [key, tracked] = order_.take_front();
        by_end_.erase(key);
        return std::move(tracked);
    }

private:
    static constexpr unsigned looked_at = 64;
    // The time is that of the end here.
    static InFlightKey key_for(const Tracked& tracked) {
        return {.user_data = tracked.request.user_data,
                .submit_ns = *tracked.request.complete_ns,
                .kernel_address = tracked.part->request_id};
    }

    std::map<InFlightKey, TrackedPtr> by_end_;
    Queue<std::pair<InFlightKey, TrackedPtr>> order_;
};

// What a cancel named beside the user_data. Of two requests with one user_data it may mean one only.
struct Address {
    std::uint64_t user_data = 0;
    std::optional<std::int32_t> fd;
    bool fixed = false;  // fd is an index of the ring's file table
    std::optional<std::uint8_t> opcode;
    auto operator<=>(const Address&) const = default;
};

struct Ring {
    explicit Ring(std::size_t history_limit) : history(history_limit) {}

    // The process that made it, 0: not known.
    [[nodiscard]] std::uint32_t maker() const { return part.owner_guessed ? 0 : context.pid; }

    // Its CQE stands in the ring, to be taken.
    struct Waiting {
        static constexpr std::uint32_t last = ~0U;
        std::uint32_t cq_tail = 0;
        std::uint32_t cqe = last;  // index in the part's cqes, or the one that ended it
        TrackedPtr tracked;
    };

    Context context;
    RingPart part;
    bool reported = false;  // at least one record about it has come
    bool existed = false;
    bool gone = false;
    std::optional<std::uint64_t> owner_gone_ns;
    std::uint64_t last_use_ns = 0;

    Queue<Waiting> waiting;                         // in the order of cq_tail
    std::multimap<std::uint64_t, TrackedPtr> held;  // not yet explained; by the time until which that may come
    Queue<TrackedPtr> explained;                    // of these, to be handed out
    Queue<TrackedPtr> unexplained;                  // cancelled by something that is not known (yet)
    Unseen unseen;
    Overflowed overflowed;
    Announced announced;
    std::map<InFlightKey, TrackedPtr> in_flight;  // as the last snapshot said
    History history;

    AttemptList attempts;  // in the order in which they came
    std::map<AttemptKey, AttemptList::iterator> attempts_by_key;
    std::map<std::pair<std::uint64_t, std::uint64_t>, AttemptList::iterator> attempts_by_deadline;  // and number
    std::uint64_t untold_ns = 0;              // until then ends were not told to all attempts that they may concern
    std::set<Address> addressed;              // what cancels named
    std::set<std::uint64_t> reuses_reported;  // user_data

    std::uint64_t due_ns = Schedule::never_ns;  // see UringTracker::schedule_
};

}  // namespace inflight::model::uring
