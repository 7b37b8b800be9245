// SPDX-License-Identifier: Apache-2.0
#include "model/stat.hpp"

#include "catalog/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

#include "model/known_names.hpp"

namespace inflight::model {

namespace {

constexpr std::array by_names = std::to_array<std::string_view>({"op", "pid", "comm", "file", "context", "outcome"});
// A cancelled request and one that its context or process left behind both end with ECANCELED.
constexpr std::array row_outcome_names =
    std::to_array<std::string_view>({"completed", "failed", "cancelled or abandoned", "(not known)"});
constexpr std::uint64_t slot_open = 1;

Family family_of_row(std::uint32_t row, const StatTables& tables) {
    if (tables.config.by == IFL_STAT_BY_OP || tables.config.by == IFL_STAT_BY_OUTCOME) {
        return row < IFL_STAT_AIO_ROWS ? Family::uring : Family::aio;
    }
    if (row < IFL_STAT_FIRST_KEY_ROW) {
        return row == IFL_STAT_ROW_OTHERS_URING ? Family::uring : Family::aio;
    }
    return tables.labels[row].key.family != 0 ? Family::aio : Family::uring;
}

std::string name_of_op(std::uint32_t row) {
    if (row == IFL_STAT_OP_OTHER) {
        return fmt::format("op {} and on", IFL_STAT_OP_OTHER);
    }
    if (row < IFL_STAT_AIO_ROWS) {
        return catalog::opcode_name("uring", row);
    }
    switch (row - IFL_STAT_AIO_ROWS) {
        case IFL_STAT_AIO_READ:
            return "pread or preadv";
        case IFL_STAT_AIO_WRITE:
            return "pwrite or pwritev";
        case IFL_STAT_AIO_FSYNC:
            return "fsync or fdsync";
        case IFL_STAT_AIO_UNKNOWN:
            return "unknown";
        default:
            return catalog::opcode_name("aio", row - IFL_STAT_AIO_ROWS);
    }
}

// "fio[1234]"; "fio[host:1234]" of a process that is not visible in our pid namespace.
std::string name_of_process(const ifl_stat_label& label) {
    const bool elsewhere = IFL_IS_ELSEWHERE(label.pid);
    return fmt::format("{}[{}{}]", comm_of(label.comm), elsewhere ? "host:" : "",
                       elsewhere ? label.pid & ~IFL_ID_ELSEWHERE : label.pid);
}

std::string name_of_context(const ifl_stat_label& label, Family family) {
    const auto owner = name_of_process(label);
    if (family == Family::aio) {
        return fmt::format("{:#x} of {}", label.ctx_id, owner);
    }
    // A ring that was there before has no descriptor that we know.
    return label.ctx_id == ~std::uint64_t{0} ? fmt::format("ring of {}", owner)
                                             : fmt::format("ring {} of {}", label.ctx_id, owner);
}

StatKey key_of(std::uint32_t row, const StatTables& tables) {
    StatKey key{.family = family_of_row(row, tables), .name = {}, .pid = {}, .comm = {}, .host_pid = 0};
    const auto by = tables.config.by;
    if (by == IFL_STAT_BY_OP) {
        key.name = name_of_op(row);
        return key;
    }
    if (by == IFL_STAT_BY_OUTCOME) {
        const auto outcome = row % IFL_STAT_AIO_ROWS;
        key.name = outcome < row_outcome_names.size() ? std::string(row_outcome_names.at(outcome)) : "?";
        return key;
    }
    if (row < IFL_STAT_FIRST_KEY_ROW) {
        key.name = "(not known)";
        return key;
    }
    const auto& label = tables.labels[row];
    if (by == IFL_STAT_BY_FILE) {
        const auto file = tables.file_names.find(row);
        key.name = file == tables.file_names.end() || label.key.words[0] == 0 ? "(no file)" : file->second;
        return key;
    }
    key.comm = comm_of(label.comm);
    if (by == IFL_STAT_BY_COMM) {
        key.name = key.comm;
        return key;
    }
    key.pid = label.pid;
    key.host_pid = label.host_pid;
    key.name = by == IFL_STAT_BY_PID ? name_of_process(label) : name_of_context(label, key.family);
    return key;
}

std::uint64_t sum_of_unseen(const StatTables& tables) {
    return std::accumulate(tables.rows.begin(), tables.rows.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const ifl_stat_row& row) { return sum + row.unseen; });
}

StatNotes notes_of(const StatTables& tables) {
    const auto& shared = tables.shared;
    StatNotes notes{.untracked = shared.untracked,
                    .unmatched = shared.unmatched,
                    .unmatched_known = tables.config.filtered == 0,
                    .unseen = sum_of_unseen(tables),
                    .overflowed = shared.overflowed,
                    .more_unknown = shared.more_unknown,
                    .notifications = shared.notifications,
                    .keys_full = shared.keys_full,
                    .refused = shared.refused,
                    .programs_skipped = tables.programs_skipped,
                    .cancels = {}};
    for (std::size_t way = 0; way < IFL_STAT_WAYS; way++) {
        for (std::size_t answer = 0; answer < IFL_STAT_ANSWERS; answer++) {
            notes.cancels.at(way).at(answer) = shared.cancels[way][answer];
        }
    }
    return notes;
}

StatNotes difference(const StatNotes& now, const StatNotes& before) {
    StatNotes notes = now;
    for (auto count : {&StatNotes::untracked, &StatNotes::unmatched, &StatNotes::unseen, &StatNotes::overflowed,
                       &StatNotes::more_unknown, &StatNotes::notifications, &StatNotes::keys_full, &StatNotes::refused,
                       &StatNotes::programs_skipped}) {
        notes.*count -= before.*count;
    }
    for (std::size_t way = 0; way < IFL_STAT_WAYS; way++) {
        for (std::size_t answer = 0; answer < IFL_STAT_ANSWERS; answer++) {
            notes.cancels.at(way).at(answer) -= before.cancels.at(way).at(answer);
        }
    }
    return notes;
}

struct InFlight {
    std::uint64_t count = 0;
    std::uint64_t oldest_ns = 0;
};

struct OpenRequests {
    std::map<std::uint32_t, InFlight> rows;
    InFlight all;
    std::uint64_t may_have_ended = 0;
};

OpenRequests open_requests(const StatTables& tables) {
    OpenRequests open;
    const auto add = [](InFlight& to, const ifl_stat_slot& slot) {
        to.count += 1 + ((slot.flags & IFL_STAT_SLOT_DOUBLED) != 0 ? slot.mark : 0);
        to.oldest_ns = to.oldest_ns == 0 ? slot.start_ns : std::min<std::uint64_t>(to.oldest_ns, slot.start_ns);
    };
    const auto look = [&](const ifl_stat_slot& slot) {
        if ((slot.tag & slot_open) == 0) {
            return;
        }
        add(open.rows[slot.row], slot);
        add(open.all, slot);
        open.may_have_ended += (slot.flags & IFL_STAT_SLOT_SKIP) != 0 ? 1U : 0U;
    };
    std::ranges::for_each(tables.slots, look);
    std::ranges::for_each(tables.collided, look);
    return open;
}

bool known_while_in_flight(std::uint32_t row, const StatTables& tables) {
    if (tables.config.by == IFL_STAT_BY_FILE || tables.config.by == IFL_STAT_BY_OUTCOME) {
        return false;
    }
    return !(tables.config.by == IFL_STAT_BY_OP && tables.ops_known_late && row >= IFL_STAT_AIO_ROWS);
}

std::uint32_t rows_in_use(const StatTables& tables) {
    const bool fixed = tables.config.by == IFL_STAT_BY_OP || tables.config.by == IFL_STAT_BY_OUTCOME;
    return fixed ? tables.config.rows : std::min(tables.config.rows, tables.shared.rows_used + IFL_STAT_FIRST_KEY_ROW);
}

}  // namespace

