// SPDX-License-Identifier: Apache-2.0
// What the model keeps of io_uring while a trace runs: rings, and cancels that wait for their explanation.
#pragma once

#include "model/types.hpp"
#include "model/uring_abi.hpp"
#include "model/uring_history.hpp"
#include "model/uring_tracked.hpp"

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

}  // namespace inflight::model::uring
