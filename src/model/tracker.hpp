// SPDX-License-Identifier: Apache-2.0
// From records to requests, cancels, contexts and findings. No I/O, no clock: time is what the records say.
#pragma once

#include "model/context_state.hpp"
#include "model/known_names.hpp"
#include "model/sink.hpp"
#include "model/uring_tracker.hpp"
#include "model/verdicts.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace inflight::model {

struct TrackerOptions {
    std::uint32_t events_wanted = 0;  // bit per ifl_syscall: which calls become events
    std::uint64_t slow_submit_ns = 10'000'000;
    std::uint64_t blocked_ns = 100'000'000;  // a call in progress this long is shown while it blocks
    // A completed request is handed out when it is reaped, or at the latest after this long.
    std::uint64_t reap_wait_ns = 1'000'000'000;
    // iocb addresses whose last requests are remembered, per context, to explain a later cancel.
    std::size_t history_limit = 1U << 16U;
    std::uint64_t aio_max_nr = 0;
    // Rings, and contexts, that are known at once. Records about others are left out, and counted.
    std::size_t contexts_limit = 1U << 16U;
};

// Feed it records in order of time (a little disorder between CPUs does no harm). Not thread-safe.
class Tracker {
public:
    // `sink` must outlive the tracker.
    Tracker(TrackerOptions options, Sink& sink);
    ~Tracker();
    Tracker(const Tracker&) = delete;
    Tracker& operator=(const Tracker&) = delete;

    void on_record(const ifl_header& record);

    // Nothing older than this will come: hands out what has waited long enough.
    void advance(std::uint64_t now_ns);

    // True when a cancel can only be explained by what is in flight now: the source should take a snapshot.
    [[nodiscard]] bool wants_snapshot() const { return !pending_.empty() || uring_.wants_snapshot(); }

    // What the last snapshot showed in flight and has not been seen to end since, in no order. For who looks right
    // after the record that ends a snapshot.
    void each_in_flight(const std::function<void(const Request&)>& visit) const;
    // Contexts and rings that are there, as far as they are known.
    void each_context(const std::function<void(const Context&)>& visit) const;

    // The end of the trace, after the final snapshot: everything that is left is handed out.
    void finish(std::uint64_t end_ns);

    // What the model itself knows to be missing; the counters of the kernel side are the source's.
    [[nodiscard]] std::uint64_t completions_unseen() const { return completions_unseen_ + uring_.completions_unseen(); }
    [[nodiscard]] std::uint64_t submissions_unseen() const { return submissions_unseen_ + uring_.submissions_unseen(); }
    // Records that were left out because there were more rings, contexts or requests in flight than it keeps.
    [[nodiscard]] std::uint64_t records_left_out() const { return records_left_out_ + uring_.records_left_out(); }

    // Tells that records were lost, so that no verdict claims more than it can.
    void note_losses() {
        losses_ = true;
        uring_.note_losses();
    }

private:
    using Tracked = aio::Tracked;
    using TrackedPtr = aio::TrackedPtr;
    using EarlyReap = aio::EarlyReap;
    using ContextState = aio::ContextState;
    using PendingCancel = aio::PendingCancel;
    using PendingList = aio::PendingList;

    struct PartialEvent {
        std::vector<std::pair<std::uint32_t, ifl_iocb>> iocbs;  // by their place in the call
        std::vector<ifl_io_event> returned;
        std::uint64_t time_ns = 0;
    };

    void on_request(const ifl_request& record);
    void on_in_flight(const ifl_request& record);
    void on_snapshot(const ifl_snapshot& record);
    void on_call(const ifl_call& record);
    void on_iocbs(const ifl_iocbs& record);
    void on_io_events(const ifl_io_events& record);
    void on_context(const ifl_context& record);
    void on_process_exit(const ifl_process_exit& record);

