// SPDX-License-Identifier: Apache-2.0
// What a program makes on purpose costs the model no more for each record than anything else. With a search through all
// that look alike, each of these loads takes minutes.
#include "hostile.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace inflight::model::test {
namespace {

double cpu_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Hostile : public testing::TestWithParam<std::size_t> {};

TEST_P(Hostile, TakesTimeThatGrowsWithTheRecordsOnly) {
    constexpr std::uint64_t few = 100;
    constexpr double seconds_at_most = 10;
    const HostileLoad& load = hostile_loads()[GetParam()];
    for (const std::uint64_t n : {few, load.tested}) {
        const double begin = cpu_seconds();
        const LoadResult result = load.run(n);
        EXPECT_LT(cpu_seconds() - begin, seconds_at_most) << load.name << ", " << n;
        if (load.requests != ~std::uint64_t{0}) {
            EXPECT_EQ(result.requests, load.requests * n) << load.name;
        }
        if (load.cancels != ~std::uint64_t{0}) {
            EXPECT_EQ(result.cancels, load.cancels * n) << load.name;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Loads, Hostile, testing::Range<std::size_t>(0, hostile_loads().size()));

}  // namespace
}  // namespace inflight::model::test
