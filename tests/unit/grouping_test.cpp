// SPDX-License-Identifier: Apache-2.0
#include "model/grouping.hpp"
#include "made.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace inflight::model::test {
namespace {

using Key = std::vector<std::optional<std::string>>;

Request read_of(std::uint32_t pid, std::uint64_t submit_ns, std::uint64_t complete_ns) {
    Request request = aio_made(0, 0x1000, submit_ns, complete_ns);
    request.pid = pid;
    request.result = 4096;
    return request;
}

std::vector<GroupField> fields(const std::vector<std::string>& names) {
    return group_fields_from(names).value();
}

TEST(Grouping, CountsByOneField) {
    Grouping grouping(fields({"pid"}));
    grouping.on_request(read_of(1, 1000, 2000));
    grouping.on_request(read_of(1, 1500, 4500));
    grouping.on_request(read_of(2, 1000, 1100));
    Request failed = read_of(1, 5000, 6000);
    failed.result = -EIO;
    failed.outcome = Outcome::failed;
    grouping.on_request(failed);
    const auto groups = grouping.groups(GroupOrder::requests, 0);
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].key, Key{"1"});
    EXPECT_EQ(groups[0].requests, 3U);
    EXPECT_EQ(groups[0].bytes, 8192U);
    EXPECT_EQ(groups[0].errors, 1U);
    EXPECT_EQ(groups[0].latency.max_ns(), 3000U);
    EXPECT_EQ(groups[0].latency_sum_ns, 5000U);
    EXPECT_EQ(groups[0].in_flight_max, 2U);
    EXPECT_EQ(groups[0].first_ns, 1000U);
    EXPECT_EQ(groups[0].last_ns, 6000U);
    EXPECT_EQ(groups[1].key, Key{"2"});
    EXPECT_EQ(groups[1].in_flight_max, 1U);
}

TEST(Grouping, CountsBySeveralFields) {
    Grouping grouping(fields({"op", "error", "file", "pid"}));
    grouping.on_request(read_of(1, 1000, 2000));
    Request failed = read_of(1, 1000, 2000);
    failed.result = -EIO;
    failed.outcome = Outcome::failed;
    failed.file.reset();
    grouping.on_request(failed);
    grouping.on_request(failed);
    const auto groups = grouping.groups(GroupOrder::requests, 0);
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].key, (Key{"pread", "EIO", std::nullopt, "1"}));
    EXPECT_EQ(groups[1].key, (Key{"pread", std::nullopt, "/data/file", "1"}));
}

// Both families have an fsync.
TEST(Grouping, OneNameIsOneOperation) {
    Grouping grouping(fields({"op"}));
    grouping.on_request(aio_made(2, 1, 1, 2));
    grouping.on_request(UringMade(3).time(1, 2).done());
    const auto groups = grouping.groups(GroupOrder::requests, 0);
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0].key, Key{"fsync"});
    EXPECT_EQ(groups[0].requests, 2U);
}

TEST(Grouping, NotKnownIsAGroup) {
    Grouping grouping(fields({"pid"}));
    grouping.on_request(read_of(0, 1, 2));
    EXPECT_EQ(grouping.groups(GroupOrder::requests, 0).front().key, Key{std::nullopt});
}

TEST(Grouping, OrdersAndCuts) {
    Grouping grouping(fields({"pid"}));
    for (int count = 0; count < 3; ++count) {
        grouping.on_request(read_of(1, 1000, 1100));
    }
    for (int count = 0; count < 2; ++count) {
        Request big = read_of(2, 1000, 1100);
        big.result = 1 << 20;
        grouping.on_request(big);
    }
    grouping.on_request(read_of(3, 1000, 900'000));
    const auto first = [&](GroupOrder order) { return grouping.groups(order, 1).at(0).key.at(0).value(); };
    EXPECT_EQ(first(GroupOrder::requests), "1");
    EXPECT_EQ(first(GroupOrder::bytes), "2");
    EXPECT_EQ(first(GroupOrder::latency), "3");
    EXPECT_EQ(grouping.groups(GroupOrder::requests, 2).size(), 2U);
    EXPECT_EQ(grouping.size(), 3U);
}

TEST(Grouping, OneAfterAnotherDoNotOverlap) {
    Grouping grouping(fields({"op"}));
    grouping.on_request(read_of(1, 1000, 2000));
    grouping.on_request(read_of(1, 2000, 3000));
    Request open = read_of(1, 2500, 0);
    open.complete_ns.reset();
    open.outcome = Outcome::in_flight;
    grouping.on_request(open);
    EXPECT_EQ(grouping.groups(GroupOrder::requests, 0).front().in_flight_max, 2U);
}

TEST(Grouping, TooManyTimesAreNotKnown) {
    Grouping grouping(fields({"op"}), 2);
    for (std::uint64_t count = 0; count < 3; ++count) {
        grouping.on_request(read_of(1, 1000 + count, 2000));
    }
    const auto groups = grouping.groups(GroupOrder::requests, 0);
    EXPECT_FALSE(groups.front().in_flight_max.has_value());
    EXPECT_EQ(groups.front().requests, 3U);
}

TEST(Grouping, CancelsCountWithTheirTarget) {
    Grouping grouping(fields({"pid"}));
    Cancel cancel;
    cancel.verdict = Verdict::completed_first;
    grouping.on_cancel(cancel);
    EXPECT_EQ(grouping.size(), 0U);
    cancel.target = read_of(1, 1, 2);
    grouping.on_cancel(cancel);
    const auto groups = grouping.groups(GroupOrder::requests, 0);
    EXPECT_EQ(groups.front().cancels, 1U);
    EXPECT_EQ(groups.front().verdicts.at(static_cast<std::size_t>(Verdict::completed_first)), 1U);
}

TEST(Grouping, RefusesWhatIsNoField) {
    const auto bad = group_fields_from({"pid", "colour"});
    ASSERT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error().what, "--group-by colour");
    EXPECT_EQ(fields({"pid", "pid", "op"}).size(), 2U);
}

TEST(LatencyHistogramMerge, MergedIsAsIfAddedToOne) {
    LatencyHistogram one;
    LatencyHistogram other;
    LatencyHistogram both;
    for (std::uint64_t value = 1; value < 5'000'000; value = value * 3 / 2 + 1) {
        (value % 2 == 0 ? one : other).add(value);
        both.add(value);
    }
    one.merge(other);
    EXPECT_EQ(one.count(), both.count());
    EXPECT_EQ(one.max_ns(), both.max_ns());
    for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
        EXPECT_EQ(one.quantile_ns(q), both.quantile_ns(q));
    }
}

}  // namespace
}  // namespace inflight::model::test
