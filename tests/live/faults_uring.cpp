// SPDX-License-Identifier: Apache-2.0
// fio's own counts of what went through its rings.
#include "faults_uring.hpp"
#include "faults_support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <ostream>
#include <set>
#include <string>

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

// Each CQE of a bundle has a part of the bytes.
TEST_F(Uring, ABundleIsSummedUpOverItsCompletions) {
    constexpr int cannot_be_done_here = 77;
    const Folder folder;
    const auto traced = trace({}, {workload("uring_bundle"), folder.path()});
    if (traced.ended.status == cannot_be_done_here) {
        GTEST_SKIP() << "this kernel sends no bundles";
    }
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    bool found = false;
    for (const auto& each : traced.lines.one("summary")["operations"].GetArray()) {
        if (text(each, "op") == "send") {
            found = true;
            EXPECT_EQ(number(each, "requests"), 1);
            EXPECT_EQ(number(each, "bytes"), 32 * 128);
        }
    }
    EXPECT_TRUE(found);
}

std::set<std::string> call_ids(const Lines& lines, const std::string& event) {
    std::set<std::string> ids;
    for (const Value* each : lines.of("event")) {
        if (text(*each, "event") == event) {
            ids.insert(text(*each, "call_id"));
        }
    }
    return ids;
}

// Which call brought a request, and which took its event.
TEST_F(Uring, ARequestNamesItsCalls) {
    const Folder folder;
    const auto rings = trace({"--events"}, {workload("uring_read_write"), folder.path()});
    ASSERT_EQ(rings.ended.status, 0) << rings.ended.err;
    const auto enters = call_ids(rings.lines, "io_uring_enter");
    EXPECT_FALSE(enters.empty());
    EXPECT_FALSE(rings.lines.of("request").empty());
    for (const Value* request : rings.lines.of("request")) {
        EXPECT_TRUE(enters.contains(text(*request, "call_id"))) << text(*request, "op");
        EXPECT_TRUE((*request)["reap_call_id"].IsNull()) << "a completion is taken without a call";
    }
    const auto aio = trace({"--events"}, {workload("read_write"), folder.path()});
    ASSERT_EQ(aio.ended.status, 0) << aio.ended.err;
    const auto submits = call_ids(aio.lines, "io_submit");
    const auto reaps = call_ids(aio.lines, "io_getevents");
    EXPECT_FALSE(aio.lines.of("request").empty());
    for (const Value* request : aio.lines.of("request")) {
        EXPECT_TRUE(submits.contains(text(*request, "call_id")));
        EXPECT_TRUE(reaps.contains(text(*request, "reap_call_id")));
    }
}

// A SQ thread takes what it submits without a call.
TEST_F(Uring, ARequestOfASqThreadNamesNoCall) {
    const Folder folder;
    const auto traced = trace({"--events"}, {workload("uring_sqpoll"), folder.path()});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    for (const Value* request : traced.lines.of("request")) {
        if (!(*request)["uring"]["sq_thread"].IsNull()) {
            EXPECT_TRUE((*request)["call_id"].IsNull());
        }
    }
}

TEST_F(Uring, ARefusedSqeSaysWhy) {
    const Folder folder;
    const auto traced = trace({}, {workload("uring_prep_failed"), folder.path()});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    int refused = 0;
    for (const Value* request : traced.lines.of("request")) {
        const Value& uring = (*request)["uring"];
        EXPECT_EQ(uring["prep_failed"].GetBool(), !uring["prep_error"].IsNull());
        if (uring["prep_failed"].GetBool()) {
            refused++;
            EXPECT_EQ(text(uring, "prep_error"), text(*request, "error"));
        }
    }
    EXPECT_GE(refused, 5);
}

struct Counts {
    std::int64_t requests = 0;
    std::int64_t bytes = 0;
    bool operator==(const Counts&) const = default;
};

void PrintTo(const Counts& counts, std::ostream* out) {
    *out << counts.requests << " requests, " << counts.bytes << " bytes";
}

// Of read, readv and read_fixed (or the same of write), as fio chooses.
Counts seen_of(const Value& summary, const std::string& direction) {
    Counts seen;
    for (const auto& each : summary["operations"].GetArray()) {
        if (text(each, "op").starts_with(direction)) {
            EXPECT_EQ(text(each, "family"), "uring");
            EXPECT_EQ(text(each, "comm"), "fio");
            seen.requests += number(each, "requests");
            seen.bytes += number(each, "bytes");
        }
    }
    return seen;
}

