// SPDX-License-Identifier: Apache-2.0
// Programs that know nothing of inflight say what they did: fio's own counts, strace's own list of calls.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace inflight::faults {
namespace {

class Programs : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

constexpr std::int64_t block_bytes = 4096;

struct Counts {
    std::int64_t requests = 0;
    std::int64_t bytes = 0;
};

// What fio says of "read" or "write", over all its jobs.
Counts fio_counts(const rapidjson::Document& report, const char* direction) {
    Counts counts;
    for (const auto& job : report["jobs"].GetArray()) {
        counts.requests += number(job, direction, "total_ios");
        counts.bytes += number(job, direction, "io_bytes");
        EXPECT_EQ(number(job, direction, "short_ios"), 0);
    }
    return counts;
}

// The file may be far too large to be held as JSON: request lines are counted, the others kept.
struct Trace {
    std::int64_t request_lines = 0;
    Lines others;
};

Trace read_trace(const std::string& path) {
    Trace trace;
    std::ifstream file(path);
    std::string others;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(R"({"type":"request")")) {
            trace.request_lines++;
        } else {
            others += line + "\n";
        }
    }
    trace.others = Lines(others);
    return trace;
}

Counts counts_of(const Value& summary, std::string_view operation) {
    Counts counts;
    for (const auto& each : summary["operations"].GetArray()) {
        if (text(each, "op") == operation) {
            EXPECT_EQ(text(each, "comm"), "fio");
            counts.requests += number(each, "requests");
            counts.bytes += number(each, "bytes");
        }
    }
    return counts;
}

// What a "loss" record has that is not 0.
std::string describe_loss(const Value& loss) {
    std::string said;
    for (const auto& member : loss.GetObject()) {
        if (member.value.IsInt64() && member.value.GetInt64() != 0) {
            said += fmt::format(" {} {}", member.name.GetString(), member.value.GetInt64());
        }
    }
    return said;
}

int fio_seconds(int at_most) {
    constexpr int usual = 10;
    const char* given = std::getenv("INFLIGHT_FIO_SECONDS");
    return std::min(at_most, given != nullptr ? std::max(1, std::atoi(given)) : usual);
}