std::string_view name(StatBy by) {
    return by_names.at(static_cast<std::size_t>(by));
}

std::optional<StatBy> stat_by_name(std::string_view text) {
    const auto* const found = std::ranges::find(by_names, text);
    return found == by_names.end() ? std::nullopt : std::optional(static_cast<StatBy>(found - by_names.begin()));
}

void StatHistogram::add(const StatHistogram& other) {
    std::ranges::transform(buckets_, other.buckets_, buckets_.begin(), std::plus{});
}

std::uint64_t StatHistogram::count() const {
    return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

std::optional<std::uint64_t> StatHistogram::quantile_ns(double q, std::uint64_t max_ns) const {
    const auto all = count();
    if (all == 0) {
        return std::nullopt;
    }
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(all))));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); bucket++) {
        seen += buckets_.at(bucket);
        if (seen >= rank) {
            return bucket + 1 == buckets_.size() ? max_ns : std::min(upper_ns(bucket) - 1, max_ns);
        }
    }
    return max_ns;
}

std::size_t StatHistogram::bucket_of(std::uint64_t latency_ns) {
    constexpr std::uint64_t exact = std::uint64_t{1} << IFL_STAT_SUB_BITS;
    if (latency_ns < exact) {
        return latency_ns;
    }
    if (latency_ns >> IFL_STAT_MAX_BITS != 0) {
        return IFL_STAT_BUCKETS - 1;
    }
    const auto shift = static_cast<unsigned>(std::bit_width(latency_ns)) - 1 - IFL_STAT_SUB_BITS;
    return shift * exact + (latency_ns >> shift);
}

std::uint64_t StatHistogram::lower_ns(std::size_t bucket) {
    constexpr std::size_t exact = std::size_t{1} << IFL_STAT_SUB_BITS;
    if (bucket < exact) {
        return bucket;
    }
    return (exact + bucket % exact) << (bucket / exact - 1);
}