// Over all its jobs.
Counts said_of(const Value& report, const std::string& direction) {
    Counts said;
    for (const auto& job : report["jobs"].GetArray()) {
        said.requests += number(job, direction.c_str(), "total_ios");
        said.bytes += number(job, direction.c_str(), "io_bytes");
        EXPECT_EQ(number(job, direction.c_str(), "short_ios"), 0);
    }
    return said;
}

std::set<std::string> operations_of(const Lines& lines) {
    std::set<std::string> operations;
    for (const auto& each : lines.one("summary")["operations"].GetArray()) {
        operations.insert(text(each, "op"));
    }
    return operations;
}

void check_fio(const Words& options, const std::function<void(const Lines&)>& look = {}) {
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
    const auto& summary = lines.one("summary");
    const auto reads = said_of(report, "read");
    const auto writes = said_of(report, "write");
    EXPECT_GT(reads.requests, 1000);
    EXPECT_EQ(seen_of(summary, "read"), reads);
    EXPECT_EQ(seen_of(summary, "write"), writes);
    EXPECT_EQ(number(summary, "requests"), static_cast<std::int64_t>(lines.of("request").size()));
    EXPECT_EQ(number(lines.one("loss"), "records_lost"), 0);
    EXPECT_EQ(number(summary, "outcomes", "failed"), 0);
    EXPECT_EQ(number(summary, "outcomes", "in-flight"), 0);
    if (look) {
        look(lines);
    }
}

TEST_F(Uring, FioPlain) {
    check_fio({});
}

TEST_F(Uring, FioFixedBuffersAndFiles) {
    check_fio({"--fixedbufs=1", "--registerfiles=1"}, [](const Lines& lines) {
        EXPECT_TRUE(operations_of(lines).contains("read_fixed"));
        EXPECT_FALSE(operations_of(lines).contains("read"));
    });
}

TEST_F(Uring, FioSubmissionThread) {
    check_fio({"--sqthread_poll=1"}, [](const Lines& lines) {
        for (const auto* request : lines.requests_with("op", "read")) {
            ASSERT_TRUE((*request)["uring"]["sq_thread"].IsInt());
        }
    });
}

TEST_F(Uring, FioJobsThatReadAndWrite) {
    check_fio({"--rw=randrw", "--numjobs=2", "--loops=2"});
    check_fio({"--rw=randrw", "--numjobs=2", "--loops=2", "--sqthread_poll=1", "--fixedbufs=1"});
}

// Such a request stands on no list but that of the ring's, until its program polls; from before or after the start.
TEST(UringPlaces, OfAReadOnAPolledDevice) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    const Folder folder;
    const std::string file = folder / "file";
    Process process(Start{.command = {}, .in_child = [&] {
                              static std::array<char, 8192> memory;
                              auto* const page = reinterpret_cast<char*>(
                                  (reinterpret_cast<std::uintptr_t>(memory.data()) + 4095) & ~std::uintptr_t{4095});
                              const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
                              uring::Ring ring(4, IORING_SETUP_IOPOLL);
                              if (fd < 0 || ring.fd() < 0 || ::pwrite(fd, page, 4096, 0) != 4096) {
                                  ::_exit(77);
                              }
                              io_uring_sqe sqe{};
                              sqe.opcode = IORING_OP_READ;
                              sqe.fd = fd;
                              sqe.addr = reinterpret_cast<std::uintptr_t>(page);
                              sqe.len = 4096;
                              sqe.user_data = 0x7011;
                              ring.put(sqe);
                              if (!ring.submit(1) || ring.completed() != 0) {
                                  ::_exit(77);
                              }
                              static_cast<void>(::write(STDOUT_FILENO, "ready\n", 6));
                              for (;;) {
                                  ::pause();
                              }
                          }});
    if (!wait_until([&] { return !process.running() || process.out().find("ready") != std::string::npos; }) ||
        !process.running()) {
        GTEST_SKIP() << "the file system of " << folder.path() << " does not poll its device";
    }
    const auto listed = run_inflight({"ls", "-p", std::to_string(process.pid()), "-o", "json"});
    EXPECT_EQ(listed.status, 0) << listed.err;
    EXPECT_EQ(count_of(listed.out, R"("stage":"iopoll")"), 1U) << listed.out;
    EXPECT_NE(listed.out.find("0x7011"), std::string::npos) << listed.out;
}

}  // namespace
}  // namespace inflight::faults
