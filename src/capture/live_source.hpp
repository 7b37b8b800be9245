// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/waiting.hpp"
#include "capture/found_descriptors.hpp"
#include "capture/late_requests.hpp"
#include "capture/record_buffers.hpp"
#include "capture/sorter.hpp"
#include "capture/source.hpp"
#include "capture/uring_tables.hpp"
#include "contract/census.h"
#include "model/losses.hpp"
#include "probe/loader.hpp"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace inflight::capture {

struct LiveOptions {
    std::uint64_t blocked_ns = 100'000'000;  // calls in progress that long are reported once
    bool places_wanted = false;              // on which list of io_uring requests in flight stand, in each snapshot
};

// Drains the kernel side's buffers and reads its tables. Not thread-safe.
class LiveSource final : public RecordSource {
public:
    [[nodiscard]] static Result<std::unique_ptr<LiveSource>> open(probe::Probes probes, LiveOptions options);
    ~LiveSource() override;

    // Whether this request, which a snapshot showed, is in flight at this moment. Takes about a microsecond.
    [[nodiscard]] bool is_in_flight(const model::Request& request) const;
    // The struct file that it works on, 0: none, or not known.
    [[nodiscard]] std::uint64_t file_of(const model::Request& request) const;
    // The struct io_ring_ctx of each ring that is there, by inflight's number.
    [[nodiscard]] std::unordered_map<std::uint64_t, std::uint64_t> ring_addresses() const;
    // For questions about files and rings; valid as long as this object.
    [[nodiscard]] probe::Held held() const { return probe::Held(probes_.held_programs()); }
    LiveSource(const LiveSource&) = delete;
    LiveSource& operator=(const LiveSource&) = delete;

    Result<std::size_t> pump(Consumer& consumer) override;
    // Empties the buffers and hands out nothing: what keeps the consumer busy for long must not cost records. May be
    // called while a consumer is given a record.
    void read_on() { drain_some(); }
    // Detaches the hooks and reads what is left in the tables. Before the programs: the trace ends when this is called.
    Result<void> finish(Consumer& consumer, Ending ending) override;
    [[nodiscard]] model::Losses losses() const override;

    [[nodiscard]] const probe::Report& report() const { return probes_.report(); }
    [[nodiscard]] int pids_fd() const { return probes_.pids_fd(); }

    // What was read and is older than records may be late, but was not handed over in the time that one pump() has.
    [[nodiscard]] bool behind() const override { return behind_; }

private:
    // What may be done once a signal has come that ends inflight; what is not handed over by then is told as lost.
    static constexpr std::uint64_t hurry_ns = 20'000'000;

    LiveSource(probe::Probes probes, LiveOptions options);
    void find_descriptors();
    void add(const ifl_header& record, Sorter::Maker maker = Sorter::Maker::reader) {
        found_.pass(record, [this, maker](const ifl_header& each) { sorter_.add(each, maker); });
    }
    std::size_t drain_some();
    // All that there is now, unless a signal came and the time is over.
    void drain();
    Result<void> survey_to_the_end();
    Result<void> wait_for_dying_rings();
    void hand_over_the_rest(Consumer& consumer);
    // `all`: also what takes a system call for each program to find out.
    void tell_of_losses(Consumer& consumer, bool all);
    Result<void> take_snapshot(bool final);
    Result<void> take_census();
    void report_blocked_calls();
    void read_contexts();
    void read_contexts_of_dead();
    void read_rings(const std::unordered_map<std::uint64_t, ifl_ring>& at_end);
    [[nodiscard]] std::vector<ifl_counters> read_counters() const;
    void bury_rings(std::uint64_t closed_before_ns);
    void on_buffered(const ifl_header& record);

    probe::Probes probes_;
    MappedArray<ifl_request_entry> request_slots_;
    MappedArray<ifl_call_entry> call_slots_;
    UringTables uring_;
    LiveOptions options_;
    RecordBuffers buffers_;
    Sorter sorter_;
    FoundDescriptors found_;
    std::vector<std::array<std::uint64_t, IFL_KIND_COUNT>> delivered_;   // by CPU
    std::unordered_map<std::uint32_t, std::uint64_t> reported_blocked_;  // tid -> call_id
    std::unordered_map<std::uint64_t, ifl_tally> tallies_;               // of AIO contexts, in this look
    std::uint64_t last_snapshot_ns_ = 0;
    std::uint64_t last_blocked_ns_ = 0;
    std::uint64_t records_malformed_ = 0;
    std::uint64_t end_ns_ = 0;  // of the trace, where the programs go on after it
    bool detaching_ = false;
    bool behind_ = false;
    Hurry hurry_{hurry_ns};
    std::uint64_t requests_not_told_ = 0;  // that were in flight at the end
    std::uint64_t rings_not_looked_at_ = 0;
    LateRequests late_;
    std::vector<ifl_counters> counters_at_end_;
    bool finished_ = false;                             // what was not delivered will not be
    std::unordered_set<std::uint32_t> context_owners_;  // processes that have, or had, a context
    struct Death {
        std::uint32_t pid = 0;
        std::uint64_t time_ns = 0;
    };
    std::unordered_map<std::uint32_t, std::uint64_t> deaths_;  // of owners, since the last drain, and when
    struct ClosedRing {
        std::uint64_t ring = 0;
        std::uint64_t context_id = 0;
        std::uint64_t time_ns = 0;
        std::uint64_t buried_ns = 0;  // 0: not yet
    };
    std::deque<ClosedRing> rings_to_bury_;  // closed rings whose last records have not been delivered yet
    std::uint64_t next_survey_ns_ = 0;
    model::Losses losses_told_;
    std::uint64_t counted_lost_ = 0;  // at the last look at the counters
    std::uint64_t last_loss_look_ns_ = 0;
    bool rings_seen_ = false;           // before that there is nothing to look at
    std::deque<Death> deaths_to_bury_;  // their contexts' entries are to be removed
};

// CLOCK_MONOTONIC, the clock of the records.
[[nodiscard]] std::uint64_t monotonic_ns();

}  // namespace inflight::capture