void StatCounters::add(const StatCounters& other) {
    bytes += other.bytes;
    max_ns = std::max(max_ns, other.max_ns);
    failed += other.failed;
    cancelled += other.cancelled;
    untimed += other.untimed;
    unseen += other.unseen;
    more += other.more;
    latency.add(other.latency);
}

StatTally::StatTally(const StatTables& begin)
    : before_(begin.rows.begin(), begin.rows.end()),
      notes_before_(notes_of(begin)),
      notes_at_start_(notes_before_),
      start_ns_(begin.time_ns) {
    last_.end_ns = begin.time_ns;
    last_.by = static_cast<StatBy>(begin.config.by);
}

StatCounters StatTally::take(const StatTables& tables, std::uint32_t row, unsigned parity) {
    StatCounters counters;
    const std::size_t copies = std::size_t{IFL_STAT_LANES} * tables.config.cpus;
    for (std::size_t copy = 0; copy < copies; copy++) {
        const std::size_t index = copy * tables.config.rows + row;
        const ifl_stat_row& now = tables.rows[index];
        ifl_stat_row& before = before_.at(index);
        counters.max_ns = std::max<std::uint64_t>(counters.max_ns, now.max_ns[parity & 1U]);
        const auto grown = [&](std::uint64_t StatCounters::* to, ifl_u64 ifl_stat_row::* from) {
            const std::uint64_t value = now.*from;
            counters.*to += value - before.*from;
            before.*from = value;
        };
        grown(&StatCounters::bytes, &ifl_stat_row::bytes);
        grown(&StatCounters::failed, &ifl_stat_row::failed);
        grown(&StatCounters::cancelled, &ifl_stat_row::cancelled);
        grown(&StatCounters::untimed, &ifl_stat_row::untimed);
        grown(&StatCounters::unseen, &ifl_stat_row::unseen);
        grown(&StatCounters::more, &ifl_stat_row::more);
        for (std::size_t bucket = 0; bucket < IFL_STAT_BUCKETS; bucket++) {
            const std::uint32_t value = now.buckets[bucket];
            if (value != before.buckets[bucket]) {
                counters.latency.add(bucket, static_cast<std::uint32_t>(value - before.buckets[bucket]));
                before.buckets[bucket] = value;
            }
        }
    }
    return counters;
}

StatFrame StatTally::look(const StatTables& tables, unsigned parity) {
    StatFrame frame;
    frame.by = static_cast<StatBy>(tables.config.by);
    frame.start_ns = last_.end_ns;
    frame.end_ns = tables.time_ns;
    const auto open = open_requests(tables);
    frame.all.in_flight = open.all.count;
    frame.all.oldest_ns = open.all.oldest_ns;
    // A CQE that overflowed names no request; which one it was shows when its memory is used again.
    const auto& shared = tables.shared;
    const auto overflowed = shared.overflowed - std::min(shared.overflowed, shared.unseen_unasked);
    frame.may_have_ended = std::min<std::uint64_t>(open.all.count, open.may_have_ended + overflowed);
    for (std::uint32_t row = 0; row < rows_in_use(tables); row++) {
        StatLine line;
        line.counters = take(tables, row, parity);
        const auto waiting = open.rows.find(row);
        auto total = total_.find(row);
        if (line.counters.empty() && waiting == open.rows.end() && total == total_.end()) {
            continue;
        }
        line.key = key_of(row, tables);
        if (known_while_in_flight(row, tables)) {
            line.in_flight = waiting == open.rows.end() ? 0 : waiting->second.count;
            line.oldest_ns = waiting == open.rows.end() ? 0 : waiting->second.oldest_ns;
        }
        frame.all.counters.add(line.counters);
        if (total == total_.end()) {
            total = total_.emplace(row, StatLine{}).first;
        }
        total->second.key = line.key;
        total->second.in_flight = line.in_flight;
        total->second.oldest_ns = line.oldest_ns;
        total->second.counters.add(line.counters);
        if (!line.counters.empty() || line.in_flight.value_or(0) != 0) {
            frame.lines.push_back(std::move(line));
        }
    }
    std::ranges::stable_sort(frame.lines, std::ranges::greater{},
                             [](const StatLine& line) { return line.counters.ended(); });
    const auto notes = notes_of(tables);
    frame.notes = difference(notes, notes_before_);
    notes_before_ = notes;
    last_ = frame;
    return frame;
}

StatFrame StatTally::whole() const {
    StatFrame frame;
    frame.by = last_.by;
    frame.whole_run = true;
    frame.start_ns = start_ns_;
    frame.end_ns = last_.end_ns;
    frame.may_have_ended = last_.may_have_ended;
    frame.all.in_flight = last_.all.in_flight;
    frame.all.oldest_ns = last_.all.oldest_ns;
    for (const auto& [row, line] : total_) {
        frame.lines.push_back(line);
        frame.all.counters.add(line.counters);
    }
    std::ranges::stable_sort(frame.lines, std::ranges::greater{},
                             [](const StatLine& line) { return line.counters.ended(); });
    frame.notes = difference(notes_before_, notes_at_start_);
    return frame;
}

}  // namespace inflight::model
