// SPDX-License-Identifier: Apache-2.0
#include "probe/stat_hooks.hpp"

#include <gtest/gtest.h>

namespace inflight::probe {
namespace {

TEST(StatHooks, APairThatTheSlabDoesNotTellApartIsDividedOrWhole) {
    EXPECT_EQ(divided_pair(~std::uint64_t{0}), std::nullopt);
    EXPECT_EQ(divided_pair(1U << 5U), std::nullopt);
    EXPECT_EQ(divided_pair(1U << 0U), "pread,preadv");
    EXPECT_EQ(divided_pair(1U << 8U), "pwrite,pwritev");
    EXPECT_EQ(with_pairs(1U << 0U | 1U << 7U), 1U << 0U | 1U << 7U | 1U << IFL_STAT_AIO_READ);
    EXPECT_EQ(with_pairs(1U << IFL_STAT_AIO_READ), 0U);
    EXPECT_EQ(with_pairs(~std::uint64_t{0}), ~std::uint64_t{0});
}

TEST(StatHooks, TiersAreTakenAwayByName) {
    const auto some = tiers_without({"aio_complete:fentry", "do_io_cancel"});
    ASSERT_TRUE(some);
    EXPECT_EQ(some->requests, std::vector<Tier>{Tier::fentry});
    EXPECT_EQ(some->cancels, (std::vector<Tier>{Tier::fentry, Tier::kprobe, Tier::tracepoint}));
    EXPECT_FALSE(tiers_without({"io_setup"}));
}

TEST(StatHooks, EndsAreSeenBeforeBeginnings) {
    for (const Tier tier : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
        const auto places = stat_request_places(tier);
        ASSERT_FALSE(places.empty());
        EXPECT_TRUE(places.back().program.ends_with("io_submit_one") || places.back().program == "stat_alloc");
        EXPECT_EQ(stat_cancel_places(tier).size(), 1U);
    }
}

}  // namespace
}  // namespace inflight::probe
