// SPDX-License-Identifier: Apache-2.0
// Records of several CPUs in one order of time.
#include "capture/sorter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace inflight::capture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A record whose serial number stands behind the header, and again in its last bytes.
struct Numbered {
    ifl_header header{};
    std::uint64_t serial = 0;
    std::array<std::uint8_t, 128> filling{};
};

Numbered numbered(std::uint64_t time_ns, std::uint64_t serial, std::uint32_t extra_bytes = 0) {
    Numbered record;
    record.header.size_bytes = static_cast<std::uint32_t>(offsetof(Numbered, filling)) + extra_bytes;
    record.header.kind = IFL_REQUEST;
    record.header.time_ns = time_ns;
    record.serial = serial;
    std::fill_n(record.filling.begin(), extra_bytes, static_cast<std::uint8_t>(serial));
    return record;
}

struct Seen {
    std::uint64_t time_ns;
    std::uint64_t serial;
    bool operator==(const Seen&) const = default;
};

std::vector<Seen> release(Sorter& sorter, std::uint64_t until_ns) {
    std::vector<Seen> seen;
    sorter.release(until_ns, [&](const ifl_header& header) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&header) % 8, 0U);
        const auto& record = reinterpret_cast<const Numbered&>(header);
        const auto extra = header.size_bytes - offsetof(Numbered, filling);
        EXPECT_TRUE(std::all_of(record.filling.begin(), record.filling.begin() + static_cast<std::ptrdiff_t>(extra),
                                [&](std::uint8_t byte) { return byte == static_cast<std::uint8_t>(record.serial); }));
        seen.push_back({.time_ns = header.time_ns, .serial = record.serial});
    });
    return seen;
}

constexpr std::uint64_t all = ~std::uint64_t{0};

TEST(Sorter, GivesOldestFirst) {
    Sorter sorter;
    for (const std::uint64_t time : {30U, 10U, 20U}) {
        sorter.add(numbered(time, time).header);
    }
    EXPECT_THAT(release(sorter, all), ElementsAre(Seen{10, 10}, Seen{20, 20}, Seen{30, 30}));
    EXPECT_THAT(release(sorter, all), IsEmpty()) << "each once";
    EXPECT_EQ(sorter.out_of_order(), 0U);
}

TEST(Sorter, KeepsWhatIsNotYetOldEnough) {
    Sorter sorter;
    for (const std::uint64_t time : {30U, 10U, 20U}) {
        sorter.add(numbered(time, time).header);
    }
    EXPECT_THAT(release(sorter, 10), IsEmpty());
    EXPECT_THAT(release(sorter, 20), ElementsAre(Seen{10, 10}));
    sorter.add(numbered(15, 15).header);
    EXPECT_THAT(release(sorter, 31), ElementsAre(Seen{15, 15}, Seen{20, 20}, Seen{30, 30}));
    EXPECT_EQ(sorter.out_of_order(), 0U);
}

TEST(Sorter, EqualTimesStayInTheOrderInWhichTheyCame) {
    Sorter sorter;
    sorter.add(numbered(20, 0).header);
    sorter.add(numbered(10, 1).header);
    sorter.add(numbered(20, 2).header);
    EXPECT_THAT(release(sorter, 20), ElementsAre(Seen{10, 1}));
    sorter.add(numbered(20, 3).header);
    EXPECT_THAT(release(sorter, all), ElementsAre(Seen{20, 0}, Seen{20, 2}, Seen{20, 3}));
}

TEST(Sorter, CountsWhatComesTooLateAndGivesItAllTheSame) {
    Sorter sorter;
    sorter.add(numbered(20, 0).header);
    release(sorter, 30);
    sorter.add(numbered(20, 1).header);
    EXPECT_EQ(sorter.out_of_order(), 0U) << "not younger than what was released";
    sorter.add(numbered(19, 2).header);
    sorter.add(numbered(5, 3).header);
    EXPECT_EQ(sorter.out_of_order(), 2U);
    EXPECT_THAT(release(sorter, all), ElementsAre(Seen{5, 3}, Seen{19, 2}, Seen{20, 1}));
    sorter.add(numbered(19, 4).header);
    EXPECT_EQ(sorter.out_of_order(), 3U) << "a late one does not move the mark back";
}

TEST(Sorter, AlignsRecordsOfAnyLength) {
    Sorter sorter;
    for (std::uint32_t extra = 0; extra < 64; extra++) {
        sorter.add(numbered(100 - extra, extra, extra).header);
    }
    EXPECT_THAT(release(sorter, 60), testing::SizeIs(23));
    EXPECT_THAT(release(sorter, all), testing::SizeIs(41));
}

TEST(Sorter, CopiesWhatItIsGiven) {
    Sorter sorter;
    {
        const auto record = std::make_unique<Numbered>(numbered(1, 42, 16));
        sorter.add(record->header);
    }
    EXPECT_THAT(release(sorter, all), ElementsAre(Seen{1, 42}));
}

// Each CPU writes its own records in order of time; the reader meets them CPU by CPU.
TEST(Sorter, RandomRecordsOfSeveralCpus) {
    for (unsigned seed = 0; seed < 200; seed++) {
        std::mt19937 random(seed);
        constexpr std::uint64_t wait_ns = 50;
        Sorter sorter;
        std::vector<Seen> added;
        std::vector<Seen> seen;
        std::vector<std::uint64_t> cpu_time(1 + random() % 8);
        std::uint64_t serial = 0;
        for (std::uint64_t now = 100; now < 3000; now += 1 + random() % 40) {
            for (auto& time : cpu_time) {
                time = std::max(time, now - wait_ns);
                for (auto count = random() % 4; count > 0; count--) {
                    time = std::min(time + random() % 20, now);
                    const Numbered record = numbered(time, serial++, static_cast<std::uint32_t>(random() % 128));
                    sorter.add(record.header);
                    added.push_back({.time_ns = time, .serial = record.serial});
                }
            }
            std::ranges::copy(release(sorter, now - wait_ns), std::back_inserter(seen));
        }
        std::ranges::copy(release(sorter, all), std::back_inserter(seen));
        std::ranges::stable_sort(added, {}, &Seen::time_ns);
        ASSERT_EQ(seen, added) << "seed " << seed;
        EXPECT_EQ(sorter.out_of_order(), 0U) << "seed " << seed;
    }
}

}  // namespace
}  // namespace inflight::capture
