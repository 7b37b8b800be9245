// SPDX-License-Identifier: Apache-2.0
// `inflight stat` and `inflight hist` beside what programs say of themselves: fio's own totals, workloads, filters,
// signals, and what keeps them from beginning.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace inflight::faults {
namespace {

class Stat : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

struct Counted {
    Ended ended;
    Lines lines;

    // The keys of the whole run.
    [[nodiscard]] std::vector<const Value*> keys() const {
        auto found = lines.of("key");
        std::erase_if(found, [](const Value* each) { return text(*each, "period") != "run"; });
        return found;
    }
    [[nodiscard]] const Value& all() const {
        for (const auto* each : lines.of("all")) {
            if (text(*each, "period") == "run") {
                return *each;
            }
        }
        static const Value none(rapidjson::kObjectType);
        ADD_FAILURE() << "no counts of the whole run: " << ended.err;
        return none;
    }
    // Of all keys that begin so.
    [[nodiscard]] std::int64_t sum(std::string_view key, const char* field) const {
        std::int64_t total = 0;
        for (const auto* each : keys()) {
            total += text(*each, "key").starts_with(key) ? number(*each, field) : 0;
        }
        return total;
    }
};

Counted count(Words arguments, Words command) {
    const Folder folder;
    const std::string file = folder / "stat.json";
    Counted counted;
    Words words = Words{"stat", "-o", "json", "--output", file} + arguments;
    if (!command.empty()) {
        words = words + Words{"--"} + command;
    }
    counted.ended = run_inflight(words);
    counted.lines = Lines(read_file(file));
    return counted;
}

struct FioTotals {
    std::int64_t requests = 0;
    std::int64_t bytes = 0;
};

FioTotals fio_totals(const std::string& file, const char* direction) {
    rapidjson::Document report;
    report.Parse(read_file(file).c_str());
    FioTotals totals;
    if (report.HasParseError() || !report.HasMember("jobs")) {
        ADD_FAILURE() << "fio's report does not parse";
        return totals;
    }
    for (const auto& job : report["jobs"].GetArray()) {
        totals.requests += number(job, direction, "total_ios");
        totals.bytes += number(job, direction, "io_bytes");
    }
    return totals;
}

struct FioCase {
    std::string name;
    std::string engine;
    std::string rw;
    std::string direct;
    std::string jobs;
};

class StatFio : public Stat, public testing::WithParamInterface<FioCase> {};

TEST_P(StatFio, CountsWhatFioCounts) {
    const auto fio = find_program("fio");
    if (!fio) {
        GTEST_SKIP() << "no fio here";
    }
    const auto& each = GetParam();
    const Folder folder;
    const std::string report = folder / "fio.json";
    const Words job{*fio,
                    "--name=job",
                    "--ioengine=" + each.engine,
                    "--rw=" + each.rw,
                    "--direct=" + each.direct,
                    "--numjobs=" + each.jobs,
                    "--bs=4k",
                    "--iodepth=16",
                    "--size=8m",
                    "--runtime=2",
                    "--time_based",
                    "--group_reporting",
                    "--fallocate=none",
                    "--directory=" + folder.path(),
                    "--output-format=json",
                    "--output=" + report};
    if (run(job).status != 0) {
        GTEST_SKIP() << "fio cannot do this here";
    }
    const auto counted = count({}, job);
    EXPECT_EQ(counted.ended.status, 0) << counted.ended.err;
    const auto reads = fio_totals(report, "read");
    const auto writes = fio_totals(report, "write");
    const bool aio = each.engine == "libaio";
    const auto counted_reads = counted.sum(aio ? "pread" : "read", "requests");
    const auto counted_writes = counted.sum(aio ? "pwrite" : "write", "requests");
    // Some kernels run no BPF program in some interrupts. What ends there shows when its memory is used again, which
    // the last requests of a run do not see: then they are said to be in flight.
    const auto unseen = number(counted.all(), "ended_unseen") + number(counted.all(), "in_flight");
    EXPECT_EQ(number(counted.all(), "requests") + number(counted.all(), "in_flight"), reads.requests + writes.requests);
    EXPECT_LE(unseen, aio ? 16 : 0);
    EXPECT_LE(reads.requests - counted_reads, unseen);
    EXPECT_LE(writes.requests - counted_writes, unseen);
    EXPECT_EQ(counted.sum(aio ? "pread" : "read", "bytes"), reads.bytes - (reads.requests - counted_reads) * 4096);
    EXPECT_EQ(counted.sum(aio ? "pwrite" : "write", "bytes"), writes.bytes - (writes.requests - counted_writes) * 4096);
    EXPECT_EQ(number(counted.all(), "losses", "untracked"), 0);
    fmt::print("fio {}: {} reads, {} writes; {} without latency, {} unseen\n", each.name, reads.requests,
               writes.requests, number(counted.all(), "without_latency"), unseen);
}

INSTANTIATE_TEST_SUITE_P(Engines, StatFio,
                         testing::Values(FioCase{"aio_randread", "libaio", "randread", "1", "1"},
                                         FioCase{"aio_randrw_buffered", "libaio", "randrw", "0", "2"},
                                         FioCase{"uring_randread", "io_uring", "randread", "1", "1"},
                                         FioCase{"uring_randrw_buffered", "io_uring", "randrw", "0", "2"}),
                         [](const auto& test) { return test.param.name; });

std::int64_t answer(const Counted& counted, const char* way, const char* said) {
    const auto& cancels = counted.all()["cancels"];
    return number(cancels, way, said);
}

TEST_F(Stat, SaysWhatIoCancelSaid) {
    const Folder folder;
    const auto counted = count({}, {workload("cancel_twice"), folder.path()});
    EXPECT_EQ(counted.ended.status, 0);
    EXPECT_EQ(answer(counted, "io_cancel", "cancelled"), 2);
    EXPECT_EQ(answer(counted, "io_cancel", "refused"), 3);
    EXPECT_EQ(counted.sum("poll", "cancelled"), 2);
}

TEST_F(Stat, SaysWhatCancelsOfRingsSaid) {
    const Folder folder;
    const auto counted = count({"--family", "uring"}, {workload("uring_cancel"), folder.path()});
    if (counted.ended.status == 77) {
        GTEST_SKIP() << "no io_uring here";
    }
    EXPECT_EQ(answer(counted, "async_cancel", "cancelled"), 4);
    EXPECT_EQ(answer(counted, "async_cancel", "not-found"), 3);
}

// All of it in one run: on an emulated machine each start takes long.
class StatTier : public Stat, public testing::WithParamInterface<const char*> {};

TEST_P(StatTier, CountsWhatTheWorkloadsSay) {
    const Words names{"batch", "cancel_twice", "rejected", "threads", "uring_cancel", "uring_read_write"};
    const Folder folder;
    std::string script;
    for (const auto& name : names) {
        script += fmt::format("{0} {1} > {1}/{2}.out || exit 99\n", workload(name), folder.path(), name);
    }
    const auto counted = count({"--hooks", GetParam(), "--by", "comm"}, {"sh", "-c", script});
    if (counted.ended.status == 3) {
        GTEST_SKIP() << counted.ended.err;
    }
    EXPECT_EQ(counted.ended.status, 0) << counted.ended.err;
    const auto hooks = text(counted.lines.one("start"), "hooks");
    EXPECT_TRUE(hooks.ends_with(GetParam())) << hooks;
    // Linux 7 skips the program of a hook that another preempts on its processor, and stat says how often.
    const auto missed = number(counted.all(), "losses", "programs_skipped");
    for (const auto& name : names) {
        const auto said = totals_of(read_file(folder / (name + ".out")));
        EXPECT_GT(said.requests, 0) << name;
        const auto requests = counted.sum(name.substr(0, 15), "requests");
        EXPECT_LE(requests, said.requests) << name;
        EXPECT_GE(requests + missed, said.requests) << name;
    }
    EXPECT_EQ(answer(counted, "io_cancel", "cancelled"), 2);
    EXPECT_EQ(answer(counted, "io_cancel", "refused"), 3);
    EXPECT_EQ(answer(counted, "async_cancel", "cancelled"), 4);
    EXPECT_EQ(answer(counted, "async_cancel", "not-found"), 3);
}

INSTANTIATE_TEST_SUITE_P(Each, StatTier, testing::Values("fentry", "kprobe", "tracepoint"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(Stat, ARefusedIocbIsNoRequest) {
    for (const auto* name : {"rejected", "rejected_ring_full"}) {
        const Folder folder;
        const std::string file = folder / "stat.json";
        const auto ended = run_inflight({"stat", "-o", "json", "--output", file, "--", workload(name), folder.path()});
        EXPECT_EQ(ended.status, 0) << ended.err;
        Counted counted;
        counted.lines = Lines(read_file(file));
        EXPECT_EQ(number(counted.all(), "requests"), totals_of(ended.out).requests) << name;
        EXPECT_GT(number(counted.all(), "refused"), 0) << name;
    }
}

TEST_F(Stat, EveryKeyAddsUpToTheSame) {
    for (const auto* by : {"op", "pid", "comm", "file", "context", "outcome"}) {
        for (const auto* name : {"fork_children", "uring_read_write"}) {
            const Folder folder;
            const std::string file = folder / "stat.json";
            const auto ended =
                run_inflight({"stat", "--by", by, "-o", "json", "--output", file, "--", workload(name), folder.path()});
            if (ended.status == 77) {
                continue;
            }
            EXPECT_EQ(ended.status, 0) << ended.err;
            Counted counted;
            counted.lines = Lines(read_file(file));
            EXPECT_EQ(counted.sum("", "requests"), totals_of(ended.out).requests) << by << " " << name;
            EXPECT_EQ(text(counted.lines.one("start"), "by"), by);
        }
    }
}

TEST_F(Stat, NamesTheFile) {
    const Folder folder;
    const auto counted = count({"--by", "file"}, {workload("read_write"), folder.path()});
    const auto keys = counted.keys();
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_TRUE(text(*keys.front(), "key").starts_with(folder.path() + "/")) << text(*keys.front(), "key");
}

TEST_F(Stat, CountsOnlyTheProcessesAskedFor) {
    const Folder one;
    const Folder other;
    Gated wanted("batch", one.path());
    Gated unwanted("batch", other.path());
    Process stat({inflight_path(), "stat", "-o", "json", "--by", "pid", "-p", fmt::format("{}", wanted.pid())});
    ASSERT_TRUE(stat.wait_for_out("\"start\""));
    wanted.go();
    unwanted.go();
    stat.signal(SIGINT);
    ASSERT_TRUE(stat.wait());
    EXPECT_EQ(stat.status(), 0) << stat.err();
    Counted counted;
    counted.lines = Lines(stat.out());
    const auto keys = counted.keys();
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_EQ(number(*keys.front(), "pid"), wanted.pid());
    EXPECT_EQ(number(*keys.front(), "requests"), totals_of(wanted.out()).requests);
    EXPECT_TRUE(counted.all()["losses"]["unmatched"].IsNull());
}

TEST_F(Stat, CountsOnlyTheOperationsAskedFor) {
    const Folder folder;
    const auto counted = count({"--op", "poll"}, {workload("batch"), folder.path()});
    const auto keys = counted.keys();
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_EQ(text(*keys.front(), "key"), "poll");
    EXPECT_EQ(number(*keys.front(), "requests"), 594);
}

TEST_F(Stat, EndsWithTheStatusOfTheCommand) {
    EXPECT_EQ(run_inflight({"stat", "--", "sh", "-c", "exit 7"}).status, 7);
    EXPECT_EQ(run_inflight({"stat", "--", "sh", "-c", "kill -TERM $$"}).status, 128 + SIGTERM);
    EXPECT_EQ(run_inflight({"hist", "--", "/nonexistent/program"}).status, 127);
}

TEST_F(Stat, ASignalEndsItWithTheCountsOfTheRun) {
    Process stat({inflight_path(), "stat", "--interval", "50ms"});
    ASSERT_TRUE(stat.wait_for_out("the last"));
    stat.signal(SIGINT);
    ASSERT_TRUE(stat.wait());
    EXPECT_EQ(stat.status(), 0) << stat.err();
    EXPECT_NE(stat.out().find("the whole run"), std::string::npos);
    EXPECT_NE(stat.out().find("ended: SIGINT"), std::string::npos);
    EXPECT_NE(stat.out().find("lost or unknown:"), std::string::npos);
}

TEST_F(Stat, WithoutRightsItSaysWhatIsMissing) {
    const auto ended = run_inflight({"stat"}, [] {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(65534, 65534, 65534) != 0 ||
            ::setresuid(65534, 65534, 65534) != 0) {
            ::_exit(99);
        }
    });
    if (ended.status == 126) {
        GTEST_SKIP() << "nobody may not execute it here";
    }
    EXPECT_EQ(ended.status, 3);
    expect_error(ended.err, "CAP_BPF");
}

TEST_F(Stat, RefusesWhatItCannotCount) {
    for (const auto& arguments :
         {Words{"stat", "--by", "colour"}, Words{"stat", "--event", "io_submit"},
          Words{"stat", "--outcome", "abandoned"}, Words{"stat", "--interval", "1h"}, Words{"stat", "--interval", "0s"},
          Words{"stat", "--keys", "0"}, Words{"hist", "--linear", "0"}, Words{"stat", "--family", "disk"},
          Words{"stat", "-o", "tracee"}}) {
        const auto ended = run_inflight(arguments);
        EXPECT_EQ(ended.status, 2) << fmt::format("{}", arguments.back()) << ended.err;
        expect_error(ended.err, "");
    }
}

TEST_F(Stat, TheHistogramHasEachRequestOnce) {
    const Folder folder;
    const std::string file = folder / "hist.json";
    const auto ended = run_inflight({"hist", "-o", "json", "--output", file, "--", workload("batch"), folder.path()});
    EXPECT_EQ(ended.status, 0) << ended.err;
    const Lines lines(read_file(file));
    std::int64_t requests = 0;
    for (const auto* each : lines.of("histogram")) {
        for (const auto& bucket : (*each)["buckets"].GetArray()) {
            requests += number(bucket, "count");
            EXPECT_LT(number(bucket, "from_ns"), number(bucket, "to_ns"));
            EXPECT_LE(number(bucket, "from_ns"), number(*each, "max_ns"));
        }
    }
    EXPECT_EQ(requests, totals_of(ended.out).requests);
    const auto drawn = run_inflight({"hist", "--linear", "1us", "--", workload("batch"), folder.path()});
    EXPECT_EQ(drawn.status, 0) << drawn.err;
    EXPECT_NE(drawn.out.find("aio poll: 594 requests"), std::string::npos) << drawn.out;
}

}  // namespace
}  // namespace inflight::faults
