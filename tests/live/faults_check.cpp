// SPDX-License-Identifier: Apache-2.0
// `inflight check` as the gate that it is: silent about what is clean, certain about what is not, and its exit status.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <thread>

namespace inflight::faults {
namespace {

class Checks : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

using Codes = std::set<std::string>;

constexpr int skipped = 77;
// A loaded machine may keep any call waiting; what is sought by the clock has its own list below.
const Words patient{"--slow-submit", "5s", "--unreaped", "30s", "--sqpoll-asleep", "30s", "--stuck", "60s"};

// All that deserves attention in the workloads; the others have nothing that is warn or worse.
const std::map<std::string, Codes> corrupting{
    {"cancel_same_iocb_twice", {"iocb-reused"}}, {"overlap", {"buffer-overlap"}},
    {"uring_cancel_many", {"user-data-reuse"}},  {"uring_overflow", {"cq-overflow"}},
    {"uring_overlap", {"buffer-overlap"}},       {"uring_reuse_user_data", {"user-data-reuse"}},
    {"uring_unmap", {"memory-unmapped"}},        {"uring_unregister", {"buffer-unregistered"}},
};
const std::vector<std::string> waiting_in_submit{"changed_iocb", "demo", "failed", "slow_submit"};
// One buffer for all that a thread does, in an order that is luck: what meets what differs each time. Those from
// `reuse` on go on until somebody ends them.
const Codes undecided{"random",    "uring_random", "reuse",    "unreaped", "waiting",
                      "waiting32", "standing",     "identity", "left"};

struct Checked {
    Ended ended;
    std::string found;
};

Checked check(const Words& arguments, const Words& command) {
    const Folder folder;
    const std::string file = folder / "found";
    Checked checked;
    checked.ended = run_inflight(Words{"check", "--output", file} + arguments + Words{"--"} + command);
    checked.found = read_file(file);
    return checked;
}

Checked check_workload(const Words& arguments, const std::string& name) {
    const Folder folder;
    return check(arguments, {workload(name), folder.path()});
}

// Of warn or worse.
Codes codes_of(const Lines& lines) {
    Codes codes;
    for (const auto* finding : lines.of("finding")) {
        if (text(*finding, "severity") != "info") {
            codes.insert(text(*finding, "code"));
        }
    }
    return codes;
}

TEST_F(Checks, EveryWorkloadHasWhatItShouldAndNoMore) {
    int clean = 0;
    int found = 0;
    // Every program that there is, so that a new one has to be judged.
    for (const auto& name : all_workloads()) {
        if (undecided.contains(name)) {
            continue;
        }
        const auto known = corrupting.find(name);
        const Codes expected = known == corrupting.end() ? Codes{} : known->second;
        // Room for all that the fastest of them does: this is not about speed.
        const auto checked =
            check_workload(patient + Words{"-o", "json", "--fail-on", "warn", "--buffer", "256M"}, name);
        if (checked.ended.status == skipped) {
            continue;
        }
        const Lines lines(checked.found);
        EXPECT_EQ(codes_of(lines), expected) << name << "\n" << checked.found;
        EXPECT_EQ(checked.ended.status, expected.empty() ? 0 : 1) << name << "\n" << checked.found << checked.ended.err;
        EXPECT_EQ(number(lines.one("loss"), "total"), 0) << name;
        EXPECT_EQ(text(lines.one("summary"), "ended_by"), "the command exited with status 0") << name;
        (expected.empty() ? clean : found)++;
    }
    EXPECT_GT(clean, 50);
    EXPECT_GT(found, 4);
}

TEST_F(Checks, SubmissionsThatWait) {
    for (const auto& name : waiting_in_submit) {
        const auto checked = check_workload({"-o", "json"}, name);
        if (checked.ended.status == skipped) {
            continue;
        }
        EXPECT_EQ(checked.ended.status, 1) << name;
        EXPECT_EQ(codes_of(Lines(checked.found)), Codes{"slow-submit"}) << name << "\n" << checked.found;
    }
}

// Correct programs that the clock alone would accuse.
TEST_F(Checks, ProgramsThatWaitForABatch) {
    const auto checked =
        check_workload({"-o", "json", "--unreaped", "150ms", "--slow-submit", "5s"}, "waits_for_batch");
    EXPECT_EQ(checked.ended.status, 0) << checked.found << checked.ended.err;
    EXPECT_EQ(codes_of(Lines(checked.found)), Codes{}) << checked.found;
}

TEST_F(Checks, SubmissionsThatHaveWorkOrNoProcessor) {
    const Folder folder;
    std::vector<std::unique_ptr<Process>> busy;
    for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency() + 1; i++) {
        busy.push_back(std::make_unique<Process>(Start{.command = {}, .in_child = [] {
                                                           for (std::atomic<unsigned> turns = 0;; turns++) {
                                                           }
                                                       }}));
    }
    for (const std::string name : {"uring_nop_many", "spin"}) {
        const auto checked = check_workload({"-o", "json", "--slow-submit", "10ms", "--unreaped", "30s"}, name);
        if (checked.ended.status == skipped) {
            continue;
        }
        EXPECT_EQ(codes_of(Lines(checked.found)), Codes{}) << name << "\n" << checked.found;
    }
}

struct Pair {
    std::string workload;
    std::string code;
    std::string op;
};

TEST_F(Checks, BothRequestsAreTold) {
    for (const auto& [name, code, op] : {Pair{"overlap", "buffer-overlap", "pread"},
                                         {"uring_overlap", "buffer-overlap", "read"},
                                         {"cancel_same_iocb_twice", "iocb-reused", "poll"}}) {
        const auto checked = check_workload(patient + Words{"-o", "json"}, name);
        EXPECT_EQ(checked.ended.status, 1) << name << checked.ended.err;
        const Lines lines(checked.found);
        const auto& finding = lines.one("finding");
        EXPECT_EQ(text(finding, "code"), code) << name;
        ASSERT_TRUE(finding.HasMember("requests")) << name;
        const auto& requests = finding["requests"];
        ASSERT_EQ(requests.Size(), 2U) << name;
        EXPECT_NE(text(requests[0], "user_data"), text(requests[1], "user_data")) << name;
        for (const auto& request : requests.GetArray()) {
            EXPECT_EQ(text(request, "op"), op) << name;
            EXPECT_EQ(count_of(checked.ended.out, "user_data=" + text(request, "user_data") + " "), 1U)
                << "not one of " << name;
        }
        // The same in words.
        const auto words = check_workload(patient, name);
        EXPECT_EQ(count_of(words.found, " " + code + ": "), 1U) << words.found;
        EXPECT_EQ(count_of(words.found, "request: " + op), 2U) << words.found;
        EXPECT_EQ(count_of(words.found, "1 finding ("), 1U) << words.found;
    }
}

TEST_F(Checks, BufferThatWasTakenAway) {
    const auto checked = check_workload(patient + Words{"-o", "json"}, "uring_unregister");
    EXPECT_EQ(checked.ended.status, 1);
    const Lines lines(checked.found);
    const auto& finding = lines.one("finding");
    EXPECT_EQ(text(finding, "code"), "buffer-unregistered");
    EXPECT_EQ(text(finding, "severity"), "warn");
    ASSERT_EQ(finding["requests"].Size(), 1U);
    EXPECT_EQ(text(finding["requests"][0], "op"), "read_fixed");
}

TEST_F(Checks, StatusIsTheCommandsIfNothingIsFound) {
    EXPECT_EQ(check({}, {"true"}).ended.status, 0);
    EXPECT_EQ(check({}, {"sh", "-c", "exit 7"}).ended.status, 7);
    EXPECT_EQ(check({}, {"sh", "-c", "kill -KILL $$"}).ended.status, 128 + SIGKILL);
    EXPECT_EQ(check({}, {"no-such-command-in-path"}).ended.status, 127);
}

TEST_F(Checks, StatusIsOneForWhatIsBadEnough) {
    EXPECT_EQ(check_workload(patient + Words{"--fail-on", "critical"}, "uring_overlap").ended.status, 1);
    EXPECT_EQ(check_workload(patient + Words{"--fail-on", "warn"}, "uring_unregister").ended.status, 1);
    EXPECT_EQ(check_workload(patient + Words{"--fail-on", "critical"}, "uring_unregister").ended.status, 0);
    EXPECT_EQ(check_workload(patient + Words{"--fail-on", "info"}, "uring_exit_in_flight").ended.status, 1);
    EXPECT_EQ(check_workload(patient + Words{"--fail-on", "warn"}, "uring_exit_in_flight").ended.status, 0);
    // A finding goes before the command's own failure, not after it.
    const Folder folder;
    const auto script = fmt::format("{} {}; exit 7", workload("uring_overlap"), folder.path());
    EXPECT_EQ(check(patient, {"sh", "-c", script}).ended.status, 1);
    EXPECT_EQ(check(patient + Words{"--family", "aio"}, {"sh", "-c", script}).ended.status, 7);
}

TEST_F(Checks, StatusIsTwoForWhatIsNoOption) {
    const Folder folder;
    const std::string marker = folder / "ran";
    for (const Words& options :
         {Words{"--fail-on", "terrible"}, {"--fail-on", ""}, {"--nonsense"}, {"-o", "tracee"}, {"--stuck", "soon"}}) {
        const auto ended = run_inflight(Words{"check"} + options + Words{"--", "touch", marker});
        EXPECT_EQ(ended.status, 2) << options[0];
        EXPECT_EQ(ended.out, "") << options[0];
        EXPECT_NE(ended.err.find(options[0] == "-o" ? "--format" : options[0]), std::string::npos) << ended.err;
    }
    EXPECT_FALSE(exists(marker));
}

// A running program, until SIGINT: the gate is shut by what was found, not by the signal.
TEST_F(Checks, OfARunningProgram) {
    const Folder folder;
    for (const bool bad : {false, true}) {
        Gated gated(bad ? "uring_overlap" : "uring_read_write", folder.path());
        Process tracer(Words{inflight_path(), "check", "-o", "json", "-p", std::to_string(gated.pid())} + patient);
        ASSERT_TRUE(wait_until([&] { return !tracer.running() || tracer.out().find('\n') != std::string::npos; }));
        gated.go();
        tracer.signal(SIGINT);
        tracer.wait();
        EXPECT_EQ(tracer.status(), bad ? 1 : 0) << tracer.err();
        EXPECT_EQ(codes_of(Lines(tracer.out())), bad ? Codes{"buffer-overlap"} : Codes{});
    }
}

}  // namespace
}  // namespace inflight::faults
