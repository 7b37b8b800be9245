// SPDX-License-Identifier: Apache-2.0
// What the model keeps of io_uring while a trace runs: requests, rings, and cancels that wait for their explanation.
#pragma once

#include "model/types.hpp"
#include "model/uring_abi.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace inflight::model::uring {

struct Tracked {
    Request request;
    std::shared_ptr<UringPart> part;           // request.uring, which is written to until it is handed out
    std::shared_ptr<const Request> announced;  // as it was announced: what its completions refer to
    std::uint32_t flags = 0;                   // IFL_UREQ_*
    std::uint32_t cq_tail = 0;
    std::optional<std::uint64_t> taken_ns;  // by a cancel that started then
    std::uint64_t taken_by = 0;             // call_id or request_id of that cancel
    bool taken_by_timeout = false;          // ... which is a linked timeout
    bool ended = false;
    bool handed_out = false;
    bool awaits_notification = false;
};
using TrackedPtr = std::shared_ptr<Tracked>;

// The last finished requests of a ring, by user_data: four of each user_data, and as many in all as the limit says
// (or the next power of two). No allocation for each request: the oldest place is used again, chains link places by
// their number.
class History {
public:
    explicit History(std::size_t limit);

    void add(const TrackedPtr& tracked);

    // The youngest places first.
    template <typename Visit>
    void each_of(std::uint64_t user_data, Visit visit) const {
        if (places_.empty()) {
            return;
        }
        for (std::uint64_t number = heads_[bucket(user_data)]; alive(number); number = place(number).older) {
            const Place& each = place(number);
            if (each.user_data == user_data) {
                visit(each.tracked);
            }
        }
    }
    template <typename Visit>
    void each_recent(std::size_t count, Visit visit) const {
        for (std::uint64_t number = made_; alive(number) && count > 0; number--, count--) {
            visit(place(number).tracked);
        }
    }
    // Something was forgotten.
    [[nodiscard]] bool dropped() const { return dropped_; }

private:
    struct Place {
        TrackedPtr tracked;
        std::uint64_t user_data = 0;  // the request's: most that a chain passes are another's, and far away in memory
        std::uint64_t older = 0;      // number of the next of its chain
    };
    static constexpr unsigned kept_of_each = 4;

    void rehash(std::size_t buckets);  // a power of two
    [[nodiscard]] std::size_t bucket(std::uint64_t user_data) const {
        return (user_data * 0x9E3779B97F4A7C15U >> 32U) & (heads_.size() - 1);
    }
    [[nodiscard]] bool alive(std::uint64_t number) const { return number != 0 && number + limit_ > made_; }
    [[nodiscard]] const Place& place(std::uint64_t number) const { return places_[number & (limit_ - 1)]; }

    std::size_t limit_;                 // a power of two
    std::vector<Place> places_;         // number & (limit_ - 1)
    std::vector<std::uint64_t> heads_;  // youngest number of each bucket, 0: none
    std::uint64_t made_ = 0;            // the first number is 1
    bool dropped_ = false;
};

// A CQE that ends a request which the kernel did not name: the ring was full.
struct OverflowedEnd {
    ifl_uring_cqe record{};
    bool looked = false;  // a snapshot that was made after it did not explain it
};

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
    bool wants_look = false;
    bool looked = false;
};
using AttemptList = std::list<Attempt>;

struct Ring {
    explicit Ring(std::size_t history_limit) : history(history_limit) {}

    // Its CQE stands in the ring, to be taken.
    struct Waiting {
        std::uint32_t cq_tail = 0;
        TrackedPtr tracked;
        std::optional<std::size_t> cqe;  // index in the part's cqes; else the one that ended it
    };

    Context context;
    RingPart part;
    bool reported = false;  // at least one record about it has come
    bool existed = false;
    bool gone = false;
    std::optional<std::uint64_t> owner_gone_ns;
    std::uint64_t last_use_ns = 0;

    std::deque<Waiting> waiting;         // in the order of cq_tail
    std::deque<TrackedPtr> held;         // taken from the ring or never in it, not yet explained
    std::deque<TrackedPtr> unexplained;  // cancelled by something that is not known (yet)
    std::deque<TrackedPtr> unseen;       // ended, and it is not known how (yet)
    std::deque<OverflowedEnd> overflowed;
    std::unordered_multimap<std::uint64_t, TrackedPtr> announced;  // by user_data
    std::deque<TrackedPtr> announced_ended;                        // of these, until no CQE can be late any more
    std::unordered_multimap<std::uint64_t, TrackedPtr> in_flight;  // by user_data, as the last snapshot said
    History history;

    // Ends that were told already, from an overflowed CQE: address and time of submission.
    std::set<std::pair<std::uint64_t, std::uint64_t>> settled;
    std::deque<std::pair<std::uint64_t, std::uint64_t>> settled_order;

    AttemptList attempts;  // in the order in which they came
    std::unordered_multimap<std::uint64_t, AttemptList::iterator> attempts_by_user_data;
    std::vector<AttemptList::iterator> wide_attempts;   // whose key is not a user_data alone
    std::unordered_set<std::uint64_t> addressed;        // user_data of cancels
    std::unordered_set<std::uint64_t> reuses_reported;  // user_data
};

// -ECANCELED, or what a request returns whose worker was interrupted.
[[nodiscard]] bool interrupted(const Request& request);

// Sets outcome and cause from what is known by now.
void decide_outcome(Tracked& tracked);

[[nodiscard]] inline bool zero_copy(const Request& request) {
    return request.opcode == op_send_zc || request.opcode == op_sendmsg_zc;
}

[[nodiscard]] inline std::uint64_t chain_of(const Tracked& tracked) {
    return tracked.part->link_head != 0 ? tracked.part->link_head : tracked.part->request_id;
}

}  // namespace inflight::model::uring
