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

// Linux 7 skips the program of a hook that is preempted (docs/kernels.md). It is counted as lost, and costs the lines
// of one request at most, with its cancel. So many lines of all workloads together may be missing in a calm session; 0
// in any other, where nothing may be.
class MayBeMissing {
public:
    explicit MayBeMissing(const Session& session);

    [[nodiscard]] bool any() const { return left_ != 0; }
    // False: there are more of them than may be.
    [[nodiscard]] bool take(std::size_t lines);

private:
    std::size_t left_;
};

// What became of the session of a tier: it is tried once.
struct Attempt {
    std::unique_ptr<Session> session;
    std::unique_ptr<MayBeMissing> missing;
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
    MayBeMissing* missing_ = nullptr;
};

void expect_all(const std::string& printed, const std::vector<const Record*>& records, MayBeMissing* missing = nullptr);

[[nodiscard]] std::vector<const Record*> select(const Trace& trace,
                                                const std::function<bool(const Record&)>& condition);

}  // namespace inflight::live
