// SPDX-License-Identifier: Apache-2.0
// What is exported of a capture of a real run: formats of one capture agree, as python's protobuf, json and csv read
// them; the number of requests is the workload's own; and what cannot be exported is refused.
#include "faults_support.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace inflight::faults {
namespace {

class ExportsOfARun : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }

    // What the command printed.
    std::string record(const Words& command) {
        const auto ended = run_inflight(Words{"record", "-o", capture(), "--"} + command);
        EXPECT_EQ(ended.status, 0) << ended.err;
        return ended.out;
    }
    Ended to(const std::string& format, const std::string& file) {
        return run_inflight({"export", capture(), "--to", format, "--output", file});
    }
    std::string capture() { return folder_ / "capture"; }

    Folder folder_;
};

std::string checker() {
    return INFLIGHT_SOURCE_DIR "/tests/export/check_export.py";
}

class EachWorkload : public ExportsOfARun, public testing::WithParamInterface<const char*> {};

TEST_P(EachWorkload, IsTheSameInEachFormat) {
    const std::string said = record({workload(GetParam()), folder_.path()});
    Words command{"/usr/bin/python3", "-B", checker(), folder_ / "json"};
    for (const std::string format : {"json", "perfetto", "chrome", "csv"}) {
        const auto ended = to(format, folder_ / format);
        ASSERT_EQ(ended.status, 0) << format << ": " << ended.err;
        EXPECT_NE(ended.err.find("lost 0"), std::string::npos) << ended.err;
        if (format != "json") {
            command = command + Words{"--" + format, folder_ / format};
        }
    }
    const auto checked = run(command);
    EXPECT_EQ(checked.status, 0) << checked.err;
    const auto totals = totals_of(said);
    const Lines lines(read_file(folder_ / "json"));
    EXPECT_EQ(std::ssize(lines.of("request")), totals.requests);
    EXPECT_EQ(std::ssize(lines.of("cancel")), totals.cancels);
    EXPECT_EQ(number(lines.one("loss"), "total"), 0);
}

INSTANTIATE_TEST_SUITE_P(Captures, EachWorkload,
                         testing::Values("cancel_poll", "cancel_completed", "cancel_race", "in_flight_at_end",
                                         "uring_cancel", "uring_cancel_many", "uring_link_timeout", "many_contexts"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(ExportsOfARun, HaveARowForEachRequestThatFioCounts) {
    const auto fio = find_program("fio");
    if (!fio) {
        GTEST_SKIP() << "no fio here";
    }
    const std::string json = record({*fio, "--name=job", "--ioengine=io_uring", "--rw=randrw", "--bs=4k", "--size=4m",
                                     "--iodepth=16", "--output-format=json", "--directory=" + folder_.path()});
    rapidjson::Document report;
    ASSERT_FALSE(report.Parse(json.c_str() + std::min(json.find('{'), json.size())).HasParseError()) << json;
    const auto& job = report["jobs"][0];
    const auto wanted = job["read"]["total_ios"].GetInt64() + job["write"]["total_ios"].GetInt64();
    ASSERT_EQ(to("csv", folder_ / "csv").status, 0);
    const std::string csv = read_file(folder_ / "csv");
    EXPECT_EQ(static_cast<std::int64_t>(count_of(csv, ",fio,read,") + count_of(csv, ",fio,write,")), wanted);
}

TEST_F(ExportsOfARun, AreNotWrittenToATerminalInBinary) {
    record({"true"});
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    ASSERT_GE(terminal, 0) << std::strerror(errno);
    ASSERT_EQ(::grantpt(terminal), 0);
    ASSERT_EQ(::unlockpt(terminal), 0);
    const int side = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(side, 0) << std::strerror(errno);
    const auto ended =
        run(Start{.command = {inflight_path(), "export", capture(), "--to", "perfetto"}, .out_fd = side});
    EXPECT_EQ(ended.status, 2);
    expect_error(ended.err, "--output");
    ::close(side);
    ::close(terminal);
}

TEST_F(ExportsOfARun, OfWhatIsNoCaptureAreRefused) {
    const std::string file = folder_ / "other";
    write_file(file, "not a capture\n");
    const std::string output = folder_ / "output";
    for (const std::string& given : {file, folder_ / "missing", folder_.path()}) {
        const auto ended = run_inflight({"export", given, "--to", "csv", "--output", output});
        EXPECT_EQ(ended.status, 1) << ended.err;
        expect_error(ended.err, given);
        EXPECT_FALSE(exists(output)) << "it was written though there is nothing to write";
    }
    const auto format = run_inflight({"export", file, "--to", "xml"});
    EXPECT_EQ(format.status, 2);
    expect_error(format.err, "perfetto");
    expect_error(run_inflight({"export", file}).err, "--to");
}

TEST_F(ExportsOfARun, AsSystemCallsNeedACaptureThatHasThem) {
    record({"true"});
    const auto ended = to("tracee", folder_ / "tracee");
    EXPECT_EQ(ended.status, 1);
    expect_error(ended.err, "record --events");
    const auto recorded =
        run_inflight({"record", "--events", "-o", capture(), "--", workload("cancel_poll"), folder_.path()});
    ASSERT_EQ(recorded.status, 0) << recorded.err;
    ASSERT_EQ(to("tracee", folder_ / "tracee").status, 0);
    EXPECT_EQ(static_cast<std::int64_t>(count_of(read_file(folder_ / "tracee"), "\"eventName\":\"io_cancel\"")),
              totals_of(recorded.out).cancels);
}

TEST_F(ExportsOfARun, DoNotOverwriteTheirCapture) {
    record({"true"});
    const std::string before = read_file(capture());
    const auto ended = to("csv", capture());
    EXPECT_EQ(ended.status, 2);
    expect_error(ended.err, capture());
    EXPECT_EQ(read_file(capture()), before);
}

TEST_F(ExportsOfARun, SayThatTheDiskIsFull) {
    record({workload("cancel_race"), folder_.path()});
    const SmallDisk disk(folder_ / "disk", "16k");
    if (!disk.refusal().empty()) {
        GTEST_SKIP() << disk.refusal();
    }
    for (const std::string format : {"perfetto", "chrome", "csv"}) {
        const std::string file = disk / "export";
        const auto ended = to(format, file);
        EXPECT_EQ(ended.status, 1);
        expect_error(ended.err, "ENOSPC");
        if (format == "csv") {
            EXPECT_TRUE(read_file(file).ends_with('\n')) << "it ends in the middle of a row";
            std::filesystem::remove(file);
        } else {
            EXPECT_FALSE(exists(file)) << "half of it is of no use: " << format;
        }
    }
    expect_error(to("csv", "/dev/full").err, "ENOSPC");
}

}  // namespace
}  // namespace inflight::faults
