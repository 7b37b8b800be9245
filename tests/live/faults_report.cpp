// SPDX-License-Identifier: Apache-2.0
// `inflight report`: what fio counted itself, what two runs differ in, and files that are no captures.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <unistd.h>

#include <algorithm>

namespace inflight::faults {
namespace {

class Report : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        if (!find_program("fio")) {
            GTEST_SKIP() << "no fio here";
        }
    }

    [[nodiscard]] Words fio(const std::string& said, const Words& options) const {
        return Words{*find_program("fio"), "--name=job", "--directory=" + data_.path(), "--bs=4k",
                     "--size=8m",          "--thread",   "--output-format=json",        "--output=" + said} +
               options;
    }

    // Records fio; its own report in `NAME.json`.
    [[nodiscard]] std::string record(const std::string& name, const Words& options) const {
        const auto capture = folder_ / (name + ".ifl");
        const auto ended =
            run_inflight(Words{"record", "-o", capture, "--"} + fio(folder_ / (name + ".json"), options));
        EXPECT_EQ(ended.status, 0) << ended.err;
        return capture;
    }

    [[nodiscard]] std::int64_t said_by_fio(const std::string& name, const char* direction, const char* key) const {
        const auto text = read_file(folder_ / (name + ".json"));
        rapidjson::Document document;
        document.Parse(text.c_str() + std::min(text.find('{'), text.size()));
        EXPECT_FALSE(document.HasParseError()) << text;
        std::int64_t sum = 0;
        for (const auto& job : document["jobs"].GetArray()) {
            sum += number(job, direction, key);
        }
        return sum;
    }

    [[nodiscard]] static Lines json(const Words& arguments) {
        const auto ended = run_inflight(Words{"report", "-o", "json"} + arguments);
        EXPECT_EQ(ended.status, 0) << ended.err;
        return Lines(ended.out);
    }

    const Folder data_{"/dev/shm"};
    const Folder folder_;
};

const Words reads_paced{"--ioengine=libaio", "--rw=randread", "--iodepth=8",
                        "--rate_iops=2000",  "--time_based",  "--runtime=3"};

struct Sums {
    std::int64_t requests = 0;
    std::int64_t bytes = 0;
};

Sums sums_of(const Lines& lines, const std::string& operation) {
    Sums sums;
    for (const auto* group : lines.of("group")) {
        if (text((*group)["by"], "op") == operation) {
            sums.requests += number(*group, "requests");
            sums.bytes += number(*group, "bytes");
        }
    }
    return sums;
}

TEST_F(Report, GroupsAreWhatFioCounted) {
    const auto capture = record("mixed", {"--ioengine=libaio", "--rw=randrw", "--iodepth=8"});
    const auto lines = json({"--group-by", "op,comm", capture});
    ASSERT_EQ(number(lines.one("loss"), "total"), 0);
    for (const auto& [operation, direction] : {std::pair{"pread", "read"}, std::pair{"pwrite", "write"}}) {
        const auto sums = sums_of(lines, operation);
        EXPECT_EQ(sums.requests, said_by_fio("mixed", direction, "total_ios")) << direction;
        EXPECT_EQ(sums.bytes, said_by_fio("mixed", direction, "io_bytes")) << direction;
    }
    EXPECT_TRUE(lines.one("capture")["ended"].GetBool());
    EXPECT_EQ(lines.one("capture")["damage"].Size(), 0U);
}

TEST_F(Report, WhatNeedsMoreMemoryIsLeftOutAndSaid) {
    const auto capture = record("memory", {"--ioengine=libaio", "--rw=randread", "--iodepth=8"});
    const auto little = json({"--max-memory", "1mb", capture});
    EXPECT_EQ(number(little.one("summary"), "requests"), 0);
    ASSERT_GT(little.one("capture")["damage"].Size(), 0U);
    EXPECT_NE(std::string(little.one("capture")["damage"][0].GetString()).find("--max-memory"), std::string::npos);
    EXPECT_TRUE(little.one("capture")["ended"].GetBool());
    const auto enough = json({"--max-memory", "1gb", capture});
    EXPECT_EQ(enough.one("capture")["damage"].Size(), 0U);
    EXPECT_GT(number(enough.one("summary"), "requests"), 1000);
}

TEST_F(Report, ConditionsChoose) {
    const auto capture = record("mixed", {"--ioengine=libaio", "--rw=randrw", "--iodepth=8"});
    const auto reads = said_by_fio("mixed", "read", "total_ios");
    const auto writes = said_by_fio("mixed", "write", "total_ios");
    const auto count = [&](const Words& arguments) {
        return number(json(arguments + Words{capture}).one("summary"), "requests");
    };
    EXPECT_EQ(count({"--where", "comm == fio and op == pread"}), reads);
    EXPECT_EQ(count({"--where", "comm == fio and (op == pread or op == pwrite)"}), reads + writes);
    EXPECT_EQ(count({"--where", "op == pread and bytes == 4KiB and outcome == completed"}), reads);
    EXPECT_EQ(count({"--where", "op == pread and file ~ '*/job.0.0'"}), reads);
    EXPECT_EQ(count({"--where", "op == pread and error == EIO"}), 0);
    // The two parts of the capture are the whole.
    const auto all = count({});
    EXPECT_EQ(count({"--until", "200ms"}) + count({"--since", "200ms"}), all);
    EXPECT_EQ(count({"--since", "1h"}), 0);

    const auto top = json({"--top", "7", capture}).of("request");
    ASSERT_EQ(top.size(), 7U);
    for (std::size_t index = 1; index < top.size(); ++index) {
        EXPECT_GE(number(*top[index - 1], "latency_ns"), number(*top[index], "latency_ns"));
    }
}

