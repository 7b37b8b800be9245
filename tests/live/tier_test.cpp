// SPDX-License-Identifier: Apache-2.0
#include "tier_test.hpp"

#include "expect.hpp"

#include <fmt/format.h>

#include <map>

namespace inflight::live {

namespace {

Attempt attempt(const std::string& tier) {
    Attempt made;
    try {
        made.session = std::make_unique<Session>(settings().places, tier, settings().session);
        made.missing = std::make_unique<MayBeMissing>(*made.session);
    } catch (const std::exception& failure) {
        made.error = failure.what();
    }
    return made;
}

// Only after a failure: to try the hooks once more takes as long as the first time.
void ask_why(Attempt& made, const std::string& tier) {
    try {
        made.refusal = refusal_of(settings().places, tier).value_or("");
    } catch (const std::exception& failure) {
        made.error += failure.what();
    }
}

}  // namespace

Settings& settings() {
    static Settings settings;
    return settings;
}

const Attempt& attempt_of(const std::string& tier) {
    static std::map<std::string, Attempt> attempts;
    const auto found = attempts.find(tier);
    if (found != attempts.end()) {
        return found->second;
    }
    Attempt& made = attempts.emplace(tier, attempt(tier)).first->second;
    if (!made.session) {
        ask_why(made, tier);
    }
    return made;
}

void TierTest::SetUp() {
    const Attempt& made = attempt_of(tier_);
    if (!made.refusal.empty() && !settings().required) {
        GTEST_SKIP() << made.refusal;
    }
    ASSERT_NE(made.session, nullptr) << made.error;
    session_ = made.session.get();
    missing_ = made.missing.get();
}

std::vector<std::string> TierTest::trace(const std::filesystem::path& output,
                                         const std::vector<std::string>& rest) const {
    auto command = trace_command(settings().places, tier_, output);
    command.insert(command.end(), rest.begin(), rest.end());
    return command;
}

MayBeMissing::MayBeMissing(const Session& session) : left_(0) {
    constexpr std::size_t lines_of_a_request = 4;
    const auto& loss = session.trace().loss;
    const auto skipped = loss.find("programs_skipped");
    if (settings().session.calm && skipped != loss.end()) {
        left_ = lines_of_a_request * static_cast<std::size_t>(skipped->second);
    }
}

bool MayBeMissing::take(std::size_t lines) {
    const bool enough = lines <= left_;
    left_ -= enough ? lines : 0;
    return enough;
}

void expect_all(const std::string& printed, const std::vector<const Record*>& records, MayBeMissing* missing) {
    EXPECT_NE(printed.find("expect totals "), std::string::npos) << "it printed no totals:\n" << printed;
    constexpr std::size_t most = 8;  // what is wrong with one line is wrong with many
    const auto failures = check_expectations(printed, records);
    if (!failures.empty() && missing != nullptr && missing->take(failures.size())) {
        fmt::print("{} lines do not hold, and programs were skipped; the first: {}\n", failures.size(),
                   failures.front());
        return;
    }
    for (std::size_t i = 0; i < failures.size() && i < most; i++) {
        ADD_FAILURE() << failures[i];
    }
    EXPECT_LE(failures.size(), most) << "lines do not hold";
}

std::vector<const Record*> select(const Trace& trace, const std::function<bool(const Record&)>& condition) {
    std::vector<const Record*> selected;
    for (const Record& record : trace.records) {
        if (condition(record)) {
            selected.push_back(&record);
        }
    }
    return selected;
}

}  // namespace inflight::live
