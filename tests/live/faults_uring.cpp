// SPDX-License-Identifier: Apache-2.0
// fio's own counts of what went through its rings.
#include "faults_support.hpp"

#include <unistd.h>

#include <algorithm>

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

}  // namespace
}  // namespace inflight::faults
