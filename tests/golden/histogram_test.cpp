// SPDX-License-Identifier: Apache-2.0
#include "model/summary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace inflight::model {
namespace {

TEST(LatencyHistogram, IsEmptyAtFirst) {
    const LatencyHistogram histogram;
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.max_ns(), 0U);
    EXPECT_EQ(histogram.quantile_ns(0.5), 0U);
    EXPECT_EQ(histogram.quantile_ns(1), 0U);
}

TEST(LatencyHistogram, IsExactForSmallValues) {
    LatencyHistogram histogram;
    for (std::uint64_t value = 0; value < 64; ++value) {
        histogram.add(value);
    }
    for (std::uint64_t value = 0; value < 64; ++value) {
        EXPECT_EQ(histogram.quantile_ns(static_cast<double>(value + 1) / 64), value);
    }
}

// One value, whose upper neighbour is there to keep the maximum from helping.
TEST(LatencyHistogram, IsNeverTooSmallAndAtMostOne64thTooLarge) {
    for (unsigned bits = 0; bits < 63; ++bits) {
        for (const std::uint64_t offset : {0, 1, 2}) {
            const std::uint64_t value = (1ULL << bits) + offset - 1;
            LatencyHistogram histogram;
            histogram.add(value);
            histogram.add(value * 2 + 1);
            const std::uint64_t got = histogram.quantile_ns(0.5);
            EXPECT_GE(got, value);
            EXPECT_LE(got - value, value / 64) << value;
        }
    }
}

TEST(LatencyHistogram, TakesTheLargestValue) {
    constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
    LatencyHistogram histogram;
    histogram.add(largest);
    histogram.add(0);
    EXPECT_EQ(histogram.max_ns(), largest);
    EXPECT_EQ(histogram.quantile_ns(1), largest);
    EXPECT_EQ(histogram.quantile_ns(0.5), 0U);
}

TEST(LatencyHistogram, AgreesWithSortedValues) {
    std::mt19937_64 random(1);
    std::lognormal_distribution<double> latencies(11, 2);
    std::vector<std::uint64_t> values;
    LatencyHistogram histogram;
    for (int index = 0; index < 10'000; ++index) {
        values.push_back(static_cast<std::uint64_t>(latencies(random)));
        histogram.add(values.back());
    }
    std::ranges::sort(values);
    EXPECT_EQ(histogram.count(), values.size());
    EXPECT_EQ(histogram.max_ns(), values.back());
    for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
        const std::uint64_t exact = values[rank - 1];
        EXPECT_GE(histogram.quantile_ns(q), exact) << q;
        EXPECT_LE(histogram.quantile_ns(q), exact + exact / 64) << q;
    }
}

TEST(Names, GoBothWays) {
    EXPECT_EQ(name(Verdict::completed_first), "completed-first");
    EXPECT_EQ(name(Outcome::in_flight), "in-flight");
    EXPECT_EQ(name(Severity::critical), "critical");
    EXPECT_EQ(name(ContextChange::at_end), "at-end");
    EXPECT_EQ(name(Tier::tracepoint), "tracepoint");
    EXPECT_EQ(name(static_cast<Outcome>(200)), "?");
    for (std::size_t index = 0; index < outcome_count; ++index) {
        const auto outcome = static_cast<Outcome>(index);
        EXPECT_EQ(outcome_by_name(name(outcome)), outcome);
    }
    EXPECT_EQ(outcome_by_name("lost"), std::nullopt);
}

TEST(Losses, AddUp) {
    Losses losses;
    EXPECT_EQ(losses.total(), 0U);
    losses.cpus = {{.cpu = 0, .kinds = {{.kind = "request", .generated = 5, .delivered = 3, .lost = 2}}},
                   {.cpu = 1, .kinds = {{.kind = "call", .generated = 5, .delivered = 4, .lost = 1}}}};
    EXPECT_EQ(losses.records_lost(), 3U);
    EXPECT_EQ(losses.total(), 3U);
    std::uint64_t expected = 3;
    for (auto count :
         {&Losses::requests_untracked, &Losses::calls_untracked, &Losses::contexts_untracked, &Losses::exits_missed,
          &Losses::programs_skipped, &Losses::completions_unseen, &Losses::submissions_unseen, &Losses::out_of_order}) {
        losses.*count = 10;
        expected += 10;
        EXPECT_EQ(losses.total(), expected);
    }
}

}  // namespace
}  // namespace inflight::model
