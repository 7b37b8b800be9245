// SPDX-License-Identifier: Apache-2.0
// Numbers: many contexts and requests, two tracers, addresses used again, the account of losses, aio-nr.
#include "faults_aio.hpp"
#include "faults_support.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace inflight::faults {
namespace {

class Numbers : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

constexpr int cannot_be_done_here = 77;  // what a workload exits with

TEST_F(Numbers, ManyContexts) {
    const Folder folder;
    const auto traced = trace({}, {workload("many_contexts"), folder.path()});
    if (traced.ended.status == cannot_be_done_here) {
        GTEST_SKIP() << traced.ended.err;
    }
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto& summary = traced.lines.one("summary");
    EXPECT_EQ(number(summary, "requests"), totals_of(traced.ended.out).requests);
    EXPECT_EQ(number(summary, "requests"), 300);
    EXPECT_EQ(number(summary, "cancels"), 100);
    EXPECT_EQ(number(summary, "outcomes", "abandoned"), 100);
    EXPECT_EQ(number(summary, "outcomes", "cancelled"), 100);
    EXPECT_EQ(number(summary, "outcomes", "completed"), 100);
    EXPECT_EQ(number(summary, "lost"), 0);
    const auto contexts = summary["contexts"].GetArray();
    EXPECT_EQ(contexts.Size(), 100U);
    std::set<std::string> addresses;
    for (const auto& context : contexts) {
        addresses.insert(text(context, "context"));
        EXPECT_EQ(number(context, "in_flight_max"), 3);
        EXPECT_EQ(number(context, "submitted"), 3);
        EXPECT_EQ(number(context, "completed"), 3);
        EXPECT_EQ(number(context, "in_flight"), 0);
        EXPECT_EQ(text(context, "change"), "destroyed");
        EXPECT_FALSE(context["by_exit"].GetBool());
    }
    EXPECT_EQ(addresses.size(), 100U);
}

TEST_F(Numbers, FiftyThousandInFlight) {
    const Folder folder;
    const auto traced = trace({}, {workload("many_requests"), folder.path()});
    if (traced.ended.status == cannot_be_done_here) {
        GTEST_SKIP() << traced.ended.err;
    }
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto& summary = traced.lines.one("summary");
    EXPECT_EQ(number(summary, "requests"), 50'000);
    EXPECT_EQ(number(summary, "outcomes", "abandoned"), 50'000);
    EXPECT_EQ(number(summary, "lost"), 0);
    ASSERT_EQ(summary["contexts"].Size(), 1U);
    EXPECT_EQ(number(summary["contexts"][0], "in_flight_max"), 50'000);
    EXPECT_GE(number(summary["contexts"][0], "capacity"), 50'000);
    std::set<std::string> user_data;
    std::set<std::string> addresses;
    for (const auto* request : traced.lines.of("request")) {
        user_data.insert(text(*request, "user_data"));
        addresses.insert(text(*request, "address"));
    }
    EXPECT_EQ(user_data.size(), 50'000U);
    EXPECT_EQ(addresses.size(), 50'000U);
}

TEST_F(Numbers, TracersAtTheSameTime) {
    const Folder folder;
    Gated gated("read_write", folder.path());
    const auto pid = std::to_string(gated.pid());
    Tracer first({"-p", pid, "--events"});
    Tracer second({"-p", pid});
    Tracer machine({"--events"});
    gated.go();
    const auto expected = totals_of(gated.out()).requests;
    std::vector<Lines> all;
    for (auto* tracer : {&first, &second, &machine}) {
        all.push_back(tracer->end());
        EXPECT_EQ(number(all.back().one("loss"), "records_lost"), 0);
    }
    std::vector<std::vector<std::string>> seen;
    for (const auto& lines : all) {
        auto& identities = seen.emplace_back();
        for (const auto* request : lines.requests_of(gated.pid())) {
            identities.push_back(fmt::format("{} {} {} {}", text(*request, "user_data"), text(*request, "op"),
                                             number(*request, "result"), text(*request, "outcome")));
        }
        std::ranges::sort(identities);
        EXPECT_EQ(static_cast<std::int64_t>(identities.size()), expected);
    }
    EXPECT_EQ(seen.at(0), seen.at(1));
    EXPECT_EQ(seen.at(0), seen.at(2));
    EXPECT_EQ(all.at(0).of("request").size(), seen.at(0).size()) << "requests of others, though filtered by pid";
}

TEST_F(Numbers, OneAddressAThousandTimes) {
    const Folder folder;
    const auto traced = trace({}, {workload("reuse_iocb"), folder.path()});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto requests = traced.lines.of("request");
    EXPECT_EQ(requests.size(), 1000U);
    std::set<std::string> addresses;
    std::set<std::string> user_data;
    for (const auto* request : requests) {
        addresses.insert(text(*request, "address"));
        user_data.insert(text(*request, "user_data"));
        EXPECT_EQ(text(*request, "outcome"), "completed");
        EXPECT_NE(number(*request, "reap_ns"), -1);
    }
    EXPECT_EQ(addresses.size(), 1U);
    EXPECT_EQ(user_data.size(), 1000U);
    EXPECT_EQ(traced.lines.requests_with("op", "poll").size(), 500U);
    EXPECT_EQ(traced.lines.requests_with("op", "pread").size(), 500U);
}

TEST_F(Numbers, OneIocbTwiceInFlight) {
    const Folder folder;
    const auto traced = trace({}, {workload("cancel_same_iocb_twice"), folder.path()});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto& summary = traced.lines.one("summary");
    EXPECT_EQ(number(summary, "requests"), 4);
    EXPECT_EQ(number(summary, "outcomes", "cancelled"), 3);
    EXPECT_EQ(number(summary, "outcomes", "completed"), 1);
    EXPECT_EQ(number(summary, "verdicts", "cancelled"), 3);
    EXPECT_EQ(number(summary, "verdicts", "already-cancelled"), 1);
    EXPECT_EQ(number(summary, "cancels"), 4);
    // Each cancel that took one names another target.
    std::set<std::string> targets;
    for (const auto* cancel : traced.lines.of("cancel")) {
        if (text(*cancel, "verdict") == "cancelled") {
            ASSERT_TRUE((*cancel)["target"].IsObject());
            targets.insert(text((*cancel)["target"], "user_data"));
        }
    }
    EXPECT_EQ(targets.size(), 3U);
}

// A buffer of one page each loses most of the records: every one of them must be counted.
TEST_F(Numbers, AccountOfLosses) {
    const Folder folder;
    const auto traced = trace({"--buffer", "4096"}, {workload("spin"), folder.path(), "500"});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto& loss = traced.lines.one("loss");
    const auto& summary = traced.lines.one("summary");
    std::int64_t lost = 0;
    std::int64_t requests_lost = 0;
    for (const auto& cpu : loss["cpus"].GetArray()) {
        for (const auto& kind : cpu["kinds"].GetArray()) {
            EXPECT_EQ(number(kind, "generated"), number(kind, "delivered") + number(kind, "lost"))
                << "CPU " << number(cpu, "cpu") << ", " << text(kind, "kind");
            lost += number(kind, "lost");
            requests_lost += text(kind, "kind") == "request" ? number(kind, "lost") : 0;
        }
    }
    EXPECT_GT(requests_lost, 0) << "nothing was lost: the test proves nothing";
    EXPECT_EQ(number(loss, "records_lost"), lost);
    std::int64_t total = lost;
    for (const char* other : {"requests_untracked", "calls_untracked", "contexts_untracked", "exits_missed",
                              "programs_skipped", "completions_unseen", "submissions_unseen", "out_of_order"}) {
        total += number(loss, other);
    }
    EXPECT_EQ(number(loss, "total"), total);
    EXPECT_EQ(number(summary, "lost"), total);
    EXPECT_EQ(static_cast<std::int64_t>(traced.lines.of("request").size()), number(summary, "requests"));
    // What was not seen complete though its event was reaped is among the requests, and its record among the lost.
    EXPECT_EQ(number(summary, "requests") - number(loss, "completions_unseen") + requests_lost,
              totals_of(traced.ended.out).requests);
}

TEST_F(Numbers, TextSaysWhatIsLost) {
    const Folder folder;
    const std::string file = folder / "trace";
    const auto ended =
        run_inflight({"trace", "--buffer", "4096", "--output", file, "--", workload("spin"), folder.path(), "300"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    const auto lines = lines_of(read_file(file));
    const auto said = std::ranges::find_if(lines, [](const std::string& line) { return line.starts_with("lost "); });
    ASSERT_NE(said, lines.end());
    EXPECT_NE(*said, "lost 0");
    const auto quiet = run_inflight({"trace", "--output", file, "--", "true"});
    EXPECT_TRUE(read_file(file).ends_with("\nlost 0\n")) << read_file(file);
}

// What was lost may be what a cancel meant, live and in a capture of the same run.
TEST_F(Numbers, LeaveNoCancelCertainAfterLosses) {
    const Folder folder;
    const std::string capture = folder / "lossy.capture";
    const auto traced = trace({"--buffer", "4096", "--save", capture}, {workload("cancel_after_many"), folder.path()});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto reported = run_inflight({"report", "-o", "json", capture});
    const Lines report(reported.out);
    ASSERT_GT(number(traced.lines.one("loss"), "records_lost"), 0) << "nothing was lost: the test proves nothing";
    for (const Lines* lines : {&traced.lines, &report}) {
        const auto& cancel = lines->one("cancel");
        EXPECT_FALSE(cancel["certain"].GetBool()) << text(cancel, "verdict") << ": " << text(cancel, "reason");
    }
    const auto whole = trace({}, {workload("cancel_after_many"), folder.path()});
    EXPECT_TRUE(whole.lines.one("cancel")["certain"].GetBool());
}

// A process that holds contexts of these sizes, each with a poll that never ends.
Start holder(const std::vector<unsigned>& sizes) {
    return {.command = {}, .in_child = [sizes] {
                const int never = ::eventfd(0, 0);
                for (const unsigned size : sizes) {
                    const auto context = aio::setup(size);
                    iocb poll = aio::make(IOCB_CMD_POLL, never, size);
                    if (context == 0 || !aio::submit(context, poll)) {
                        ::_exit(1);
                    }
                }
                static_cast<void>(::write(STDOUT_FILENO, "ready\n", 6));
                ::pause();
            }};
}

// The kernel's own count is the sum of what the contexts take; other programs may change it meanwhile.
TEST_F(Numbers, SumOfContextsIsAioNr) {
    const std::vector<unsigned> sizes{1, 8, 100, 1000, 3000};
    Process process(holder(sizes));
    ASSERT_TRUE(process.wait_for_out("ready"));
    bool compared = false;
    for (int attempt = 0; attempt < 10 && !compared; attempt++) {
        Tracer tracer(Words{});
        const auto before = static_cast<std::int64_t>(read_number("/proc/sys/fs/aio-nr"));
        const auto lines = tracer.end();
        const auto after = static_cast<std::int64_t>(read_number("/proc/sys/fs/aio-nr"));
        const auto& summary = lines.one("summary");
        std::int64_t sum = 0;
        std::vector<unsigned> mine;
        for (const auto& context : summary["contexts"].GetArray()) {
            if (context["destroyed_ns"].IsNull()) {
                sum += number(context, "max_requests");
                if (number(context, "pid") == process.pid()) {
                    mine.push_back(static_cast<unsigned>(number(context, "max_requests")));
                    EXPECT_EQ(number(context, "in_flight"), 1);
                }
            }
        }
        std::ranges::sort(mine);
        EXPECT_EQ(mine, sizes);
        EXPECT_EQ(number(summary, "aio_max_nr"), static_cast<std::int64_t>(read_number("/proc/sys/fs/aio-max-nr")));
        if (before == after && number(summary, "aio_nr") == before) {
            compared = sum == before;
            EXPECT_TRUE(compared || attempt < 9) << sum << " is not " << before;
        }
    }
    if (!compared) {
        GTEST_SKIP() << "others change aio-nr all the time";
    }
}

}  // namespace
}  // namespace inflight::faults
