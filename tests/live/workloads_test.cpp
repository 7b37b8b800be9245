// SPDX-License-Identifier: Apache-2.0
// What inflight says about each workload is what the workload says it did, with the hooks of each tier.
//
//     live_tests [--tier fentry|kprobe|tracepoint]... [--scratch DIR] [--require] [--quick] [--calm] [--keep]
//                [GTEST FLAG]...
//
// --require: a tier that cannot be had is a failure. --quick: for emulated machines, less of the same.
// --calm: without the workloads whose threads are in each other's way, for kernels that preempt programs of hooks.
// --keep: leaves the traces and says where.
// Exit status 77: none of the tiers can be had here.
#include "compare.hpp"
#include "expect.hpp"
#include "looking_test.hpp"
#include "session.hpp"
#include "tier_test.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

namespace inflight::live {
namespace {

// ---- of the session over all workloads ----

class WorkloadTest final : public TierTest {
public:
    WorkloadTest(std::string tier, std::string workload) : TierTest(std::move(tier)), workload_(std::move(workload)) {}

    void TestBody() override {
        const WorkloadRun* run = session_->find(workload_);
        ASSERT_NE(run, nullptr) << "it was not run";
        if (run->status == skipped_status) {
            GTEST_SKIP() << run->complained;
        }
        ASSERT_EQ(run->status, 0) << run->complained;
        if (workload_ == "demo") {
            expect_every_verdict(*run);
        } else {
            expect_all(run->printed, run->records, missing_);
        }
    }

private:
    static void expect_every_verdict(const WorkloadRun& run) {
        std::map<std::string, int> verdicts;
        for (const Record* record : run.records) {
            if (record->kind == Kind::cancel) {
                verdicts[(*record)[Key::verdict]]++;
            }
        }
        const std::map<std::string, int> each{{"cancelled", 1},       {"completed-first", 1}, {"already-cancelled", 1},
                                              {"not-cancellable", 1}, {"unknown-request", 1}, {"bad-context", 1},
                                              {"bad-key", 1},         {"bad-pointer", 1}};
        EXPECT_EQ(verdicts, each);
    }

    std::string workload_;
};

class StatusPasses final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        EXPECT_EQ(session_->status(), Session::command_status) << session_->complained();
        EXPECT_EQ(session_->trace().ended_by,
                  fmt::format("the command exited with status {}", Session::command_status));
        EXPECT_EQ(session_->complained(), "");
    }
};

class NothingLost final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        auto loss = session_->trace().loss;
        ASSERT_TRUE(loss.contains("total"));
        if (tier_ == "kprobe") {
            // trace_call_bpf() of kernel/trace/bpf_trace.c skips a kprobe in an interrupt that comes while another
            // one, or a map system call, is at work. io_getevents tells what was missed.
            loss["total"] -= std::exchange(loss["completions_unseen"], 0);
        }
        if (MayBeMissing(*session_).any()) {
            // What a skipped program would have seen shows as an end without a beginning, or the other way round.
            for (const auto* const name : {"programs_skipped", "submissions_unseen", "completions_unseen"}) {
                loss["total"] -= std::exchange(loss[name], 0);
            }
        }
        for (const auto& [name, number] : loss) {
            EXPECT_EQ(number, 0) << name;
        }
    }
};

class LinesMatchSchema final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        EXPECT_GT(session_->trace().lines, 0U);
        for (const std::string& fault : session_->trace().faults) {
            ADD_FAILURE() << fault;
        }
    }
};

class RecordsHaveTheirWorkload final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        const auto strays = session_->strays();
        const bool explained = missing_->take(strays.size());
        for (const Record* record : explained ? std::vector<const Record*>() : strays) {
            ADD_FAILURE() << "at " << record->at_ns << ": " << record->text();
        }
        const auto requests =
            select(session_->trace(), [](const Record& record) { return record.kind == Kind::request; });
        EXPECT_EQ(session_->trace().summary_requests, static_cast<std::int64_t>(requests.size()));
    }
};

// ---- of traces of their own ----

// Begun when the program already has requests in flight.
class Existing final : public TierTest {
public:
    Existing(std::string tier, std::string workload) : TierTest(std::move(tier)), workload_(std::move(workload)) {}

