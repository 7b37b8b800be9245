// SPDX-License-Identifier: Apache-2.0
// What is shown and what is said to be lost, beside the kernel's own tracepoints as perf counts them.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <map>
#include <set>
#include <sstream>

namespace inflight::faults {
namespace {

// They go on until somebody ends them, or for very long.
// perf counts no call of a 32-bit program.
const std::set<std::string> not_compared{"compat_i386", "left",     "reuse",    "unreaped", "waiting",
                                         "waiting32",   "standing", "identity", "threads"};
constexpr int skipped = 77;

using Counts = std::map<std::string, std::int64_t>;

// "12345,,io_uring:io_uring_submit_req,...": the value, its unit, the event.
Counts counts_in(const std::string& text) {
    Counts counts;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string value;
        std::string unit;
        std::string event;
        if (std::getline(fields, value, ',') && std::getline(fields, unit, ',') && std::getline(fields, event, ',')) {
            std::int64_t number = -1;
            std::from_chars(value.data(), value.data() + value.size(), number);
            counts[event] = number;
        }
    }
    return counts;
}

TEST(CountsOfPerf, AreWhatIsShownAndWhatIsLost) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    const std::string submit = "io_uring:io_uring_submit_req";
    const Words calls{"io_setup", "io_destroy", "io_submit", "io_cancel", "io_uring_enter"};
    Words events{"-e", submit};
    for (const auto& call : calls) {
        events.insert(events.end(), {"-e", "syscalls:sys_enter_" + call});
    }
    if (const auto trial = run(Words{"perf", "stat", "-x", ","} + events + Words{"--", "true"}); trial.status != 0) {
        GTEST_SKIP() << "perf stat cannot count these: " << trial.err;
    }
    int compared = 0;
    for (const auto& name : all_workloads()) {
        if (not_compared.contains(name)) {
            continue;
        }
        const Folder folder;
        const std::string counted = folder / "perf";
        const auto traced =
            trace({"--events", "--buffer", "256M"}, Words{"perf", "stat", "-x", ",", "-o", counted} + events +
                                                        Words{"--", std::string(workload(name)), folder.path()});
        const auto counts = counts_in(read_file(counted));
        if (traced.ended.status == skipped || !counts.contains(submit)) {
            continue;
        }
        std::int64_t requests = 0;
        for (const auto* request : traced.lines.of("request")) {
            // What is refused when its SQE is read is never submitted.
            requests += text(*request, "family") == "uring" && !(*request)["uring"]["prep_failed"].GetBool() ? 1 : 0;
        }
        const std::int64_t lost = number(traced.lines.one("loss"), "total");
        EXPECT_EQ(requests, counts.at(submit)) << name;
        EXPECT_EQ(lost, 0) << name;
        for (const auto& call : calls) {
            std::int64_t shown = 0;
            for (const auto* event : traced.lines.of("event")) {
                // A call that blocks has two events: one while it blocks, one when it returns.
                shown += text(*event, "event") == call && !(*event)["in_progress"].GetBool() ? 1 : 0;
            }
            EXPECT_EQ(shown, counts.at("syscalls:sys_enter_" + call)) << name << " " << call;
        }
        compared++;
    }
    EXPECT_GT(compared, 80);
}

}  // namespace
}  // namespace inflight::faults
