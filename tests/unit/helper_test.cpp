// SPDX-License-Identifier: Apache-2.0
#include "act/helper.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>

namespace inflight::act::test {
namespace {

void sleep_ms(long ms) {
    const timespec pause{.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000};
    ::nanosleep(&pause, nullptr);
}

TEST(Helper, ReturnsWhatTheWorkReturned) {
    Packer packer;
    packer.number(7);
    packer.text("words");
    const std::string packed = packer.take();
    int turns = 0;
    const auto got = run_in_helper(
        [&](const auto& orphaned) {
            sleep_ms(20);
            return orphaned() ? std::string() : packed;
        },
        [&] { turns++; });
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_GT(turns, 1) << "this process had its turns meanwhile";
    Unpacker unpacker(*got);
    EXPECT_EQ(unpacker.number(), 7U);
    EXPECT_EQ(unpacker.text(), "words");
    EXPECT_TRUE(unpacker.complete());
    EXPECT_EQ(unpacker.number(), 0U);
    EXPECT_FALSE(unpacker.complete());
}

TEST(Helper, WhatIsLongerThanAPipeComesWhole) {
    const auto got = run_in_helper([](const auto&) { return std::string(1'000'000, 'x'); }, [] {});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->size(), 1'000'000U);
}

TEST(Helper, ThatIsKilledIsAnError) {
    const auto got = run_in_helper(
        [](const auto&) {
            ::kill(::getpid(), SIGKILL);
            return std::string();
        },
        [] {});
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message().find("killed by signal 9"), std::string::npos);
}

// The work ends as it should although the process that wanted it is killed in the middle, and so is its group.
TEST(Helper, OutlivesTheProcessThatStartedIt) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t parent = ::fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
        ::setpgid(0, 0);
        (void)run_in_helper(
            [&](const auto& orphaned) {
                (void)!::write(ends[1], "b", 1);
                for (int looks = 0; looks < 5000 && !orphaned(); looks++) {
                    sleep_ms(1);
                }
                (void)!::write(ends[1], orphaned() ? "o" : "n", 1);
                return std::string("nobody reads this");
            },
            [] {});
        ::_exit(0);
    }
    char said = 0;
    ASSERT_EQ(::read(ends[0], &said, 1), 1);
    EXPECT_EQ(said, 'b');
    ::kill(-parent, SIGKILL);
    ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
    ASSERT_EQ(::read(ends[0], &said, 1), 1);
    EXPECT_EQ(said, 'o') << "it is told that it works for nobody any more";
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace inflight::act::test