    [[nodiscard]] Request request_from(const ifl_request& record) const;
    static void decide_outcome(Tracked& tracked);
    // nullptr: there are too many contexts to know another one.
    [[nodiscard]] ContextState* context_of(std::uint64_t context_id);
    void index(const ContextState& state);
    void unindex(const ContextState& state);
    void bury(ContextState& state, std::uint64_t time_ns);
    [[nodiscard]] static bool take_early_reap(ContextState& context, Request& request);
    void reap(ContextState& context, const EarlyReap& reap);
    void hand_out(Tracked& tracked);
    void remember(ContextState& context, const TrackedPtr& tracked);
    [[nodiscard]] static std::vector<TrackedPtr> finished_of(const ContextState& context, std::uint64_t address);
    void tell_pending(const TrackedPtr& tracked);
    void forget_oldest_unreaped(ContextState& context);
    void forget_history(ContextState& context);
    void hand_out_waiting(ContextState& context, std::uint64_t completed_before_ns);
    void resolve_early_reaps(ContextState& context, std::uint64_t older_than_ns);
    void retire_contexts(std::uint64_t now_ns);
    PartialEvent& partial_of(std::uint64_t call_id, std::uint64_t time_ns);
    void forget_partial(std::map<std::uint64_t, PartialEvent>::iterator place);
    void forget_old_partial();

    void emit_event(const ifl_call& record);
    void check_submit(const ifl_call& record);
    void check_setup(const ifl_call& record);

    [[nodiscard]] static bool could_have_taken(const ifl_call& call, const Request& request);
    void claim_taken(PendingCancel& pending);
    [[nodiscard]] KnownContext explain_context(const ifl_call& call) const;
    void add_pending(PendingCancel pending);
    void resolve(PendingCancel& pending);
    void resolve(PendingList::iterator place);
    void resolve_pending(std::uint64_t taken_ns, bool final);
    void explain_accepted(ContextState& context, bool final);
    [[nodiscard]] static bool decidable_at_once(const ifl_call& call);

    TrackerOptions options_;
    Sink& sink_;
    KnownNames names_;
    UringTracker uring_{options_, names_, sink_};
    std::map<std::uint64_t, std::unique_ptr<ContextState>> contexts_;
    Schedule schedule_;  // of contexts
    // Those that are there: (pid, number), and (ctx_id, pid, number).
    std::set<std::pair<std::uint32_t, std::uint64_t>> contexts_by_pid_;
    std::set<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>> contexts_by_ctx_id_;
    std::vector<std::uint64_t> shown_;                           // contexts that have something `in_flight`
    Queue<std::pair<std::uint64_t, std::uint64_t>> gone_order_;  // time, context id
    using GraveName = std::pair<std::uint32_t, std::uint64_t>;   // pid, ctx_id
    struct Grave {
        std::uint64_t destroyed_ns = 0;
        std::uint64_t number = 0;
    };
    std::map<GraveName, Grave> graves_;                // of contexts that are gone
    std::map<std::uint64_t, GraveName> graves_order_;  // by number
    std::uint64_t graves_made_ = 0;
    std::map<std::uint64_t, PartialEvent> partial_;
    Queue<std::pair<std::uint64_t, std::uint64_t>> partial_order_;  // time, call id
    std::size_t partial_parts_ = 0;                                 // iocbs and events in all of them
    PendingList pending_;                                           // in the order of the calls
    std::map<aio::PendingKey, PendingList::iterator> pending_by_iocb_;
    // Refused ones, by the time when they had returned, and number: the next snapshot explains them.
    std::map<std::pair<std::uint64_t, std::uint64_t>, PendingList::iterator> refused_;
    std::uint64_t cancels_ = 0;                            // so far
    std::uint64_t untold_ns_ = 0;                          // until then ends were not told to all of `pending_`
    std::map<std::uint64_t, std::uint64_t> slow_submits_;  // call ids that were found while they blocked
    aio::InFlightTable snapshot_;                          // until the record that ends the snapshot
    std::uint64_t ended_ = 0;                              // requests so far
    std::size_t unreaped_ = 0;                             // in all contexts
    std::size_t remembered_ = 0;                           // in all histories
    std::uint64_t records_left_out_ = 0;
    std::uint64_t now_ns_ = 0;
    std::uint64_t completions_unseen_ = 0;
    std::uint64_t submissions_unseen_ = 0;
    bool losses_ = false;
};

}  // namespace inflight::model
