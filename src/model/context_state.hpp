// SPDX-License-Identifier: Apache-2.0
// What the model keeps of kernel AIO while a trace runs: contexts, and cancels that wait for their explanation. Each
// step takes logarithmic time in what is kept, also where a program gives all its requests one iocb.
#pragma once

#include "model/queue.hpp"
#include "model/schedule.hpp"
#include "model/types.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

namespace inflight::model::aio {

struct Tracked {
    std::shared_ptr<Request> request;
    std::optional<std::uint64_t> taken_ns;  // by an io_cancel that started then
    std::uint64_t number = 0;               // in the order of their ends
    bool handed_out = false;
};
using TrackedPtr = std::shared_ptr<Tracked>;

// An iocb address is used again, and so is a kernel address; both and the time of submission are one request.
struct RequestKey {
    std::uint64_t iocb = 0;
    std::uint64_t submit_ns = 0;
    std::uint64_t kernel_address = 0;
    auto operator<=>(const RequestKey&) const = default;
};

// Requests in flight, as a snapshot shows them.
class InFlightTable {
public:
    using Entries = std::map<RequestKey, TrackedPtr>;

    void add(TrackedPtr tracked);
    // Takes all that may be the same request. The kernel address of an fsync is known at its end only.
    void remove(const Request& request);
    // Takes the first submitted one that the event may be of.
    [[nodiscard]] TrackedPtr take(const ifl_io_event& event, std::uint64_t reaped_ns);
    [[nodiscard]] Entries& entries() { return entries_; }
    [[nodiscard]] const Entries& entries() const { return entries_; }
    [[nodiscard]] Entries::const_iterator first_of(std::uint64_t iocb) const {
        return entries_.lower_bound({iocb, 0, 0});
    }
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    void clear() { entries_.clear(); }

private:
    Entries entries_;
};

// Whether an event that was reaped then may be that of the request.
[[nodiscard]] bool may_be_event_of(const Request& request, const ifl_io_event& event, std::uint64_t reaped_ns);

// Completed requests whose events have not been seen to be reaped.
class Unreaped {
public:
    void add(const TrackedPtr& tracked) { entries_.emplace(key_of(*tracked), tracked); }
    // Takes the one that the event is of; of several the first that completed. nullptr: none is.
    [[nodiscard]] TrackedPtr take(const ifl_io_event& event, std::uint64_t reaped_ns);
    // False: it is not there any more.
    bool remove(const Tracked& tracked) { return entries_.erase(key_of(tracked)) != 0; }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Key {
        std::uint64_t iocb = 0;
        bool user_data_known = false;
        bool result_known = false;
        std::uint64_t user_data = 0;
        std::int64_t result = 0;
        std::uint64_t complete_ns = 0;
        std::uint64_t number = 0;
        auto operator<=>(const Key&) const = default;
    };
    [[nodiscard]] static Key key_of(const Tracked& tracked);

    std::map<Key, TrackedPtr> entries_;
};

struct EarlyReap {
    std::uint64_t time_ns = 0;
    std::uint64_t call_ns = 0;  // when the call began that took it
    std::uint64_t call_id = 0;
    ifl_io_event event{};
    std::uint32_t pid = 0;
};

// Events whose completion has not come.
class EarlyReaps {
public:
    void add(const EarlyReap& early);
    // Takes the first event that the request may have.
    [[nodiscard]] std::optional<EarlyReap> take(const Request& request);
    // Takes those that were reaped until then, in order of time.
    [[nodiscard]] std::vector<EarlyReap> take_until(std::uint64_t time_ns);
    [[nodiscard]] bool empty() const { return by_event_.empty(); }
    [[nodiscard]] std::size_t size() const { return by_event_.size(); }

private:
    struct Key {
        std::uint64_t iocb = 0;
        std::uint64_t user_data = 0;
        std::int64_t result = 0;
        std::uint64_t time_ns = 0;
        std::uint64_t number = 0;
        auto operator<=>(const Key&) const = default;
    };
    std::map<Key, EarlyReap> by_event_;
    std::uint64_t added_ = 0;
};

// What is known of one context; by inflight's number.
struct ContextState {
    Context context;
    bool existed = false;
    bool gone = false;
    std::uint64_t gone_ns = 0;
    Unreaped unreaped;
    Queue<TrackedPtr> completed_order;  // the same, oldest first, reaped ones too
    Queue<TrackedPtr> waiting;          // to be handed out, oldest first
    EarlyReaps early_reaps;
    // The last few finished requests of each iocb address, in two generations: when the younger is full, the older is
    // forgotten.
    std::map<std::uint64_t, std::vector<TrackedPtr>> history;
    std::map<std::uint64_t, std::vector<TrackedPtr>> older_history;
    InFlightTable in_flight;  // as the last snapshot said
    bool history_dropped = false;
    std::size_t cancels_pending = 0;
    std::uint64_t due_ns = Schedule::never_ns;
};

struct PendingCancel {
    ifl_call call{};
    Tier tier = Tier::none;
    std::uint64_t number = 0;  // in the order of the calls
    TrackedPtr taken;
    std::vector<TrackedPtr> finished;  // requests of that iocb that may be the target and have ended
};
using PendingList = std::list<PendingCancel>;

// Cancels of one context and iocb, by the time when they had returned.
struct PendingKey {
    std::uint64_t context_id = 0;
    std::uint64_t iocb = 0;
    std::uint64_t end_ns = 0;
    std::uint64_t number = 0;
    auto operator<=>(const PendingKey&) const = default;
};

}  // namespace inflight::model::aio
