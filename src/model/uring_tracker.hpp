// SPDX-License-Identifier: Apache-2.0
// From io_uring's records to requests, completions, rings and cancels. No I/O, no clock. The Tracker owns one.
#pragma once

#include "model/known_names.hpp"
#include "model/queue.hpp"
#include "model/schedule.hpp"
#include "model/sink.hpp"
#include "model/uring_details.hpp"
#include "model/uring_state.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace inflight::model {

struct TrackerOptions;

class UringTracker {
public:
    // All three must outlive it.
    UringTracker(const TrackerOptions& options, const KnownNames& names, Sink& sink);
    ~UringTracker();
    UringTracker(const UringTracker&) = delete;
    UringTracker& operator=(const UringTracker&) = delete;

    void on_request(const ifl_uring_request& record);
    void on_cqe(const ifl_uring_cqe& record);
    void on_ring(const ifl_ring& record);
    void on_detail(const ifl_header& record) { details_.add(record); }
    // An io_uring call that has returned or is in progress; before take_details().
    void on_call(const ifl_call& record);
    void on_process_exit(const ifl_process_exit& record);
    void on_snapshot(const ifl_snapshot& record);

    // What the arguments of a call point at. One that is in progress keeps them.
    [[nodiscard]] std::vector<Detail> take_details(const ifl_call& record);

    void advance(std::uint64_t now_ns);
    // See Tracker.
    void each_in_flight(const std::function<void(const Request&)>& visit) const;
    void each_context(const std::function<void(const Context&)>& visit) const;
    [[nodiscard]] bool wants_snapshot() const { return !unlooked_.empty() || !looks_.empty(); }
    void finish(std::uint64_t end_ns);

    [[nodiscard]] std::uint64_t completions_unseen() const { return completions_unseen_; }
    [[nodiscard]] std::uint64_t submissions_unseen() const { return submissions_unseen_; }
    // Records that were left out because of the limits on rings and on requests in flight.
    [[nodiscard]] std::uint64_t records_left_out() const { return records_left_out_; }
    void note_losses() { losses_ = true; }

private:
    using Ring = uring::Ring;
    using Tracked = uring::Tracked;
    using TrackedPtr = uring::TrackedPtr;
    using Attempt = uring::Attempt;
    using AttemptList = uring::AttemptList;

    // nullptr: there are too many rings to know another one.
    [[nodiscard]] Ring* ring_of(std::uint64_t context_id);
    void note_time(std::uint64_t time_ns);
    void due(Ring& ring, std::uint64_t due_ns) { schedule_.at(ring.context.context_id, ring.due_ns, due_ns); }
    // Does what is due in this ring, and says when there is something again.
    void work_on(Ring& ring);
    [[nodiscard]] std::uint64_t next_due(const Ring& ring) const;
    void forget_unlooked(std::uint64_t time_ns);

    // rings
    void set_owner(Ring& ring, std::uint32_t pid);
    void end_ring(Ring& ring, std::uint64_t time_ns, std::uint64_t destroyed_ns);
    void retire_rings();
    void settle_leftovers(Ring& ring);

    // requests
    [[nodiscard]] TrackedPtr tracked_for(const ifl_uring_request& record);
    void keep_spare(TrackedPtr tracked);
    void fill(Tracked& tracked, const ifl_uring_request& record, const Ring& ring);
    void on_announced(const ifl_uring_request& record);
    void on_ended(const ifl_uring_request& record);
    void on_in_flight(const ifl_uring_request& record);
    static void take_new_user_data(Ring& ring, const Tracked& update);
    void remember(Ring& ring, const TrackedPtr& tracked, const ifl_uring_request* record);
    void settle(Ring& ring, const TrackedPtr& tracked);
    void check_reuse(Ring& ring, const Tracked& tracked);
    void see_head(Ring& ring, std::uint32_t head, std::uint32_t tail, std::uint64_t time_ns);
    void wait_for_reaping(Ring& ring, Ring::Waiting waiting);
    void let_go_first(Ring& ring);
    void let_go_waiting(Ring& ring, std::uint64_t completed_before_ns);
    void hand_out_or_hold(Ring& ring, TrackedPtr tracked);
    void note_explained(Ring& ring, const TrackedPtr& tracked);
    void hand_out(Tracked& tracked);
    void sweep(Ring& ring, bool all);

