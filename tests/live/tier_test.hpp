// SPDX-License-Identifier: Apache-2.0
// What the tests of a tier share: the settings, the session over all workloads, and how to say what is wrong.
#pragma once

#include "session.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace inflight::live {

// An emulated kernel beside another one takes a minute to attach all hooks.
inline constexpr std::chrono::seconds patience(180);
inline constexpr int skipped_status = 77;

struct Settings {
    Places places = Places::beside_this_program();
    std::vector<std::string> tiers;
    bool required = false;
    SessionOptions session;
};

[[nodiscard]] Settings& settings();

// What became of the session of a tier: it is tried once.
struct Attempt {
    std::unique_ptr<Session> session;
    std::string refusal;
    std::string error;
};

[[nodiscard]] const Attempt& attempt_of(const std::string& tier);

class TierTest : public testing::Test {
public:
    explicit TierTest(std::string tier) : tier_(std::move(tier)) {}

protected:
    void SetUp() override;

    [[nodiscard]] std::vector<std::string> trace(const std::filesystem::path& output,
                                                 const std::vector<std::string>& rest) const;

    std::string tier_;
    const Session* session_ = nullptr;
};

// So many lines of each workload may be missing: Linux 7 skips the program of a hook that is preempted
// (docs/kernels.md), which costs one request at most, with its cancel, and is counted as lost. 0 but for a calm
// session.
[[nodiscard]] std::size_t lines_that_may_be_missing(const Session& session);

void expect_all(const std::string& printed, const std::vector<const Record*>& records, std::size_t may_be_missing = 0);

[[nodiscard]] std::vector<const Record*> select(const Trace& trace,
                                                const std::function<bool(const Record&)>& condition);

}  // namespace inflight::live
