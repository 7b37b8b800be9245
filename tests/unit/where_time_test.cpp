// SPDX-License-Identifier: Apache-2.0
#include "model/where_time.hpp"
#include "made.hpp"
#include "model/slowest.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <limits>

namespace inflight::model::test {
namespace {

// 2026-11-23T14:03:05.700Z by `date -d @1795442585`, after 1000 s of uptime
constexpr CaptureClock clock_of_test{
    .start_ns = 1000 * second_ns, .wall_offset_ns = (1'795'442'585 - 1000) * std::int64_t{1'000'000'000} + 700'000'000};

class WhereTime : public testing::Test {
protected:
    void SetUp() override { zone("UTC"); }
    void TearDown() override {
        ::unsetenv("TZ");
        ::tzset();
    }
    static void zone(const char* name) {
        ::setenv("TZ", name, 1);
        ::tzset();
    }
    // Milliseconds after the start of the capture.
    static std::int64_t after_ms(const std::string& text) {
        const auto time = time_point("--since", text, clock_of_test);
        EXPECT_TRUE(time.has_value()) << text;
        return (static_cast<std::int64_t>(time.value_or(0)) - static_cast<std::int64_t>(clock_of_test.start_ns)) /
               1'000'000;
    }
};

TEST_F(WhereTime, AfterTheStart) {
    EXPECT_EQ(after_ms("10s"), 10'000);
    EXPECT_EQ(after_ms("1.5m"), 90'000);
    EXPECT_EQ(after_ms("250ms"), 250);
    EXPECT_EQ(after_ms("0s"), 0);
}

TEST_F(WhereTime, TimeOfDay) {
    EXPECT_EQ(after_ms("14:03:06"), 300);
    EXPECT_EQ(after_ms("14:03:06.25"), 550);
    EXPECT_EQ(after_ms("14:03:05"), -700);  // the second in which it began
    EXPECT_EQ(after_ms("14:03:04"), 86'400'000 - 1'700);
    EXPECT_EQ(after_ms("00:00:00"), (9 * 3600 + 56 * 60 + 54) * 1000 + 300);
    zone("UTC-2");  // POSIX: two hours east
    EXPECT_EQ(after_ms("16:03:06"), 300);
}

// A year that 64 bits of nanoseconds do not reach is no time at which everything is shown.
TEST_F(WhereTime, OutOfRangeIsAnError) {
    for (const std::string text : {"9999-01-01T00:00:00Z", "2262-04-12T00:00:00Z", "2300-01-01T00:00:00",
                                   "2999-12-31T23:59:60+00:00", "9e18ns", "1e300h", "1e999h", "99999999999h"}) {
        const auto time = time_point("--since", text, clock_of_test);
        ASSERT_FALSE(time.has_value()) << text;
        EXPECT_EQ(time.error().what, "--since " + text);
        EXPECT_EQ(time.error().why, "this time is out of range") << text;
        EXPECT_NE(time.error().hint, "");
    }
    for (const std::string text : {"2026-02-30T00:00:00Z", "2026-11-31T00:00:00Z", "2025-02-29T00:00:00Z",
                                   "2026-11-23T14:03:06+99:00", "2026-11-23T14:03:06+01:60", "-1s", "-1e999s"}) {
        const auto time = time_point("--until", text, clock_of_test);
        ASSERT_FALSE(time.has_value()) << text;
        EXPECT_EQ(time.error().why, "this is not a time") << text;
    }
    EXPECT_EQ(time_point("--since", "0001-01-01T00:00:00Z", clock_of_test).value_or(1), 0U);
    EXPECT_GT(time_point("--since", "2254-12-31T00:00:00Z", clock_of_test).value_or(0), clock_of_test.start_ns);
}

// What stands in a capture file may be anything.
TEST_F(WhereTime, WhateverClockTheFileHas) {
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    for (const std::int64_t offset : {least, std::int64_t{-1}, std::int64_t{0}, most}) {
        for (const std::uint64_t start : {std::uint64_t{0}, static_cast<std::uint64_t>(most), ~std::uint64_t{0}}) {
            for (const std::string text : {"10s", "14:03:05", "2026-11-23T14:03:05Z", "0001-01-01T00:00:00Z"}) {
                const auto time =
                    time_point("--since", text, CaptureClock{.start_ns = start, .wall_offset_ns = offset});
                EXPECT_TRUE(time || time.error().why == "this time is out of range") << text;
            }
        }
    }
}

TEST_F(WhereTime, Calendar) {
    EXPECT_EQ(after_ms("2026-11-23T14:03:06Z"), 300);
    EXPECT_EQ(after_ms("2026-11-23t14:03:06.7z"), 1000);
    EXPECT_EQ(after_ms("2026-11-23T15:03:06+01:00"), 300);
    EXPECT_EQ(after_ms("2026-11-23T08:33:06-05:30"), 300);
    EXPECT_EQ(after_ms("2026-11-23 14:03:06"), 300);
    zone("UTC+3");
    EXPECT_EQ(after_ms("2026-11-23 11:03:06"), 300);
    EXPECT_EQ(time_point("--since", "1970-01-01T00:00:00Z", clock_of_test), 0U);
}

TEST_F(WhereTime, RefusesWhatIsNone) {
    for (const char* text :
         {"", "10", "s", "-1s", "nans", "1e30h", "25:00:00", "14:60:00", "14:03", "14:03:05.", "14:03:05x",
          "2026-13-01T00:00:00Z", "2026-11-23T14:03:05+1", "2026-11-23T14:03:05Zx", "yesterday"}) {
        const auto time = time_point("--until", text, clock_of_test);
        ASSERT_FALSE(time.has_value()) << text;
        EXPECT_EQ(time.error().what, std::string("--until ") + text);
    }
}

TEST(Slowest, KeepsTheSlowest) {
    Slowest slowest(3);
    for (const std::uint64_t latency : {5, 1, 9, 7, 3, 8}) {
        slowest.on_request(aio_made(0, latency, 1000, 1000 + latency));
    }
    Request open = aio_made(0, 1, 1, 1'000'000);
    open.complete_ns.reset();
    slowest.on_request(open);
    const auto kept = slowest.take();
    ASSERT_EQ(kept.size(), 3U);
    EXPECT_EQ(kept[0].latency_ns(), 9U);
    EXPECT_EQ(kept[1].latency_ns(), 8U);
    EXPECT_EQ(kept[2].latency_ns(), 7U);
}

}  // namespace
}  // namespace inflight::model::test