    // CQEs without a request
    [[nodiscard]] TrackedPtr request_of(Ring& ring, const ifl_uring_cqe& record) const;
    void attach(Ring& ring, const TrackedPtr& tracked, const ifl_uring_cqe& record, const Cqe& cqe);
    void hold_overflowed(Ring& ring, const ifl_uring_cqe& record);
    static void end_with(const TrackedPtr& tracked, const ifl_uring_cqe& record);
    [[nodiscard]] bool take_overflowed(Ring& ring, const TrackedPtr& tracked);
    void end_overflowed(Ring& ring, const TrackedPtr& tracked, const ifl_uring_cqe& record, bool only_one);
    void explain_overflowed(Ring& ring, std::uint64_t looked_ns);
    void end_nameless(Ring& ring, const ifl_uring_cqe& record);
    void emit_completion(const Ring& ring, const ifl_uring_cqe& record, const Cqe& cqe, const TrackedPtr& tracked);

    // cancels
    void try_cancel_request(Ring& ring, const TrackedPtr& tracked);
    void on_sync_cancel(const ifl_call& record);
    void start_attempt(Ring& ring, Attempt attempt);
    void claim(Ring& ring, Attempt& attempt);
    void take(Ring& ring, Attempt& attempt, const TrackedPtr& tracked);
    void tell_attempts(Ring& ring, const TrackedPtr& tracked);
    [[nodiscard]] static bool complete(const Attempt& attempt);
    void resolve(Ring& ring, AttemptList::iterator place);
    void resolve_due(Ring& ring, bool all);
    void forget_look(const Attempt& attempt);
    void note_look(std::uint64_t looked_ns);

    const TrackerOptions& options_;
    const KnownNames& names_;
    Sink& sink_;
    DetailStore details_;
    std::map<std::uint64_t, std::unique_ptr<Ring>> rings_;
    Ring* last_ring_ = nullptr;                                       // that was asked for
    Schedule schedule_;                                               // of rings
    std::set<std::pair<std::uint32_t, std::uint64_t>> rings_by_pid_;  // of owners, with the ring's number
    std::vector<std::uint64_t> shown_;                                // rings that have something `in_flight`
    std::map<std::uint64_t, TrackedPtr> announced_;                   // by request_id, until they end
    std::map<std::uint64_t, TrackedPtr> snapshot_;                    // in flight, until the record that ends it
    std::vector<TrackedPtr> spares_;                                  // of nothing, to be used again
    Queue<std::pair<std::uint64_t, std::uint64_t>> gone_order_;       // time, context id
    // Ends that were told already, from an overflowed CQE: address and time of submission. What is left in the table of
    // a ring that was closed comes when the ring may be forgotten here.
    std::set<std::pair<std::uint64_t, std::uint64_t>> settled_;
    Queue<std::pair<std::uint64_t, std::uint64_t>> settled_order_;
    std::multiset<std::uint64_t> unlooked_;  // times of what is `overflowed`, and no snapshot was made after it
    std::uint64_t last_look_ns_ = 0;         // when the last snapshot began
    struct Look {
        Ring* ring = nullptr;
        AttemptList::iterator attempt;
    };
    std::map<std::pair<std::uint64_t, std::uint64_t>, Look> looks_;  // by end and number of the attempt
    std::uint64_t attempts_ = 0;                                     // so far
    std::size_t waiting_ = 0;                                        // in all rings
    std::uint64_t now_ns_ = 0;
    std::uint64_t completions_unseen_ = 0;
    std::uint64_t submissions_unseen_ = 0;
    std::uint64_t records_left_out_ = 0;
    bool final_look_ = false;
    bool losses_ = false;
};

}  // namespace inflight::model
