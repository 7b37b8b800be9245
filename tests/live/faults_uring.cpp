// SPDX-License-Identifier: Apache-2.0
// io_uring: fio's own counts of what went through its rings, and the gate that `inflight check` is.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace inflight::faults {
namespace {

class Uring : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

using Checks = Uring;

// ---- fio

struct Seen {
    std::int64_t requests = 0;
    std::int64_t bytes = 0;
};

Seen reads_of(const Value& summary) {
    Seen seen;
    for (const auto& each : summary["operations"].GetArray()) {
        if (text(each, "op").starts_with("read")) {  // read, readv or read_fixed, as fio chooses
            EXPECT_EQ(text(each, "family"), "uring");
            seen.requests += number(each, "requests");
            seen.bytes += number(each, "bytes");
        }
    }
    return seen;
}

void check_fio(const Words& options) {
    const auto fio = find_program("fio");
    if (!fio) {
        GTEST_SKIP() << "no fio here";
    }
    const Folder data("/dev/shm");
    const Folder folder;
    // As many requests as records fit the buffers: what is at stake here is the count, not the speed.
    const Words command = Words{*fio,
                                "--name=job",
                                "--ioengine=io_uring",
                                "--bs=4k",
                                "--iodepth=16",
                                "--size=16m",
                                "--loops=4",
                                "--rw=randread",
                                "--output-format=json",
                                "--directory=" + data.path()} +
                          options;
    const auto trial = run(command);
    if (trial.status != 0) {
        GTEST_SKIP() << "fio cannot do this here: " << trial.err;
    }
    const std::string file = folder / "trace";
    const auto ended =
        run_inflight(Words{"trace", "-o", "json", "--family", "uring", "--output", file, "--"} + command);
    ASSERT_EQ(ended.status, 0) << ended.err;
    rapidjson::Document report;
    const std::string json = ended.out.substr(std::min(ended.out.find('{'), ended.out.size()));
    ASSERT_FALSE(report.Parse(json.c_str()).HasParseError()) << ended.out;
    const Lines lines(read_file(file));
    const auto seen = reads_of(lines.one("summary"));
    const auto& job = report["jobs"].GetArray()[0];
    EXPECT_GT(number(job, "read", "total_ios"), 1000);
    EXPECT_EQ(seen.requests, number(job, "read", "total_ios"));
    EXPECT_EQ(seen.bytes, number(job, "read", "io_bytes"));
    EXPECT_EQ(number(lines.one("loss"), "records_lost"), 0);
    EXPECT_EQ(number(lines.one("summary"), "outcomes", "failed"), 0);
}

TEST_F(Uring, FioPlain) {
    check_fio({});
}

TEST_F(Uring, FioFixedBuffersAndFiles) {
    check_fio({"--fixedbufs=1", "--registerfiles=1"});
}

TEST_F(Uring, FioSubmissionThread) {
    check_fio({"--sqthread_poll=1"});
}

// ---- check

Ended check(Words arguments, const std::string& name, const std::string& folder) {
    return run_inflight(Words{"check"} + std::move(arguments) + Words{"--", workload(name), folder});
}

TEST_F(Checks, FindWhatCorruptsData) {
    const std::map<std::string, std::string> expected{{"uring_overlap", "critical buffer-overlap"},
                                                      {"uring_unregister", "warn buffer-unregistered"},
                                                      {"uring_unmap", "critical memory-unmapped"},
                                                      {"cancel_same_iocb_twice", "warn iocb-reused"}};
    for (const auto& [name, finding] : expected) {
        const Folder folder;
        const auto ended = check({}, name, folder.path());
        EXPECT_EQ(ended.status, 1) << name << ended.out << ended.err;
        EXPECT_EQ(count_of(ended.out, "finding " + finding), 1) << name << ended.out;
        EXPECT_EQ(count_of(ended.out, "1 findings ("), 1) << name << ended.out;
    }
}

TEST_F(Checks, OnlyAsBadAsIsAskedForFails) {
    const Folder folder;
    EXPECT_EQ(check({"--fail-on", "critical"}, "uring_unregister", folder.path()).status, 0);
    EXPECT_EQ(check({"--fail-on", "critical"}, "uring_overlap", folder.path()).status, 1);
    EXPECT_EQ(check({"--fail-on", "terrible"}, "uring_overlap", folder.path()).status, 2);
}

TEST_F(Checks, KeepsTheStatusOfACleanCommand) {
    EXPECT_EQ(run_inflight({"check", "--", "sh", "-c", "exit 7"}).status, 7);
    EXPECT_EQ(run_inflight({"check", "--", "true"}).status, 0);
}

TEST_F(Checks, JsonHasBothStories) {
    const Folder folder;
    const auto ended = check({"-o", "json", "--output", folder / "found"}, "uring_overlap", folder.path());
    EXPECT_EQ(ended.status, 1);
    const Lines lines(read_file(folder / "found"));
    const auto& finding = lines.one("finding");
    EXPECT_EQ(text(finding, "code"), "buffer-overlap");
    ASSERT_EQ(finding["requests"].Size(), 2U);
    EXPECT_EQ(text(finding["requests"][0], "op"), "read");
}

// No false alarm: these programs do nothing that is wrong, however odd it looks.
TEST_F(Checks, OfCleanProgramsFindNothing) {
    const std::vector<std::string> clean{
        "batch",           "cancel_poll",      "cancel_race",        "poll_ready",           "read_write",
        "reuse_iocb",      "threads",          "uring_async",        "uring_cancel",         "uring_cancel_race",
        "uring_drain",     "uring_fixed",      "uring_link_timeout", "uring_links",          "uring_open",
        "uring_multishot", "uring_msg_ring",   "uring_paths",        "uring_poll",           "uring_nop",
        "uring_rest",      "uring_read_write", "uring_send_zc",      "uring_setups",         "uring_skip",
        "uring_splice",    "uring_tcp",        "uring_sqpoll",       "uring_sync_cancel",    "uring_threads",
        "uring_timeout",   "uring_unix",       "uring_xattr",        "uring_provide_buffers"};
    constexpr int skipped = 77;
    int checked = 0;
    for (const auto& name : clean) {
        if (!exists(workload(name))) {
            continue;
        }
        const Folder folder;
        const auto ended = check({"--fail-on", "warn"}, name, folder.path());
        checked += ended.status == 0 ? 1 : 0;
        EXPECT_TRUE(ended.status == 0 || ended.status == skipped) << name << "\n" << ended.out << ended.err;
    }
    EXPECT_GT(checked, 20);
}

}  // namespace
}  // namespace inflight::faults
