// SPDX-License-Identifier: Apache-2.0
#include "base/arithmetic.hpp"
#include "base/units.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace inflight {
namespace {

constexpr auto most = std::numeric_limits<std::int64_t>::max();
constexpr auto least = std::numeric_limits<std::int64_t>::min();

TEST(Arithmetic, StopsAtTheEndsOfTheRange) {
    EXPECT_EQ(add_clamped(most, 1), most);
    EXPECT_EQ(add_clamped(least, -1), least);
    EXPECT_EQ(add_clamped(most, least), -1);
    EXPECT_EQ(subtract_clamped(least, 1), least);
    EXPECT_EQ(subtract_clamped(most, -1), most);
    EXPECT_EQ(subtract_clamped(5, 7), -2);
    EXPECT_EQ(multiply_clamped(most, 2), most);
    EXPECT_EQ(multiply_clamped(most, -2), least);
    EXPECT_EQ(multiply_clamped(least, -1), most);
    EXPECT_EQ(to_signed_clamped(~std::uint64_t{0}), most);
    EXPECT_EQ(wall_time_ns(~std::uint64_t{0}, most), most);
    EXPECT_EQ(wall_time_ns(5, -7), -2);
}

TEST(Arithmetic, TheErrorOfAResultIsANumberThatAnIntHas) {
    EXPECT_EQ(error_of_result(-5), 5);
    EXPECT_EQ(error_of_result(0), 0);
    EXPECT_EQ(error_of_result(4096), 0);
    EXPECT_EQ(error_of_result(least), std::numeric_limits<int>::max());
}

TEST(Arithmetic, ACountIsNeitherNegativeNorBeyondItsRange) {
    EXPECT_EQ(to_count_clamped(12.9), 12U);
    EXPECT_EQ(to_count_clamped(-1), 0U);
    EXPECT_EQ(to_count_clamped(std::nan("")), 0U);
    EXPECT_EQ(to_count_clamped(1e30), ~std::uint64_t{0});
    EXPECT_EQ(to_count_clamped(HUGE_VAL), ~std::uint64_t{0});
}

TEST(Units, AreReadWithTheirWords) {
    EXPECT_EQ(parse_duration_ns("250ms"), 250'000'000U);
    EXPECT_EQ(parse_duration_ns("1.5h"), 5'400'000'000'000U);
    EXPECT_EQ(parse_duration_ns("2"), 2'000'000'000U);
    EXPECT_EQ(parse_size_bytes("64MB"), 64U << 20U);
    EXPECT_EQ(parse_size_bytes("1.5KiB"), 1536U);
    EXPECT_EQ(parse_size_bytes("12"), 12U);
    for (const char* const wrong : {"", "ms", "-1s", "0", "nan", "inf", "1e300h", "1 s", "1x"}) {
        EXPECT_FALSE(parse_duration_ns(wrong)) << wrong;
        EXPECT_FALSE(parse_size_bytes(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace inflight
