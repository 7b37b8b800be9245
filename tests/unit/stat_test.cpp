// SPDX-License-Identifier: Apache-2.0
#include "model/stat.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

namespace inflight::model {
namespace {

constexpr std::uint64_t open_bit = 1;

// The kernel side's tables, as a test fills them.
struct Tables {
    explicit Tables(ifl_stat_by by = IFL_STAT_BY_OP, std::uint32_t row_count = IFL_STAT_FIXED_ROWS,
                    std::uint32_t cpus = 2)
        : rows(std::size_t{IFL_STAT_LANES} * cpus * row_count), slots(8), labels(row_count) {
        config.rows = row_count;
        config.cpus = cpus;
        config.by = by;
    }
    ifl_stat_row& at(std::uint32_t row, std::uint32_t cpu = 0, ifl_stat_lane lane = IFL_STAT_LANE_COMPLETE) {
        return rows.at((lane * config.cpus + cpu) * config.rows + row);
    }
    void end(std::uint32_t row, std::uint64_t latency_ns, std::uint32_t cpu = 0) {
        auto& counters = at(row, cpu);
        counters.buckets[StatHistogram::bucket_of(latency_ns)]++;
        counters.max_ns[0] = std::max<std::uint64_t>(counters.max_ns[0], latency_ns);
    }
    [[nodiscard]] StatTables read(std::uint64_t time_ns) const {
        StatTables tables;
        tables.rows = rows;
        tables.slots = slots;
        tables.labels = labels;
        tables.shared = shared;
        tables.config = config;
        tables.collided = collided;
        tables.file_names = file_names;
        tables.ops_known_late = ops_known_late;
        tables.time_ns = time_ns;
        return tables;
    }
    std::vector<ifl_stat_row> rows;
    std::vector<ifl_stat_slot> slots;
    std::vector<ifl_stat_slot> collided;
    std::vector<ifl_stat_label> labels;
    std::map<std::uint32_t, std::string> file_names;
    ifl_stat_shared shared{};
    ifl_stat_config config{};
    bool ops_known_late = false;
};

// A word has 64 bits, and io_uring has more operations than that.
TEST(StatOps, TellOperationsApartThatDoNotFitOneWord) {
    ifl_op_set ops{};
    ifl_add_op(&ops, 0);
    ifl_add_op(&ops, 64);
    EXPECT_TRUE(ifl_has_op(&ops, 0) && ifl_has_op(&ops, 64));
    for (const unsigned other : {1U, 63U, 65U, 126U, 127U, 128U, 192U, 255U}) {
        EXPECT_FALSE(ifl_has_op(&ops, static_cast<std::uint8_t>(other))) << other;
    }
    ifl_add_op(&ops, 200);
    for (const unsigned last : {127U, 128U, 200U, 255U}) {
        EXPECT_TRUE(ifl_has_op(&ops, static_cast<std::uint8_t>(last))) << last;
    }
    EXPECT_FALSE(ifl_has_op(&ops, 126));
}

TEST(StatHistogram, BucketsFollowEachOther) {
    for (std::size_t bucket = 0; bucket < IFL_STAT_BUCKETS; bucket++) {
        EXPECT_EQ(StatHistogram::bucket_of(StatHistogram::lower_ns(bucket)), bucket);
        EXPECT_EQ(StatHistogram::bucket_of(StatHistogram::upper_ns(bucket) - 1), bucket);
    }
    EXPECT_EQ(StatHistogram::upper_ns(IFL_STAT_BUCKETS - 1), std::uint64_t{1} << IFL_STAT_MAX_BITS);
    EXPECT_EQ(StatHistogram::bucket_of(std::numeric_limits<std::uint64_t>::max()), IFL_STAT_BUCKETS - 1U);
}

TEST(StatHistogram, HasNoQuantileWithoutARequest) {
    EXPECT_EQ(StatHistogram{}.quantile_ns(0.5, 0), std::nullopt);
}

TEST(StatHistogram, QuantilesAreNeverTooSmallAndAtMostOne16thTooLarge) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> latencies(10, 2.5);
    std::vector<std::uint64_t> values;
    StatHistogram histogram;
    for (int i = 0; i < 20'000; i++) {
        values.push_back(static_cast<std::uint64_t>(latencies(random)));
        histogram.add(StatHistogram::bucket_of(values.back()), 1);
    }
    std::ranges::sort(values);
    for (const double q : {0.0001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
        const auto exact = values.at(rank - 1);
        const auto got = histogram.quantile_ns(q, values.back()).value_or(0);
        EXPECT_GE(got, exact) << q;
        EXPECT_LE(got, exact + exact / 16) << q;
    }
    EXPECT_EQ(histogram.quantile_ns(1, values.back()), values.back());
}

TEST(StatTally, AddsUpCpusAndLanesAndSortsByRequests) {
    Tables tables;
    StatTally tally(tables.read(1000));
    tables.end(0, 100, 0);
    tables.end(22, 200, 0);
    tables.end(22, 300, 1);
    tables.at(22, 1, IFL_STAT_LANE_REST).untimed = 2;
    tables.at(22, 1, IFL_STAT_LANE_REST).bytes = 512;
    tables.at(22, 0).bytes = 4096;
    tables.at(22, 0).failed = 1;
    const auto frame = tally.look(tables.read(2000), 0);
    ASSERT_EQ(frame.lines.size(), 2U);
    EXPECT_EQ(frame.lines[0].key.name, "read");
    EXPECT_EQ(frame.lines[0].key.family, Family::uring);
    EXPECT_EQ(frame.lines[0].counters.ended(), 4U);
    EXPECT_EQ(frame.lines[0].counters.bytes, 4608U);
    EXPECT_EQ(frame.lines[0].counters.failed, 1U);
    EXPECT_EQ(frame.lines[0].counters.max_ns, 300U);
    EXPECT_EQ(frame.lines[1].key.name, "nop");
    EXPECT_EQ(frame.all.counters.ended(), 5U);
    EXPECT_EQ(frame.start_ns, 1000U);
    EXPECT_EQ(frame.end_ns, 2000U);
}

TEST(StatTally, EachLookHasOnlyWhatIsNewAndTheWholeHasAll) {
    Tables tables;
    tables.end(0, 50);
    StatTally tally(tables.read(1000));
    tables.end(0, 100);
    EXPECT_EQ(tally.look(tables.read(2000), 0).all.counters.ended(), 1U);
    tables.at(0).max_ns[0] = 0;
    tables.at(0).max_ns[1] = 70;
    tables.at(0).buckets[StatHistogram::bucket_of(70)] += 3;
    const auto second = tally.look(tables.read(3000), 1);
    EXPECT_EQ(second.all.counters.ended(), 3U);
    EXPECT_EQ(second.all.counters.max_ns, 70U);
    EXPECT_TRUE(tally.look(tables.read(4000), 0).lines.empty());
    const auto whole = tally.whole();
    EXPECT_TRUE(whole.whole_run);
    EXPECT_EQ(whole.all.counters.ended(), 4U);
    EXPECT_EQ(whole.all.counters.max_ns, 100U);
    EXPECT_EQ(whole.start_ns, 1000U);
    EXPECT_EQ(whole.end_ns, 4000U);
}

TEST(StatTally, BucketsMayWrap) {
    Tables tables;
    tables.at(0).buckets[5] = std::numeric_limits<std::uint32_t>::max();
    StatTally tally(tables.read(0));
    tables.at(0).buckets[5] = 1;
    EXPECT_EQ(tally.look(tables.read(1), 0).all.counters.ended(), 2U);
}

TEST(StatTally, CountsWhatIsInFlight) {
    Tables tables;
    StatTally tally(tables.read(0));
    tables.slots[0] = {
        .tag = 0x1000 | open_bit, .start_ns = 70, .mark = 0, .pid = 0, .row = 22, .op = 22, .flags = 0, .reserved = 0};
    tables.slots[1] = {
        .tag = 0x2000, .start_ns = 60, .mark = 0, .pid = 0, .row = 22, .op = 22, .flags = 0, .reserved = 0};
    tables.slots[2] = {.tag = 0x3000 | open_bit,
                       .start_ns = 50,
                       .mark = 0,
                       .pid = 0,
                       .row = 0,
                       .op = 0,
                       .flags = IFL_STAT_SLOT_SKIP,
                       .reserved = 0};
    tables.collided.push_back(tables.slots[0]);
    const auto frame = tally.look(tables.read(100), 0);
    ASSERT_EQ(frame.lines.size(), 2U);
    EXPECT_EQ(frame.all.in_flight, 3U);
    EXPECT_EQ(frame.all.oldest_ns, 50U);
    EXPECT_EQ(frame.may_have_ended, 1U);
    const auto read = std::ranges::find(frame.lines, "read", [](const StatLine& line) { return line.key.name; });
    ASSERT_NE(read, frame.lines.end());
    EXPECT_EQ(read->in_flight, 2U);
    EXPECT_EQ(read->oldest_ns, 70U);
}

TEST(StatTally, AnOverflowMayHaveEndedWhatIsInFlight) {
    Tables tables;
    StatTally tally(tables.read(0));
    for (std::uint64_t i = 0; i < 4; i++) {
        tables.slots[i] = {.tag = (i + 1) << 8 | open_bit,
                           .start_ns = 1,
                           .mark = 0,
                           .pid = 0,
                           .row = 0,
                           .op = 0,
                           .flags = 0,
                           .reserved = 0};
    }
    tables.shared.overflowed = 3;
    tables.shared.unseen_unasked = 1;
    EXPECT_EQ(tally.look(tables.read(1), 0).may_have_ended, 2U);
    tables.shared.overflowed = 100;
    EXPECT_EQ(tally.look(tables.read(2), 0).may_have_ended, 4U);
}

TEST(StatTally, WhatIsInFlightIsNotKnownByAKeyThatShowsAtTheEnd) {
    Tables tables;
    tables.ops_known_late = true;
    StatTally tally(tables.read(0));
    tables.slots[0] = {.tag = 0x1000 | open_bit,
                       .start_ns = 70,
                       .mark = 0,
                       .pid = 0,
                       .row = IFL_STAT_ROW_LATE,
                       .op = 0,
                       .flags = 0,
                       .reserved = 0};
    tables.at(IFL_STAT_AIO_ROWS + IFL_STAT_AIO_READ).untimed = 1;
    const auto frame = tally.look(tables.read(100), 0);
    ASSERT_EQ(frame.lines.size(), 1U);
    EXPECT_EQ(frame.lines[0].key.name, "pread or preadv");
    EXPECT_EQ(frame.lines[0].in_flight, std::nullopt);
    EXPECT_EQ(frame.all.in_flight, 1U);
}

TEST(StatTally, NamesEachOperationThatIsKnown) {
    Tables tables;
    StatTally tally(tables.read(0));
    for (const std::uint32_t row : {62U, 63U, 64U, 126U, std::uint32_t{IFL_STAT_OP_OTHER}}) {
        tables.end(row, 100);
    }
    std::set<std::string> names;
    for (const auto& line : tally.look(tables.read(100), 0).lines) {
        EXPECT_EQ(line.key.family, Family::uring) << line.key.name;
        names.insert(line.key.name);
    }
    EXPECT_EQ(names, (std::set<std::string>{"pipe", "nop128", "uring_cmd128", "op 126", "op 127 and on"}));
}

TEST(StatTally, NamesKeys) {
    struct Case {
        ifl_stat_by by;
        std::uint32_t family;
        std::uint64_t ctx_id;
        std::string name;
    };
    for (const auto& each :
         {Case{IFL_STAT_BY_PID, 0, 0, "fio[42]"}, Case{IFL_STAT_BY_COMM, 1, 0, "fio"},
          Case{IFL_STAT_BY_CONTEXT, 0, 5, "ring 5 of fio[42]"},
          Case{IFL_STAT_BY_CONTEXT, 0, ~std::uint64_t{0}, "ring of fio[42]"},
          Case{IFL_STAT_BY_CONTEXT, 1, 0x7f00, "0x7f00 of fio[42]"}, Case{IFL_STAT_BY_FILE, 1, 0, "/data/db"}}) {
        Tables tables(each.by, 8);
        StatTally tally(tables.read(0));
        tables.shared.rows_used = 1;
        auto& label = tables.labels.at(IFL_STAT_FIRST_KEY_ROW);
        label.key = {.words = {9, 0}, .extra = 0, .family = each.family};
        label.ctx_id = each.ctx_id;
        label.pid = 42;
        std::strcpy(&label.comm[0], "fio");
        tables.file_names.emplace(IFL_STAT_FIRST_KEY_ROW, "/data/db");
        tables.end(IFL_STAT_FIRST_KEY_ROW, 10);
        const auto frame = tally.look(tables.read(1), 0);
        ASSERT_EQ(frame.lines.size(), 1U);
        EXPECT_EQ(frame.lines[0].key.name, each.name);
        EXPECT_EQ(frame.lines[0].key.family, each.family != 0 ? Family::aio : Family::uring);
    }
}

TEST(StatTally, AProcessOfAnotherNamespaceHasTheNumberOfTheMachine) {
    Tables tables(IFL_STAT_BY_PID, 8);
    StatTally tally(tables.read(0));
    tables.shared.rows_used = 1;
    auto& label = tables.labels.at(IFL_STAT_FIRST_KEY_ROW);
    label.key = {.words = {9, 0}, .extra = 0, .family = 0};
    label.pid = 42 | IFL_ID_ELSEWHERE;
    std::strcpy(&label.comm[0], "fio");
    tables.end(IFL_STAT_FIRST_KEY_ROW, 10);
    const auto frame = tally.look(tables.read(1), 0);
    ASSERT_EQ(frame.lines.size(), 1U);
    EXPECT_EQ(frame.lines[0].key.name, "fio[host:42]");
}

TEST(StatTally, NotesAreOfTheInterval) {
    Tables tables;
    tables.shared.untracked = 5;
    StatTally tally(tables.read(0));
    tables.shared.untracked = 7;
    tables.shared.cancels[IFL_STAT_IO_CANCEL][IFL_STAT_SAID_REFUSED] = 4;
    const auto first = tally.look(tables.read(1), 0);
    EXPECT_EQ(first.notes.untracked, 2U);
    EXPECT_EQ(first.notes.cancels.at(IFL_STAT_IO_CANCEL).at(IFL_STAT_SAID_REFUSED), 4U);
    tables.shared.untracked = 8;
    const auto second = tally.look(tables.read(2), 1);
    EXPECT_EQ(second.notes.untracked, 1U);
    EXPECT_EQ(second.notes.cancels.at(IFL_STAT_IO_CANCEL).at(IFL_STAT_SAID_REFUSED), 0U);
    EXPECT_EQ(tally.whole().notes.untracked, 3U);
}

TEST(Stat, KeysHaveNames) {
    for (const auto by : {StatBy::op, StatBy::pid, StatBy::comm, StatBy::file, StatBy::context, StatBy::outcome}) {
        EXPECT_EQ(stat_by_name(name(by)), by);
    }
    EXPECT_EQ(stat_by_name("colour"), std::nullopt);
}

}  // namespace
}  // namespace inflight::model
