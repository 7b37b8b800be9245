// SPDX-License-Identifier: Apache-2.0
// How long a program stands still for a cancel, as it sees it itself. Prints both views.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace inflight::faults {
namespace {

// Between two readings of the clock.
struct Gap {
    std::uint64_t begin_ns = 0;
    std::uint64_t ns = 0;
};

std::vector<Gap> gaps_of(const std::string& out) {
    std::vector<Gap> gaps;
    for (const std::string& line : lines_of(out)) {
        Gap gap;
        if (std::sscanf(line.c_str(), "gap begin=%lu ns=%lu", &gap.begin_ns, &gap.ns) == 2) {
            gaps.push_back(gap);
        }
    }
    return gaps;
}

struct Spread {
    std::uint64_t median = 0;
    std::uint64_t nine_of_ten = 0;
    std::uint64_t most = 0;
};

Spread spread_of(const std::map<std::uint64_t, std::uint64_t>& values) {
    std::vector<std::uint64_t> sorted;
    for (const auto& [begin_ns, ns] : values) {
        sorted.push_back(ns);
    }
    std::ranges::sort(sorted);
    const auto at = [&](std::size_t tenths) { return sorted.at((sorted.size() - 1) * tenths / 10); };
    return {.median = at(5), .nine_of_ten = at(9), .most = sorted.back()};
}

void print(const std::string& whose, const Spread& spread) {
    fmt::print("    {}: median {} us, nine of ten within {} us, {} us at most\n", whose, spread.median / 1000,
               spread.nine_of_ten / 1000, spread.most / 1000);
}

Words all_of(const std::string& pid) {
    const Lines list(run_inflight({"ls", "-p", pid, "-o", "json"}).out);
    Words ids;
    for (const Value* each : list.of("in_flight")) {
        ids.push_back(text(*each, "id"));
    }
    return ids;
}

// A cancel as inflight tells of it.
struct Told {
    std::uint64_t called_ns = 0;
    std::uint64_t over_ns = 0;
    std::uint64_t stood_still_ns = 0;
};

// Cancels them in one run.
std::vector<Told> cancel(const Words& ids, const std::string& way) {
    const Ended ended = run_inflight(Words{"cancel", "--yes", "-o", "json"} + ids);
    EXPECT_EQ(ended.err, "");
    const Lines lines(ended.out);
    std::vector<Told> told;
    for (const Value* result : lines.of("cancelled")) {
        if (text(*result, "reason").find("too busy") != std::string::npos) {
            continue;
        }
        EXPECT_EQ(text(*result, "verdict"), "cancelled") << text(*result, "reason");
        EXPECT_EQ(text(*result, "way"), way);
        const auto called_ns = static_cast<std::uint64_t>(number(*result, "call_start_ns"));
        // From outside the call is over before the thread goes on. One that the thread makes itself is, too; but that
        // is told to inflight a little later.
        const auto call_ns = static_cast<std::uint64_t>(number(*result, "call_ns"));
        told.push_back({.called_ns = called_ns,
                        .over_ns = called_ns + (way == "ring" ? call_ns : 0),
                        .stood_still_ns = static_cast<std::uint64_t>(number(*result, "stood_still_ns"))});
    }
    return told;
}

// `kind` as the workload says. `at_once`: requests in one run.
void compare(const std::string& kind, const std::string& way, std::size_t runs, std::size_t at_once) {
    const Folder folder;
    Process program(Words{workload("standing"), folder.path(), kind});
    ASSERT_TRUE(program.wait_for_out("ready\n")) << program.err();
    const Words ids = all_of(std::to_string(program.pid()));
    ASSERT_GE(ids.size(), runs * at_once);
    std::vector<Told> told;
    for (auto next = ids.begin(); told.size() < runs * at_once && next + static_cast<long>(at_once) <= ids.end();
         next += static_cast<long>(at_once)) {
        const auto more = cancel(Words(next, next + static_cast<long>(at_once)), way);
        told.insert(told.end(), more.begin(), more.end());
    }
    program.signal(SIGTERM);
    ASSERT_TRUE(program.wait());
    const auto gaps = gaps_of(program.out());
    // Of cancels in one run several may fall into one gap: the program did not get its turn in between.
    std::map<std::uint64_t, std::uint64_t> its;
    std::map<std::uint64_t, std::uint64_t> tools;
    for (const Told& each : told) {
        const auto gap = std::ranges::find_if(gaps, [&each](const Gap& candidate) {
            return candidate.begin_ns <= each.called_ns && each.over_ns <= candidate.begin_ns + candidate.ns;
        });
        ASSERT_NE(gap, gaps.end()) << "it went on while it was to stand still";
        its[gap->begin_ns] = gap->ns;
        // Those of one run stood still together.
        tools[gap->begin_ns] = std::max(tools[gap->begin_ns], each.stood_still_ns);
    }
    if (told.size() < 20) {
        GTEST_SKIP() << "the processors are too busy here";
    }
    const Spread own = spread_of(its);
    const Spread figure = spread_of(tools);
    fmt::print("  {} cancels by way {}, kind {}, {} in a run: {} gaps\n", told.size(), way, kind, at_once, its.size());
    print("the program's own log", own);
    print("inflight's figure", figure);
    // The one begins when inflight asks, and ends when it has let go: the other lies within, but for the time until the
    // processor is free for it again. How long that is nobody can promise where others want it too.
    constexpr std::uint64_t own_turn_ns = 100'000'000;
    // Of very many threads the main one, which keeps the log, is the last to stop and the first to go on.
    constexpr long most_threads_at_once = 100;
    if (std::stol(kind) % 1'000'000 / 10 < most_threads_at_once) {
        EXPECT_GE(own.median * 4 + 1'000'000, figure.median);
    }
    EXPECT_LE(own.median, figure.median * 4 + own_turn_ns);
}

constexpr std::size_t tens = 25;

TEST(CancelStandsStill, ForARing) {
    compare("0", "ring", tens, 1);
}

TEST(CancelStandsStill, ForKernelAio) {
    compare("1", "inject", tens, 1);
}

TEST(CancelStandsStill, ForManyAtOnce) {
    compare("0", "ring", 1, tens);
    compare("1", "inject", 1, tens);
}

TEST(CancelStandsStill, WithOtherThreads) {
    compare("80", "ring", 1, tens);
    compare("81", "inject", 1, tens);
}

// On an idle machine 1,000 threads stand still for less than 20 ms.
TEST(CancelStandsStill, WithAThousandThreads) {
    compare("10000", "ring", 1, tens);
    compare("10001", "inject", 1, tens);
}

// However many there are, it stands still for about 50 ms at most, and gets its turn.
TEST(CancelStandsStill, ForAThousandRequests) {
    compare("1000000", "ring", 1, 900);
    compare("1000001", "inject", 1, 900);
}

}  // namespace
}  // namespace inflight::faults