    void TestBody() override {
        const TemporaryFolder folder(settings().places.scratch);
        const auto printed = folder.path() / "existing.expect";
        const auto output = folder.path() / "trace.json";
        Process program({settings().places.workload(workload_), folder.path()}, printed,
                        folder.path() / "existing.err");
        ASSERT_TRUE(eventually([&] { return content_of(printed).starts_with("ready\n"); }, patience));
        Process tracer(trace(output, {"-p", std::to_string(program.pid())}), folder.path() / "trace.out",
                       folder.path() / "trace.err");
        ASSERT_TRUE(eventually([&] { return content_of(output).find('\n') != std::string::npos; }, patience))
            << content_of(folder.path() / "trace.err");
        program.write("\n");
        ASSERT_EQ(program.wait(patience), 0) << content_of(folder.path() / "existing.err");
        tracer.signal(SIGINT);
        ASSERT_TRUE(tracer.wait(patience).has_value());

        const Trace seen = read_trace(output, settings().places.schema);
        EXPECT_EQ(seen.faults, std::vector<std::string>());
        expect_all(content_of(printed), select(seen, [](const Record&) { return true; }));
        const auto existed = select(
            seen, [](const Record& record) { return record.kind == Kind::request && record[Key::existed] == "yes"; });
        EXPECT_EQ(existed.size(), 4U);
        EXPECT_EQ(seen.loss.at("total"), 0);
    }

private:
    std::string workload_;
};

// Every request of a program that logs its own.
class RandomLog final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        const TemporaryFolder folder(settings().places.scratch);
        const auto output = folder.path() / "trace.json";
        const auto log = folder.path() / "log";
        const auto& places = settings().places;
        Process tracer(trace(output, {"--", places.workload("uring_random"), folder.path(), "2",
                                      settings().session.quick ? "2000" : "40000", log}),
                       folder.path() / "trace.out", folder.path() / "trace.err");
        const auto status = tracer.wait(patience * 3);
        const std::string complained = content_of(folder.path() / "trace.err");
        if (status == skipped_status) {
            GTEST_SKIP() << complained;
        }
        ASSERT_EQ(status, 0) << complained;
        const Comparison comparison = compare(log, output);
        for (const std::string& disagreement : comparison.disagreements) {
            ADD_FAILURE() << disagreement;
        }
        EXPECT_EQ(comparison.disagreeing, 0U);
        EXPECT_EQ(comparison.logged, comparison.traced);
        EXPECT_GT(comparison.logged, 0U);
    }
};

// Ended while its programs go on: a request is in flight then, and a call that waits was shown while it did.
class EndsBeforeThePrograms final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        const TemporaryFolder folder(settings().places.scratch);
        const auto output = folder.path() / "trace.json";
        const auto& places = settings().places;
        const std::string script = R"("$0" "$2" 50000 >"$2/blocked.expect" & "$1" "$2" 50 >"$2/end.expect")";
        Process tracer(
            trace(output, {"--duration", "3s", "--", "/bin/sh", "-c", script, places.workload("blocked_getevents"),
                           places.workload("in_flight_at_end"), folder.path()}),
            folder.path() / "trace.out", folder.path() / "trace.err");
        bool shown = false;
        eventually([&] { return (shown = shows_blocked_call(output)) || !tracer.running(); }, patience);
        EXPECT_TRUE(shown) << content_of(output);
        ASSERT_TRUE(tracer.wait(patience).has_value());

        const Trace seen = read_trace(output, places.schema);
        EXPECT_EQ(seen.faults, std::vector<std::string>());
        EXPECT_EQ(content_of(folder.path() / "trace.err"), "");
        expect_all(content_of(folder.path() / "end.expect"),
                   select(seen, [](const Record& record) { return record[Key::comm] == "in_flight_at_en"; }));
        EXPECT_EQ(seen.loss.at("total"), 0);
    }

    static bool shows_blocked_call(const std::filesystem::path& output) {
        std::istringstream lines(content_of(output));
        std::string line;
        while (std::getline(lines, line)) {
            if (line.find(R"("in_progress":true)") != std::string::npos &&
                line.find(R"("event":"io_getevents")") != std::string::npos &&
                line.find(R"("comm":"blocked_geteven")") != std::string::npos) {
                return true;
            }
        }
        return false;
    }
};

