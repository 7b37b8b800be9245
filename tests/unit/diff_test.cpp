// SPDX-License-Identifier: Apache-2.0
#include "model/diff.hpp"
#include "made.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>

namespace inflight::model::test {
namespace {

// p of U by its definition: the share of all ways to choose which samples are of b whose U is as far from the mean.
double exact_p(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> all(a);
    all.insert(all.end(), b.begin(), b.end());
    const auto u_of = [&](std::uint32_t chosen) {
        double u = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            for (std::size_t j = 0; j < all.size(); ++j) {
                if ((chosen >> i & 1U) != 0 && (chosen >> j & 1U) == 0) {
                    u += all[i] > all[j] ? 1 : all[i] == all[j] ? 0.5 : 0;
                }
            }
        }
        return u;
    };
    const auto n_b = static_cast<int>(b.size());
    const double mean = static_cast<double>(a.size() * b.size()) / 2;
    const double seen = std::abs(u_of(((1U << b.size()) - 1) << a.size()) - mean);
    int as_far = 0;
    int ways = 0;
    for (std::uint32_t chosen = 0; chosen < 1U << all.size(); ++chosen) {
        if (std::popcount(chosen) == n_b) {
            ways++;
            as_far += std::abs(u_of(chosen) - mean) >= seen - 1e-9 ? 1 : 0;
        }
    }
    return static_cast<double>(as_far) / ways;
}

TEST(Noise, PIsNearTheExactOne) {
    std::mt19937 random(7);
    for (int round = 0; round < 6; ++round) {
        std::vector<double> a(8);
        std::vector<double> b(8);
        std::uniform_int_distribution<int> value(0, round % 2 == 0 ? 1000 : 6);  // the second with many ties
        std::ranges::generate(a, [&] { return value(random); });
        std::ranges::generate(b, [&] { return value(random) + round; });
        EXPECT_NEAR(compare_samples(a, b).p, exact_p(a, b), 0.03) << round;
    }
}

TEST(Noise, TellsShiftsFromNoise) {
    std::vector<double> low;
    std::vector<double> high;
    for (int value = 0; value < 20; ++value) {
        low.push_back(100 + value);
        high.push_back(130 + value);
    }
    EXPECT_EQ(compare_samples(low, high).judgement, NoiseVerdict::higher);
    EXPECT_EQ(compare_samples(high, low).judgement, NoiseVerdict::lower);
    EXPECT_EQ(compare_samples(low, low).judgement, NoiseVerdict::within_noise);
    EXPECT_DOUBLE_EQ(compare_samples(low, low).p, 1);
    EXPECT_DOUBLE_EQ(compare_samples(low, high).superiority, 1);
    const std::vector<double> same(20, 5.0);
    EXPECT_EQ(compare_samples(same, same).judgement, NoiseVerdict::within_noise);
    EXPECT_EQ(compare_samples(std::vector<double>(7, 1.0), high).judgement, NoiseVerdict::not_enough_data);
}

// Two halves of one distribution: of many such pairs hardly any may be called different.
TEST(Noise, FalseAlarmsAreRare) {
    std::mt19937 random(1);
    std::lognormal_distribution<double> value(0, 1);
    int alarms = 0;
    for (int round = 0; round < 1000; ++round) {
        std::vector<double> a(24);
        std::vector<double> b(24);
        std::ranges::generate(a, [&] { return value(random); });
        std::ranges::generate(b, [&] { return value(random); });
        alarms += compare_samples(a, b).judgement != NoiseVerdict::within_noise ? 1 : 0;
    }
    EXPECT_LE(alarms, 3);
}

struct RunShape {
    std::uint64_t latency_ns = 100'000;
    double failing = 0;
    std::uint64_t gap_ns = 50'000;
    unsigned seed = 1;
    std::uint64_t lasts_ns = second_ns;
};

RunSlices::Cut made_run(const RunShape& shape) {
    std::mt19937 random(shape.seed);
    std::lognormal_distribution<double> factor(0, 0.3);
    std::uniform_real_distribution<double> chance(0, 1);
    constexpr std::uint64_t start_ns = 5 * second_ns;
    RunSlices run(start_ns);
    for (std::uint64_t at_ns = start_ns; at_ns < start_ns + shape.lasts_ns; at_ns += shape.gap_ns) {
        const auto latency_ns = static_cast<std::uint64_t>(static_cast<double>(shape.latency_ns) * factor(random));
        Request request = aio_made(0, 1, at_ns, at_ns + latency_ns);
        request.result = 4096;
        if (chance(random) < shape.failing) {
            request.result = -5;
            request.outcome = Outcome::failed;
        }
        run.on_request(request);
    }
    return run.cut();
}

const Difference* find(const std::vector<Difference>& all, std::string_view figure) {
    const auto found = std::ranges::find(all, figure, &Difference::figure);
    return found == all.end() ? nullptr : &*found;
}

NoiseVerdict judged(const std::vector<Difference>& all, std::string_view figure) {
    const auto* found = find(all, figure);
    EXPECT_NE(found, nullptr) << figure;
    return found == nullptr ? NoiseVerdict::not_enough_data : found->comparison.judgement;
}

TEST(Diff, ARunDoesNotDifferFromItself) {
    const auto run = made_run({.failing = 0.01});
    const auto all = differences(run, run);
    EXPECT_GE(all.size(), 7U);
    for (const auto& each : all) {
        // 800 requests a slice are too few for 99.9 %.
        const auto expected = each.figure == "p99.9" ? NoiseVerdict::not_enough_data : NoiseVerdict::within_noise;
        EXPECT_EQ(each.comparison.judgement, expected) << each.figure;
        EXPECT_EQ(each.change().value_or(0), 0) << each.figure;
    }
}

TEST(Diff, AnotherRunOfTheSameDoesNotDiffer) {
    for (const auto& each : differences(made_run({.seed = 2}), made_run({.seed = 3}))) {
        EXPECT_NE(each.comparison.judgement, NoiseVerdict::higher) << each.figure << " p " << each.comparison.p;
        EXPECT_NE(each.comparison.judgement, NoiseVerdict::lower) << each.figure << " p " << each.comparison.p;
    }
}

TEST(Diff, FindsADelay) {
    const auto all = differences(made_run({}), made_run({.latency_ns = 150'000, .seed = 2}));
    for (const std::string_view figure : {"p50", "p90", "p99"}) {
        EXPECT_EQ(judged(all, figure), NoiseVerdict::higher) << figure;
        EXPECT_NEAR(find(all, figure)->change().value_or(0), 0.5, 0.1) << figure;
    }
    EXPECT_EQ(judged(all, "rate"), NoiseVerdict::within_noise);
    EXPECT_EQ(find(all, "failed"), nullptr);
}

TEST(Diff, FindsErrorsAndRates) {
    const auto all = differences(made_run({}), made_run({.failing = 0.1, .gap_ns = 100'000, .seed = 2}));
    EXPECT_EQ(judged(all, "rate"), NoiseVerdict::lower);
    EXPECT_NEAR(find(all, "rate")->change().value_or(0), -0.5, 0.01);
    EXPECT_EQ(judged(all, "bandwidth"), NoiseVerdict::lower);
    EXPECT_EQ(judged(all, "failed"), NoiseVerdict::higher);
    EXPECT_FALSE(find(all, "failed")->change().has_value());  // from nothing
    EXPECT_NEAR(find(all, "failed")->b.value_or(0), 0.1, 0.02);
    EXPECT_EQ(judged(all, "p50"), NoiseVerdict::within_noise);
}

TEST(Diff, AnOperationOfOneRunOnly) {
    const auto all = differences(RunSlices(0).cut(), made_run({}));
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(judged(all, "p50"), NoiseVerdict::not_enough_data);
    EXPECT_FALSE(find(all, "p50")->a.has_value());
}

TEST(Diff, TooShortToTell) {
    const auto brief = made_run({.lasts_ns = 5'000'000});
    for (const auto& each : differences(brief, brief)) {
        EXPECT_EQ(each.comparison.judgement, NoiseVerdict::not_enough_data) << each.figure;
    }
}

TEST(Diff, SlicesGrowWithTheRun) {
    const auto cut = made_run({.gap_ns = 1'000'000, .lasts_ns = 100 * second_ns});
    EXPECT_GE(cut.slices, 20U);
    EXPECT_LE(cut.slices, 48U);
    EXPECT_EQ(cut.requests, 100'000U);
    EXPECT_NEAR(static_cast<double>(cut.span_ns), 100e9, 1e8);
    std::uint64_t most = 0;
    std::uint64_t least = cut.requests;
    for (const auto& cell : cut.operations.at({"aio", "pread"})) {
        most = std::max(most, cell.requests);
        least = std::min(least, cell.requests);
    }
    EXPECT_LE(most - least, 4U);  // at the borders
}

TEST(Diff, FindingsPerOperation) {
    const auto run_with = [](int findings) {
        RunSlices run(0);
        for (std::uint64_t at_ns = 1; at_ns < second_ns; at_ns += 1'000'000) {
            run.on_request(aio_made(0, 1, at_ns, at_ns + 1000));
            for (int count = 0; count < findings; ++count) {
                Finding finding;
                finding.code = "slow";
                finding.time_ns = at_ns;
                finding.stories.push_back(aio_made(0, 1, at_ns, at_ns + 1000));
                run.on_finding(finding);
            }
        }
        return run.cut();
    };
    const auto all = differences(run_with(0), run_with(1));
    const auto found = std::ranges::find(all, "slow", &Difference::finding);
    ASSERT_NE(found, all.end());
    EXPECT_EQ(found->subject, "pread");
    EXPECT_EQ(found->comparison.judgement, NoiseVerdict::higher);
    EXPECT_NEAR(found->b.value_or(0), 1000, 10);
}

}  // namespace
}  // namespace inflight::model::test