TEST_F(Report, SeveralFilesMergeByTime) {
    const Words options{"--ioengine=libaio", "--rw=randread", "--iodepth=4"};
    const auto first = record("first", options);
    const auto second = record("second", options);
    const auto lines = json({"--where", "comm == fio and op == pread", second, first});
    EXPECT_EQ(lines.of("capture").size(), 2U);
    const auto requests = lines.of("request");
    EXPECT_EQ(static_cast<std::int64_t>(requests.size()),
              said_by_fio("first", "read", "total_ios") + said_by_fio("second", "read", "total_ios"));
    ASSERT_FALSE(requests.empty());
    // The earlier run's come first, whatever the order on the command line.
    const auto first_pids = pids_of(json({"--where", "op == pread", first}).of("request"));
    EXPECT_TRUE(first_pids.contains(number(*requests.front(), "pid")));
    EXPECT_FALSE(first_pids.contains(number(*requests.back(), "pid")));
}

std::int64_t different(const Lines& lines) {
    return number(lines.one("diff"), "different");
}

TEST_F(Report, ACaptureDoesNotDifferFromItself) {
    const auto capture = record("run", reads_paced);
    const auto lines = json({"--diff", capture, capture});
    EXPECT_EQ(different(lines), 0);
    EXPECT_GE(number(lines.one("diff")["a"], "slices"), 8);
    for (const auto* each : lines.of("difference")) {
        EXPECT_NE(text(*each, "judgement"), "higher");
        EXPECT_NE(text(*each, "judgement"), "lower");
    }
}

// Four times the depth at the same pace of submission would change nothing; four times the size of a request does.
TEST_F(Report, WhatWasChangedIsFound) {
    const auto before = record("before", reads_paced);
    const auto after = record("after", reads_paced + Words{"--bs=256k"});
    const auto lines = json({"--where", "comm == fio", "--diff", before, after});
    EXPECT_GT(different(lines), 0);
    bool slower = false;
    for (const auto* each : lines.of("difference")) {
        slower |=
            text(*each, "op") == "pread" && text(*each, "figure") == "p50" && text(*each, "judgement") == "higher";
    }
    EXPECT_TRUE(slower);
}

TEST_F(Report, LinesMatchTheSchema) {
    const auto capture = record("run", {"--ioengine=libaio", "--rw=randread", "--iodepth=4"});
    const std::string folder = std::string(__FILE__).substr(0, std::string(__FILE__).rfind("/tests/")) + "/docs/";
    const auto schema_of = [&](const std::string& name) {
        rapidjson::Document document;
        document.Parse(read_file(folder + name).c_str());
        EXPECT_FALSE(document.HasParseError()) << name;
        return document;
    };
    if (!exists(folder + "report.schema.json")) {
        GTEST_SKIP() << "not where it was built";
    }
    const auto report = schema_of("report.schema.json");
    const auto trace = schema_of("trace.schema.json");
    const rapidjson::SchemaDocument report_schema(report);
    const rapidjson::SchemaDocument trace_schema(trace);
    for (const Words& arguments : {Words{capture},
                                   {"--group-by", "file,error", capture},
                                   {"--top", "3", capture},
                                   {"--diff", capture, capture}}) {
        const auto ended = run_inflight(Words{"report", "-o", "json"} + arguments);
        EXPECT_EQ(ended.status, 0) << ended.err;
        for (const auto& line : lines_of(ended.out)) {
            rapidjson::Document document;
            document.Parse(line.c_str());
            ASSERT_FALSE(document.HasParseError()) << line;
            rapidjson::SchemaValidator of_report(report_schema);
            rapidjson::SchemaValidator of_trace(trace_schema);
            EXPECT_NE(document.Accept(of_report), document.Accept(of_trace)) << line;
        }
    }
}

TEST(ReportMisuse, WhatIsNoCapture) {
    const Folder folder;
    write_file(folder / "text", "this is a text\n");
    write_file(folder / "empty", "");
    for (const std::string& file : {folder / "missing", folder / "text", folder / "empty", folder.path()}) {
        const auto ended = run_inflight({"report", file});
        EXPECT_EQ(ended.status, 1) << file;
        EXPECT_EQ(ended.out, "") << file;
        EXPECT_NE(ended.err.find(file), std::string::npos) << ended.err;
        EXPECT_LE(lines_of(ended.err).size(), 3U) << ended.err;
    }
}

TEST(ReportMisuse, CommandLine) {
    for (const Words& arguments : {Words{},
                                   {"--where", "colour == red", "x"},
                                   {"--where", "pid ==", "x"},
                                   {"--group-by", "colour", "x"},
                                   {"--top", "0", "x"},
                                   {"--since", "yesterday", "x"},
                                   {"--by", "beauty", "x"},
                                   {"--diff", "x"},
                                   {"--diff", "--top", "3", "x", "y"},
                                   {"-o", "tracee", "--group-by", "pid", "x"},
                                   {"-o", "xml", "x"},
                                   {"--op", "raed", "x"}}) {
        const auto ended = run_inflight(Words{"report"} + arguments);
        EXPECT_EQ(ended.status, 2) << (arguments.empty() ? "" : arguments.front()) << ended.err;
        EXPECT_EQ(ended.out, "");
        EXPECT_NE(ended.err, "");
    }
}

}  // namespace
}  // namespace inflight::faults
