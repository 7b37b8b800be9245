// SPDX-License-Identifier: Apache-2.0
// A program whose requests wait for good, and `cancel` of all of them.
#pragma once

#include "faults_support.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <utility>

namespace inflight::faults {

// Of kernel AIO, in each kind that has such.
constexpr std::size_t waiting_polls = 7;

// The workload whose requests wait for good; `kind` as it says itself.
class Waiting {
public:
    Waiting(const std::string& folder, const std::string& kind, std::function<void()> in_child = {})
        : process_(Start{.command = {workload("waiting"), folder, kind}, .in_child = std::move(in_child)}) {
        ready_ = process_.wait_for_out("ready\n");
        EXPECT_TRUE(ready_) << process_.err();
    }
    [[nodiscard]] std::string pid() const { return std::to_string(process_.pid()); }
    [[nodiscard]] Process& process() { return process_; }
    [[nodiscard]] std::size_t ended() const { return count_of(process_.out(), "ended "); }
    // No call of it was disturbed.
    [[nodiscard]] bool undisturbed() { return process_.running() && count_of(process_.out(), "returned ") == 0; }

private:
    Process process_;
    bool ready_ = false;
};

inline Lines cancel_all(const std::string& pid, int status, Words more = {}) {
    const Ended ended = run_inflight(Words{"cancel", "-p", pid, "--all", "--yes", "-o", "json"} + more);
    EXPECT_EQ(ended.status, status) << ended.out << ended.err;
    return Lines(ended.out);
}

// Every one was refused, with these words, and the program noticed nothing; as many of its threads stood still.
inline void expect_refused(Waiting& waiting, const Lines& lines, const std::string& words, int stood_still = 0) {
    const auto results = lines.of("cancelled");
    EXPECT_FALSE(results.empty());
    for (const Value* result : results) {
        EXPECT_EQ(text(*result, "verdict"), "refused");
        EXPECT_THAT(text(*result, "reason"), testing::HasSubstr(words));
        EXPECT_EQ(number(*result, "threads_stopped"), stood_still);
        EXPECT_FALSE((*result)["timeout_restarted"].GetBool());
    }
    EXPECT_EQ(waiting.ended(), 0U);
    EXPECT_TRUE(waiting.undisturbed());
}

}  // namespace inflight::faults
