// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace inflight {
namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

TEST(Units, Durations) {
    EXPECT_EQ(format_duration(0), "0 ns");
    EXPECT_EQ(format_duration(870), "870 ns");
    EXPECT_EQ(format_duration(999), "999 ns");
    EXPECT_EQ(format_duration(1'000), "1.00 µs");
    EXPECT_EQ(format_duration(9'994), "9.99 µs");
    EXPECT_EQ(format_duration(9'996), "10.0 µs");
    EXPECT_EQ(format_duration(12'345), "12.3 µs");
    EXPECT_EQ(format_duration(99'960), "100 µs");
    EXPECT_EQ(format_duration(999'499), "999 µs");
    EXPECT_EQ(format_duration(999'500), "1.00 ms");
    EXPECT_EQ(format_duration(4'560'000), "4.56 ms");
    EXPECT_EQ(format_duration(999'999'999), "1.00 s");
    EXPECT_EQ(format_duration(1'200'000'000), "1.20 s");
    EXPECT_EQ(format_duration(4'321'000'000'000), "4321 s");
    EXPECT_EQ(format_duration(largest), "18446744074 s");
}

TEST(Units, Bytes) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(512), "512 B");
    EXPECT_EQ(format_bytes(1023), "1023 B");
    EXPECT_EQ(format_bytes(1024), "1.0 KiB");
    EXPECT_EQ(format_bytes(4096), "4.0 KiB");
    EXPECT_EQ(format_bytes(131'072), "128 KiB");
    EXPECT_EQ(format_bytes(1'048'575), "1.0 MiB");
    EXPECT_EQ(format_bytes(3ULL << 29), "1.5 GiB");
    EXPECT_EQ(format_bytes(largest), "16.0 EiB");
}

TEST(Units, ExactBytes) {
    EXPECT_EQ(format_bytes_exact(0), "0 B");
    EXPECT_EQ(format_bytes_exact(1234), "1234 B");
    EXPECT_EQ(format_bytes_exact(4096), "4 KiB");
    EXPECT_EQ(format_bytes_exact(1028 * 1024), "1028 KiB");
    EXPECT_EQ(format_bytes_exact(1ULL << 30), "1 GiB");
    EXPECT_EQ(format_bytes_exact(largest), "18446744073709551615 B");
}

TEST(Units, CountsAndShares) {
    EXPECT_EQ(format_count(0), "0");
    EXPECT_EQ(format_count(999), "999");
    EXPECT_EQ(format_count(1'000), "1,000");
    EXPECT_EQ(format_count(1'234'567), "1,234,567");
    EXPECT_EQ(format_share(1, 8), "12.5 %");
    EXPECT_EQ(format_share(0, 8), "0.0 %");
}

TEST(Units, OneIsNotMany) {
    EXPECT_EQ(counted(0, "request"), "0 requests");
    EXPECT_EQ(counted(1, "request"), "1 request");
    EXPECT_EQ(counted(1'200, "request"), "1,200 requests");
    EXPECT_EQ(counted(1, "wait", "waits"), "1 wait");
    EXPECT_EQ(counted(2, "wait", "wait on"), "2 wait on");
    EXPECT_EQ(noun(1, "CQE"), "CQE");
    EXPECT_EQ(noun(0, "CQE"), "CQEs");
}

}  // namespace
}  // namespace inflight