// Begun and ended in the middle of a program that submits as fast as it can: neither may look like a loss.
class BeginsAndEndsInTheMiddle final : public TierTest {
public:
    using TierTest::TierTest;
    void TestBody() override {
        if (tier_ == "kprobe") {
            GTEST_SKIP() << "a kprobe set while another CPU runs the function panics an emulated machine's kernel: "
                            "`echo p:x aio_poll_queue_proc >kprobe_events`, enabled and disabled beside `spin`, does";
        }
        if (settings().session.quick) {
            GTEST_SKIP() << "on an emulated machine the reader cannot follow";
        }
        const TemporaryFolder folder(settings().places.scratch);
        const auto output = folder.path() / "trace.json";
        Process program({settings().places.workload("spin"), folder.path(), "60000"}, folder.path() / "spin.out",
                        folder.path() / "spin.err");
        Process tracer(trace(output, {"--duration", "400ms", "--outcome", "failed,abandoned,in-flight", "-p",
                                      std::to_string(program.pid())}),
                       folder.path() / "trace.out", folder.path() / "trace.err");
        const auto status = tracer.wait(patience);
        ASSERT_EQ(status, 0) << content_of(folder.path() / "trace.err");
        ASSERT_TRUE(program.running()) << content_of(folder.path() / "spin.err");
        const Trace seen = read_trace(output, settings().places.schema);
        EXPECT_EQ(seen.faults, std::vector<std::string>());
        if (seen.loss.at("records_lost") != 0) {
            GTEST_SKIP() << "the reader was too slow here: it lost " << seen.loss.at("records_lost");
        }
        EXPECT_EQ(seen.loss.at("total"), 0);
        const auto rest = select(seen, [](const Record& record) { return record.kind == Kind::request; });
        EXPECT_LE(rest.size(), 16U) << "of one batch, in flight at the end";
        for (const Record* request : rest) {
            EXPECT_EQ((*request)[Key::outcome], "in-flight");
        }
    }
};

// ---- of several tiers ----

// The same requests and verdicts whatever the hooks. Left out: workloads in which a race or the clock decides.
class TiersAgree : public testing::Test {
public:
    explicit TiersAgree(std::string workload) : workload_(std::move(workload)) {}

    void TestBody() override {
        std::map<std::string, std::multiset<std::string>> seen;
        for (const std::string& tier : settings().tiers) {
            const Attempt& made = attempt_of(tier);
            const WorkloadRun* run = made.session ? made.session->find(workload_) : nullptr;
            if (run == nullptr || run->status != 0) {
                continue;
            }
            const bool whole = !MayBeMissing(*made.session).any() || holds(*run);
            if (whole) {
                seen[tier] = normalised(*run);
            }
        }
        if (seen.size() < 2) {
            GTEST_SKIP() << "fewer than two tiers ran it";
        }
        for (const auto& [tier, texts] : seen) {
            const auto& others = seen.begin()->second;
            EXPECT_EQ(difference(texts, others), "") << "only with " << tier << ", not with " << seen.begin()->first;
            EXPECT_EQ(difference(others, texts), "") << "only with " << seen.begin()->first << ", not with " << tier;
        }
    }

private:
    static bool holds(const WorkloadRun& run) { return check_expectations(run.printed, run.records).empty(); }

    static std::multiset<std::string> normalised(const WorkloadRun& run) {
        std::multiset<std::string> texts;
        for (const Record* record : run.records) {
            const Record& r = *record;
            if (r.kind == Kind::request) {
                // Whether what came last was reaped from a ring only those know that see the ring's end.
                const bool uring = r[Key::family] == "uring";
                texts.insert(fmt::format("request op={} file_kind={} result={} outcome={} reaped={}", r[Key::op],
                                         r[Key::file_kind], r[Key::result], r[Key::outcome],
                                         uring ? "" : r[Key::reaped]));
            } else if (r.kind == Kind::cancel) {
                texts.insert(fmt::format("cancel ret={} verdict={} target_op={}", r[Key::ret], r[Key::verdict],
                                         r[Key::target_op]));
            } else if (r.kind == Kind::event && r[Key::event] != "io_uring_enter") {  // where the clock decides
                texts.insert(fmt::format("event {} ret={} abi={}", r[Key::event], r[Key::ret], r[Key::abi]));
            } else if (r.kind == Kind::completion) {
                texts.insert(fmt::format("completion op={} result={}", r[Key::op], r[Key::result]));
            } else if (r.kind == Kind::context) {
                texts.insert(fmt::format("context of {}", r[Key::comm]));
            }
        }
        return texts;
    }