// Where files are on a disk, not in memory.
std::string disk_folder() {
    const char* given = std::getenv("INFLIGHT_TEST_DIR");
    return given != nullptr ? given : std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

void check_fio(const std::string& parent, int seconds, const Words& options) {
    const auto fio = find_program("fio");
    if (!fio) {
        GTEST_SKIP() << "no fio here";
    }
    const Folder data(parent);
    const Folder folder;
    // Not more than JSON can be written of, on a fast machine.
    const Words command = Words{*fio,
                                "--name=job",
                                "--ioengine=libaio",
                                "--bs=4k",
                                "--iodepth=32",
                                "--size=64m",
                                "--time_based",
                                "--output-format=json",
                                "--rate_iops=150000,150000",
                                "--directory=" + data.path()} +
                          options;
    const auto trial = run(command + Words{"--runtime=1"});
    if (trial.status != 0) {
        GTEST_SKIP() << "fio cannot do this here: " << trial.err;
    }
    const std::string file = folder / "trace";
    const auto ended = run_inflight(Words{"trace", "-o", "json", "--output", file, "--"} + command +
                                    Words{fmt::format("--runtime={}", seconds)});
    ASSERT_EQ(ended.status, 0) << ended.err;
    rapidjson::Document report;
    const std::string json = ended.out.substr(std::min(ended.out.find('{'), ended.out.size()));
    ASSERT_FALSE(report.Parse(json.c_str()).HasParseError()) << ended.out;
    const auto trace = read_trace(file);
    const auto& summary = trace.others.one("summary");
    const auto& loss = trace.others.one("loss");
    const auto reads = fio_counts(report, "read");
    const auto writes = fio_counts(report, "write");
    const auto requests = reads.requests + writes.requests;
    const auto seen_reads = counts_of(summary, "pread");
    const auto seen_writes = counts_of(summary, "pwrite");
    EXPECT_GT(reads.requests, 100);
    EXPECT_EQ(seen_reads.requests, reads.requests);
    EXPECT_EQ(seen_writes.requests, writes.requests);
    EXPECT_EQ(number(summary, "requests"), requests);
    EXPECT_EQ(trace.request_lines, requests);
    EXPECT_EQ(number(summary, "outcomes", "completed") + number(summary, "outcomes", "in-flight"), requests);
    // A kernel may keep BPF off some of its tasks, and from the completions in interrupts that come over them. Those
    // are counted; their results are known where io_getevents returned them.
    const auto unseen =
        text(trace.others.one("trace"), "hooks") == "tracepoint" ? number(loss, "completions_unseen") : 0;
    EXPECT_EQ(number(summary, "lost"), unseen) << describe_loss(loss);
    EXPECT_LE(unseen, requests / 20);
    EXPECT_LE(number(summary, "outcomes", "in-flight"), unseen);
    EXPECT_LE(reads.bytes - seen_reads.bytes + writes.bytes - seen_writes.bytes, unseen * block_bytes);
    EXPECT_LE(seen_reads.bytes, reads.bytes);
    EXPECT_LE(seen_writes.bytes, writes.bytes);
    fmt::print("fio: {} reads, {} writes in {} s; {} completions unseen\n", reads.requests, writes.requests, seconds,
               unseen);
}

TEST_F(Programs, FioDirect) {
    check_fio(disk_folder(), fio_seconds(60), {"--rw=randread", "--direct=1"});
}

TEST_F(Programs, FioBuffered) {
    check_fio("/dev/shm", fio_seconds(60), {"--rw=randread", "--direct=0"});
}

TEST_F(Programs, FioMixedJobs) {
    check_fio(disk_folder(), fio_seconds(3), {"--rw=randrw", "--direct=1", "--numjobs=2", "--fsync=0"});
}

// Events that the program takes out of the ring by itself, without a system call.
TEST_F(Programs, FioReapsInUserSpace) {
    check_fio(disk_folder(), fio_seconds(3), {"--rw=randread", "--direct=1", "--userspace_reap=1"});
    check_fio("/dev/shm", fio_seconds(3), {"--rw=randread", "--direct=0", "--userspace_reap=1"});
}

struct Call {
    std::string name;
    std::vector<std::uint64_t> arguments;
    std::string result;
    bool operator==(const Call&) const = default;
};

void PrintTo(const Call& call, std::ostream* out) {
    *out << fmt::format("{}({:#x}) = {}", call.name, fmt::join(call.arguments, ", "), call.result);
}

using Calls = std::map<std::int64_t, std::vector<Call>>;  // by thread

// Puts together what strace tore apart because another thread's call came between.
std::vector<std::string> whole_lines(const std::string& log) {
    constexpr std::string_view unfinished = " <unfinished ...>";
    constexpr std::string_view resumed = " resumed>";
    std::vector<std::string> lines;
    std::map<long, std::string> begun;
    for (const auto& line : lines_of(log)) {
        const auto rest = line.find(resumed);
        if (line.ends_with(unfinished)) {
            begun[std::stol(line)] = line.substr(0, line.size() - unfinished.size());
        } else if (rest != std::string::npos) {
            lines.push_back(begun[std::stol(line)] + line.substr(rest + resumed.size()));
        } else {
            lines.push_back(line);
        }
    }
    return lines;
}

// "8552  io_cancel(0x7fc65a6cf000, 0x7fff9c8d1730, 0x7fff9c8d15c0) = -1 EINPROGRESS (Operation now in progress)"
Calls calls_of_strace(const std::string& log) {
    Calls calls;
    for (const auto& line : whole_lines(log)) {
        const auto name = line.find("io_");
        const auto open = line.find('(');
        const auto close = line.find(')', open);
        const auto equals = line.find("= ", close);
        if (name == std::string::npos || open == std::string::npos || equals == std::string::npos) {
            EXPECT_TRUE(line.find("+++") != std::string::npos || line.find("---") != std::string::npos) << line;
            continue;
        }
        Call call{.name = line.substr(name, open - name), .arguments = {}, .result = {}};
        for (const char* at = line.c_str() + open + 1; at < line.c_str() + close;) {
            char* end = nullptr;
            call.arguments.push_back(std::strtoull(at, &end, 0));
            at = end + 2;
        }
        const auto result = line.substr(equals + 2);
        call.result = result.starts_with("-1 ") ? result.substr(3, result.find(' ', 3) - 3)
                                                : fmt::format("{}", std::strtoull(result.c_str(), nullptr, 0));
        calls[std::stol(line)].push_back(std::move(call));
    }
    return calls;
}

std::uint64_t plain(const Value& value) {
    return value.IsString() ? std::strtoull(value.GetString(), nullptr, 0)
                            : static_cast<std::uint64_t>(value.GetInt64());
}

Calls calls_of_trace(const Lines& lines) {
    static const std::map<std::string, std::size_t> arguments{{"io_setup", 2},     {"io_destroy", 1},
                                                              {"io_submit", 3},    {"io_cancel", 3},
                                                              {"io_getevents", 5}, {"io_pgetevents", 6}};
    auto events = lines.of("event");
    std::ranges::stable_sort(events, {}, [](const Value* event) { return number(*event, "start_ns"); });
    Calls calls;
    for (const auto* event : events) {
        Call call{.name = text(*event, "event"), .arguments = {}, .result = text(*event, "error")};
        for (const auto& argument : (*event)["args"].GetArray()) {
            if (call.arguments.size() < arguments.at(call.name)) {
                call.arguments.push_back(plain(argument["value"]));
            }
        }
        if (call.result.empty()) {
            call.result = fmt::format("{}", number(*event, "ret"));
        }
        calls[number(*event, "tid")].push_back(std::move(call));
    }
    return calls;
}

const std::string traced_calls = "io_setup,io_destroy,io_submit,io_cancel,io_getevents,io_pgetevents";

// Runs the workload under strace and inflight; returns strace's log.
std::string under_strace(const std::string& strace, const Words& options, const std::string& name, Traced& traced) {
    const Folder folder;
    const std::string log = folder / "strace";
    traced = trace({"--events"},
                   Words{strace, "-f", "-o", log, "-X", "raw", "-s", "1000000", "-e", "trace=" + traced_calls} +
                       options + Words{workload(name), folder.path()});
    EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
    return read_file(log);
}

TEST_F(Programs, StraceSeesTheSameCalls) {
    const auto strace = find_program("strace");
    if (!strace) {
        GTEST_SKIP() << "no strace here";
    }
    for (const std::string name :
         {"read_write", "cancel_poll", "cancel_bad_pointer", "rejected", "getevents_forms", "fork_children"}) {
        Traced traced;
        const auto log = under_strace(*strace, {"-e", "raw=" + traced_calls}, name, traced);
        const auto expected = calls_of_strace(log);
        EXPECT_FALSE(expected.empty()) << log;
        EXPECT_EQ(calls_of_trace(traced.lines), expected) << name;
    }
}

// Each value behind these names, in the order of the text.
std::vector<std::string> values_behind(const std::string& content, std::string_view call, std::string_view name) {
    std::vector<std::string> values;
    for (const auto& line : whole_lines(content)) {
        if (line.find(call) == std::string::npos) {
            continue;
        }
        for (auto at = line.find(name); at != std::string::npos; at = line.find(name, at + 1)) {
            const auto start = at + name.size();
            values.push_back(line.substr(start, line.find_first_of(",}", start) - start));
        }
    }
    return values;
}

// The structures behind the pointers: the iocbs of io_submit, the events of io_getevents.
TEST_F(Programs, StraceReadsTheSameStructures) {
    const auto strace = find_program("strace");
    if (!strace) {
        GTEST_SKIP() << "no strace here";
    }
    for (const std::string name : {"read_write", "cancel_poll", "batch"}) {
        Traced traced;
        const auto log = under_strace(*strace, {"-e", "abbrev=none"}, name, traced);
        std::vector<std::string> submitted;
        std::vector<std::string> returned;
        auto events = traced.lines.of("event");
        std::ranges::stable_sort(events, {}, [](const Value* event) { return number(*event, "start_ns"); });
        for (const auto* event : events) {
            for (const auto& argument : (*event)["args"].GetArray()) {
                if (text(argument, "name") == "iocbs") {
                    for (const auto& iocb : argument["value"].GetArray()) {
                        submitted.push_back(text(iocb, "data"));
                    }
                } else if (text(argument, "name") == "returned") {
                    for (const auto& io_event : argument["value"].GetArray()) {
                        returned.push_back(text(io_event, "obj"));
                    }
                }
            }
        }
        EXPECT_FALSE(submitted.empty());
        EXPECT_EQ(submitted, values_behind(log, "io_submit(", "aio_data=")) << name;
        EXPECT_EQ(returned, values_behind(log, "getevents(", "obj=")) << name;
    }
}

}  // namespace
}  // namespace inflight::faults
