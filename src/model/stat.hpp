// SPDX-License-Identifier: Apache-2.0
// What the kernel side counted for `inflight stat` and `inflight hist`, as differences between looks at its tables. No
// I/O, no clock: the tables are given. Nothing here is thread-safe.
#pragma once

#include "contract/stat.h"
#include "model/types.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::model {

// Latencies in nanoseconds, in the buckets of contract/stat.h.
class StatHistogram {
public:
    void add(std::size_t bucket, std::uint64_t count) { buckets_.at(bucket) += count; }
    void add(const StatHistogram& other);

    [[nodiscard]] std::uint64_t count() const;
    // The upper end of the bucket that holds the quantile (0 < q <= 1): never too small, and too large by at most
    // 1/16 of it (6.3 %). nullopt without any latency. `max_ns` is the exact largest, which it never passes.
    [[nodiscard]] std::optional<std::uint64_t> quantile_ns(double q, std::uint64_t max_ns) const;
    [[nodiscard]] std::span<const std::uint64_t> buckets() const { return buckets_; }

    [[nodiscard]] static std::size_t bucket_of(std::uint64_t latency_ns);
    [[nodiscard]] static std::uint64_t lower_ns(std::size_t bucket);
    // Exclusive; the last bucket has no end but this.
    [[nodiscard]] static std::uint64_t upper_ns(std::size_t bucket) { return lower_ns(bucket + 1); }

private:
    std::array<std::uint64_t, IFL_STAT_BUCKETS> buckets_{};
};

struct StatCounters {
    std::uint64_t bytes = 0;      // of reads, writes, sends and receives: the sum of their positive results
    std::uint64_t max_ns = 0;     // exact
    std::uint64_t failed = 0;     // negative result other than ECANCELED
    std::uint64_t cancelled = 0;  // ECANCELED, or a cancelled AIO poll
    std::uint64_t untimed = 0;    // ended, latency not known: their submission was not seen
    std::uint64_t unseen = 0;     // ended, and no hook saw how
    std::uint64_t more = 0;       // CQEs of requests that went on
    StatHistogram latency;

    // Requests that ended.
    [[nodiscard]] std::uint64_t ended() const { return latency.count() + untimed + unseen; }
    [[nodiscard]] bool empty() const { return ended() == 0 && more == 0; }
    void add(const StatCounters& other);
};

enum class StatBy : std::uint8_t { op, pid, comm, file, context, outcome };
[[nodiscard]] std::string_view name(StatBy by);
[[nodiscard]] std::optional<StatBy> stat_by_name(std::string_view text);

inline constexpr std::array stat_way_names =
    std::to_array<std::string_view>({"async_cancel", "poll_remove", "timeout_remove", "sync_cancel", "io_cancel"});
// What each of them said; what it did to its target is the verdict of `inflight trace`.
inline constexpr std::array stat_answer_names =
    std::to_array<std::string_view>({"cancelled", "not-found", "running", "refused", "other-error"});
static_assert(stat_way_names.size() == IFL_STAT_WAYS && stat_answer_names.size() == IFL_STAT_ANSWERS);
using StatCancels = std::array<std::array<std::uint64_t, IFL_STAT_ANSWERS>, IFL_STAT_WAYS>;

struct StatKey {
    Family family = Family::aio;
    std::string name;  // "pread", "fio[1234]", "/data/db", "ring 5 of fio[1234]", ...
    std::optional<std::uint32_t> pid;
    std::string comm;
    std::uint32_t host_pid = 0;  // the machine's number, where `pid` is of a pid namespace; 0: the same
};

struct StatLine {
    StatKey key;
    StatCounters counters;
    std::optional<std::uint64_t> in_flight;  // nullopt: not known by this key
    std::uint64_t oldest_ns = 0;             // of those in flight, when it began; 0: none
};

// What could not be counted as it should, and what is not about requests. Of a span of time or of all so far, as the
// frame that has it.
struct StatNotes {
    std::uint64_t untracked = 0;         // requests that no table took: not counted
    std::uint64_t unmatched = 0;         // ended, were submitted before the hooks or unseen: counted without latency
    bool unmatched_known = true;         // false with a filter of processes: nobody knows whose they were
    std::uint64_t unseen = 0;            // ended without an event
    std::uint64_t overflowed = 0;        // last CQEs that found the CQ ring full
    std::uint64_t more_unknown = 0;      // CQEs of multishot requests that name no request: not counted by key
    std::uint64_t notifications = 0;     // of zero-copy sends
    std::uint64_t keys_full = 0;         // requests whose key found no row
    std::uint64_t refused = 0;           // AIO: iocbs that io_submit refused; no requests
    std::uint64_t programs_skipped = 0;  // times that the kernel did not run a program
    StatCancels cancels{};
};

struct StatFrame {
    StatBy by = StatBy::op;
    bool whole_run = false;  // else one interval
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;
    std::vector<StatLine> lines;  // most requests first
    StatLine all;
    std::uint64_t may_have_ended = 0;  // of those in flight: a success of theirs leaves no event
    StatNotes notes;
};

// The kernel side's tables as they stand in memory.
struct StatTables {
    std::span<const ifl_stat_row> rows;
    std::span<const ifl_stat_slot> slots;
    std::vector<ifl_stat_slot> collided;
    std::span<const ifl_stat_label> labels;
    std::map<std::uint32_t, std::string> file_names;  // by row
    ifl_stat_shared shared{};
    ifl_stat_config config{};
    bool ops_known_late = false;  // AIO by tracepoints: the operation shows at the end
    std::uint64_t programs_skipped = 0;
    std::uint64_t time_ns = 0;
};

class StatTally {
public:
    // What is in the tables already does not count.
    explicit StatTally(const StatTables& begin);

    // What has come since the last look. `parity` says which of the two maxima of a row belongs to that time.
    [[nodiscard]] StatFrame look(const StatTables& tables, unsigned parity);
    // Since the constructor, up to the last look.
    [[nodiscard]] StatFrame whole() const;

private:
    [[nodiscard]] StatCounters take(const StatTables& tables, std::uint32_t row, unsigned parity);

    std::vector<ifl_stat_row> before_;  // as rows: which only grow, and wrap
    std::map<std::uint32_t, StatLine> total_;
    StatNotes notes_before_;
    StatNotes notes_at_start_;
    StatFrame last_;
    std::uint64_t start_ns_ = 0;
};

}  // namespace inflight::model