    static std::string difference(const std::multiset<std::string>& texts, const std::multiset<std::string>& others) {
        std::vector<std::string> only;
        std::ranges::set_difference(texts, others, std::back_inserter(only));
        constexpr std::size_t most = 5;
        only.resize(std::min(only.size(), most));
        std::string joined;
        for (const std::string& text : only) {
            joined += text + "\n";
        }
        return joined;
    }

    std::string workload_;
};

// ---- registration ----

template <typename Make>
void add(const std::string& suite, const std::string& name, Make make) {
    testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__, make);
}

template <typename Test>
void add_for(const std::string& tier, const std::string& name) {
    add(tier, name, [tier]() -> TierTest* { return new Test(tier); });
}

void add_tests() {
    static const std::set<std::string> undecided{"cancel_direct", "cancel_fsync",  "cancel_race",
                                                 "demo",          "random",        "spin",
                                                 "uring_random",  "uring_threads", "uring_cancel_race"};
    const auto workloads = settings().places.session_workloads(settings().session.calm);
    for (const std::string& tier : settings().tiers) {
        for (const std::string& workload : workloads) {
            add(tier, workload, [tier, workload]() -> TierTest* { return new WorkloadTest(tier, workload); });
        }
        add_for<StatusPasses>(tier, "exit_status_passes");
        add_for<NothingLost>(tier, "nothing_is_lost");
        add_for<LinesMatchSchema>(tier, "lines_match_the_schema");
        add_for<RecordsHaveTheirWorkload>(tier, "records_have_their_workload");
        add(tier, "trace_begins_later", [tier]() -> TierTest* { return new Existing(tier, "existing"); });
        // io_uring is seen at its own tracepoints whatever the hooks.
        if (tier == "tracepoint") {
            add(tier, "trace_begins_later_for_rings",
                [tier]() -> TierTest* { return new Existing(tier, "uring_existing"); });
        }
        add_for<RandomLog>(tier, "every_request_of_a_log");
        add_for<EndsBeforeThePrograms>(tier, "trace_ends_sooner");
        add_for<BeginsAndEndsInTheMiddle>(tier, "trace_of_the_middle");
        add_looking_tests(
            tier, [&tier](const std::string& name, const std::function<TierTest*()>& make) { add(tier, name, make); });
    }
    for (const std::string& workload : workloads) {
        if (settings().tiers.size() > 1 && !undecided.contains(workload)) {
            add("tiers_agree", workload, [workload]() -> TiersAgree* { return new TiersAgree(workload); });
        }
    }
}

bool take_arguments(const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); i++) {
        const bool more = i + 1 < arguments.size();
        if (arguments[i] == "--tier" && more) {
            settings().tiers.push_back(arguments[++i]);
        } else if (arguments[i] == "--scratch" && more) {
            settings().places.scratch = arguments[++i];
        } else if (arguments[i] == "--require") {
            settings().required = true;
        } else if (arguments[i] == "--keep") {
            settings().session.keep = true;
        } else if (arguments[i] == "--calm") {
            settings().session.calm = true;
        } else if (arguments[i] == "--quick") {
            settings().session.quick = true;
        } else {
            fmt::print(stderr, "live_tests: unknown argument {}\n", arguments[i]);
            return false;
        }
    }
    if (settings().tiers.empty()) {
        settings().tiers = {"fentry", "kprobe", "tracepoint"};
    }
    return true;
}

// Whether all tests were skipped because of what the kernel refuses.
bool nothing_ran() {
    return !settings().required && std::ranges::all_of(settings().tiers, [](const std::string& tier) {
        return !attempt_of(tier).refusal.empty();
    });
}

}  // namespace
}  // namespace inflight::live

int main(int argc, char** argv) {
    using namespace inflight::live;
    testing::InitGoogleTest(&argc, argv);
    if (!take_arguments(std::vector<std::string>(argv + 1, argv + argc))) {
        return 2;
    }
    if (!std::filesystem::exists(settings().places.workloads)) {
        fmt::print(stderr, "live_tests: no workloads in {}\n", settings().places.workloads.string());
        return 2;
    }
    add_tests();
    if (testing::GTEST_FLAG(list_tests)) {
        return RUN_ALL_TESTS();
    }
    const int result = RUN_ALL_TESTS();
    if (result != 0 || !nothing_ran()) {
        return result;
    }
    for (const std::string& tier : settings().tiers) {
        fmt::print("skipped: {}: {}\n", tier, attempt_of(tier).refusal);
    }
    return skipped_status;
}
