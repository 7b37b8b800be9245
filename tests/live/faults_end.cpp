// SPDX-License-Identifier: Apache-2.0
// How a trace ends: signals, times, outputs that fail, and inflight killed outright.
#include "faults_support.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <pty.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

namespace inflight::faults {
namespace {

class Ends : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

// A trace that ended well says so in its last two lines.
void expect_whole(const std::string& output) {
    const auto lines = lines_of(output);
    ASSERT_GE(lines.size(), 3U) << output;
    EXPECT_TRUE(lines.front().starts_with(R"({"type":"trace")"));
    EXPECT_TRUE(lines.at(lines.size() - 2).starts_with(R"({"type":"loss")"));
    EXPECT_TRUE(lines.back().starts_with(R"({"type":"summary")"));
    EXPECT_TRUE(output.ends_with('\n'));
}

TEST_F(Ends, CommandKilledWithRequestsInFlight) {
    const Folder folder;
    const auto traced = trace({"--events"}, {workload("kill_in_flight"), folder.path()});
    EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
    const auto requests = traced.lines.of("request");
    EXPECT_EQ(requests.size(), static_cast<std::size_t>(totals_of(traced.ended.out).requests));
    EXPECT_EQ(traced.lines.requests_with("outcome", "abandoned").size(), requests.size());
    EXPECT_EQ(number(traced.lines.one("summary"), "outcomes", "in-flight"), 0);
    EXPECT_EQ(number(traced.lines.one("summary"), "lost"), 0);
}

std::int64_t records_of(const Lines& lines, const std::string& kind) {
    std::int64_t generated = 0;
    for (const auto& cpu : lines.one("loss")["cpus"].GetArray()) {
        for (const auto& each : cpu["kinds"].GetArray()) {
            generated += text(each, "kind") == kind ? number(each, "generated") : 0;
        }
    }
    return generated;
}

// With a filter by name: one by process forgets it at the first record.
TEST_F(Ends, ThreadsThatEndTogetherAreOneEnd) {
    constexpr int processes = 200;
    const Folder folder;
    Tracer tracer({"--comm", "exit_together"});
    const Ended ended = run(Words{workload("exit_together"), folder.path(), std::to_string(processes)});
    EXPECT_EQ(ended.status, 0) << ended.err;
    const Lines lines = tracer.end();
    EXPECT_EQ(records_of(lines, "process_exit"), processes + 1);
    EXPECT_EQ(number(lines.one("summary"), "lost"), 0);
}

TEST_F(Ends, ThreadsThatEndTogetherAreForgottenOnceByStat) {
    const Folder folder;
    const Ended ended = run_inflight({"stat", "-o", "json", "--", workload("exit_together"), folder.path(), "40"});
    EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
}

TEST_F(Ends, TracedProcessKilled) {
    const Folder folder;
    Process process(Words{workload("existing"), folder.path()});
    ASSERT_TRUE(process.wait_for_out("ready"));
    Tracer tracer({"-p", std::to_string(process.pid())});
    process.signal(SIGKILL);
    process.wait();
    EXPECT_EQ(process.status(), 128 + SIGKILL);
    ASSERT_TRUE(wait_until([&] { return count_of(tracer.process().out(), R"("outcome":"abandoned")") >= 4; }));
    EXPECT_TRUE(tracer.process().running());
    const auto lines = tracer.end();
    EXPECT_EQ(lines.of("request").size(), 4U);
    for (const auto* request : lines.of("request")) {
        EXPECT_EQ(text(*request, "outcome"), "abandoned");
        EXPECT_TRUE((*request)["existed"].GetBool());
    }
}

TEST_F(Ends, SignalWithoutCommand) {
    for (const auto& [signal, name] : {std::pair{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}}) {
        Tracer tracer({"-p", std::to_string(::getpid())});
        tracer.process().signal(signal);
        tracer.process().wait(20s);
        EXPECT_EQ(tracer.process().status(), 0);
        EXPECT_EQ(tracer.process().err(), "");
        const auto output = tracer.process().out();
        expect_whole(output);
        const Lines lines(output);
        EXPECT_EQ(text(lines.one("summary"), "ended_by"), name);
        EXPECT_EQ(number(lines.one("loss"), "total"), 0);
    }
}

TEST_F(Ends, SignalGoesToTheCommand) {
    const Folder folder;
    const std::string script = "trap 'echo got; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    Process traced(
        Words{inflight_path(), "trace", "-o", "json", "--output", folder / "trace", "--", "sh", "-c", script});
    ASSERT_TRUE(traced.wait_for_out("ready"));
    traced.signal(SIGINT);
    traced.wait(20s);
    EXPECT_EQ(traced.status(), 3);
    EXPECT_EQ(count_of(traced.out(), "got"), 1U) << traced.out();
    expect_whole(read_file(folder / "trace"));

    Process killed(Words{inflight_path(), "trace", "-o", "json", "--output", folder / "trace", "--", "sh", "-c",
                         "echo ready; exec sleep 100"});
    ASSERT_TRUE(killed.wait_for_out("ready"));
    killed.signal(SIGTERM);
    killed.wait(20s);
    EXPECT_EQ(killed.status(), 128 + SIGTERM);
    expect_whole(read_file(folder / "trace"));
}

TEST_F(Ends, SecondSignalEndsTheTrace) {
    const Folder folder;
    Process traced(Words{inflight_path(), "trace", "-o", "json", "--output", folder / "trace", "--", "sh", "-c",
                         "trap '' INT; echo ready; echo $$; exec sleep 100"});
    ASSERT_TRUE(traced.wait_for_out("ready\n") && wait_until([&] { return lines_of(traced.out()).size() == 2; }));
    const pid_t command = std::stoi(lines_of(traced.out()).at(1));
    traced.signal(SIGINT);
    std::this_thread::sleep_for(200ms);
    EXPECT_TRUE(traced.running()) << "the first is the command's";
    traced.signal(SIGINT);
    traced.wait(20s);
    expect_whole(read_file(folder / "trace"));
    EXPECT_EQ(::kill(command, SIGKILL), 0) << "the command goes on";
}

// ^C at a terminal reaches the command by itself: it must not get a second one from inflight.
TEST_F(Ends, InterruptFromTerminal) {
    int master = -1;
    const Folder folder;
    const pid_t pid = ::forkpty(&master, nullptr, nullptr, nullptr);
    ASSERT_GE(pid, 0);
    const std::string count = folder / "count";
    const std::string script =
        "trap 'echo got >>" + count + "' INT; echo ready; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; exit 4";
    if (pid == 0) {
        ::signal(SIGINT, SIG_DFL);  // where a shell's background job has it ignored
        ::execl(inflight_path().c_str(), "inflight", "trace", "--output", (folder / "trace").c_str(), "--", "sh", "-c",
                script.c_str(), nullptr);
        ::_exit(99);
    }
    std::string said;
    std::array<char, 256> part{};
    while (said.find("ready") == std::string::npos) {
        const ssize_t got = ::read(master, part.data(), part.size());
        ASSERT_GT(got, 0) << said;
        said.append(part.data(), static_cast<std::size_t>(got));
    }
    ASSERT_EQ(::write(master, "\x03", 1), 1);
    int status = 0;
    const bool ended = wait_until([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, 30s);
    if (!ended) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &status, 0);
    }
    ::close(master);
    ASSERT_TRUE(ended);
    EXPECT_EQ(WEXITSTATUS(status), 4);
    EXPECT_EQ(read_file(count), "got\n");
    EXPECT_NE(read_file(folder / "trace").find("summary of"), std::string::npos);
}

TEST_F(Ends, Duration) {
    const auto start = std::chrono::steady_clock::now();
    const auto ended = run_inflight({"trace", "-o", "json", "-p", std::to_string(::getpid()), "--duration", "300ms"});
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_GE(took, 300ms);
    EXPECT_LT(took, 60s);
    expect_whole(ended.out);
    const Lines lines(ended.out);
    const auto& summary = lines.one("summary");
    EXPECT_EQ(text(summary, "ended_by"), "the duration is over");
    EXPECT_GE(number(summary, "end_ns") - number(summary, "start_ns"), 300'000'000);
    EXPECT_EQ(run_inflight({"trace", "-p", std::to_string(::getpid()), "--duration", "0.05s"}).status, 0);
}

TEST_F(Ends, DurationThatIsNone) {
    const Folder folder;
    const std::string marker = folder / "ran";
    for (const std::string bad : {"-1s", "abc", "", "1 s", "1e30s", "inf", "nan", "nans", "5x", "s", "0x10s"}) {
        for (const std::string option : {"--duration", "--min-latency", "--blocked", "--slow-submit"}) {
            const auto ended = run_inflight({"trace", option, bad, "--", "touch", marker});
            EXPECT_EQ(ended.status, 2) << option << " '" << bad << "'";
            EXPECT_NE(ended.err.find(option), std::string::npos) << ended.err;
        }
    }
    EXPECT_FALSE(exists(marker));
}

TEST_F(Ends, NobodyReadsTheOutput) {
    const Folder folder;
    for (const std::string format : {"json", "text", "tracee"}) {
        const std::string marker = folder / format;
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        const std::string command =
            fmt::format("{} {} 500 >/dev/null 2>&1; echo $? >{}", workload("spin"), folder.path(), marker);
        Process traced(
            Start{.command = {inflight_path(), "trace", "-o", format, "--", "sh", "-c", command}, .out_fd = ends[1]});
        ::close(ends[1]);
        char byte = 0;
        while (byte != '\n' && ::read(ends[0], &byte, 1) == 1) {
        }
        EXPECT_EQ(byte, '\n') << traced.err();
        ::close(ends[0]);
        traced.wait(30s);
        EXPECT_NE(traced.status(), 0) << format;
        EXPECT_LE(lines_of(traced.err()).size(), 2U) << traced.err();
        EXPECT_TRUE(wait_until([&] { return read_file(marker) == "0\n"; }, 60s))
            << "the command did not end as it should";
    }
}

void expect_disk_full(const Ended& ended, const std::string& file, const std::string& marker) {
    EXPECT_EQ(ended.status, 1);
    expect_error(ended.err, "ENOSPC");
    EXPECT_NE(ended.err.find(file), std::string::npos) << ended.err;
    EXPECT_TRUE(wait_until([&] { return read_file(marker) == "0\n"; }, 60s)) << "the command did not end as it should";
}

TEST_F(Ends, DiskFull) {
    const Folder folder;
    const SmallDisk disk(folder / "disk", "64k");
    if (!disk.refusal().empty()) {
        GTEST_SKIP() << disk.refusal();
    }
    const std::string file = disk / "trace";
    for (const std::string format : {"json", "text", "tracee"}) {
        const std::string marker = folder / format;
        const std::string command =
            fmt::format("{} {} 300 >/dev/null 2>&1; echo $? >{}", workload("spin"), folder.path(), marker);
        expect_disk_full(run_inflight({"trace", "-o", format, "--output", file, "--", "sh", "-c", command}), file,
                         marker);
        const auto content = read_file(file);
        EXPECT_GT(content.size(), 30'000U);
        EXPECT_TRUE(content.ends_with('\n')) << format << " ends in the middle of a line: " << lines_of(content).back();
        if (format != "text") {
            for (const auto& line : lines_of(content)) {
                rapidjson::Document document;
                EXPECT_FALSE(document.Parse(line.c_str(), line.size()).HasParseError()) << line;
            }
        }
        std::filesystem::remove(file);
    }
    const std::string marker = folder / "full";
    expect_disk_full(run_inflight({"trace", "--output", "/dev/full", "--", "sh", "-c", "echo 0 >" + marker}),
                     "/dev/full", marker);
}

TEST_F(Ends, OutputThatCannotBeOpened) {
    const Folder folder;
    const std::string marker = folder / "ran";
    const auto missing = run_inflight({"trace", "--output", folder / "missing/file", "--", "touch", marker});
    EXPECT_EQ(missing.status, 1);
    expect_error(missing.err, "ENOENT");
    const auto directory = run_inflight({"trace", "--output", folder.path(), "--", "touch", marker});
    EXPECT_EQ(directory.status, 1);
    expect_error(directory.err, "EISDIR");
    std::this_thread::sleep_for(50ms);
    EXPECT_FALSE(exists(marker)) << "the command ran untraced";
}

// Without a standard output, nothing that inflight opens may be taken for it.
TEST_F(Ends, StandardOutputClosed) {
    const Folder folder;
    const auto close_it = [] { ::close(STDOUT_FILENO); };
    const auto ended = run_inflight({"trace", "-o", "json", "--", workload("poll_ready"), folder.path()}, close_it);
    EXPECT_NE(ended.status, 0);
    EXPECT_LE(lines_of(ended.err).size(), 2U) << ended.err;
    const auto to_file = run_inflight({"trace", "-o", "json", "--output", folder / "trace", "--", "true"}, close_it);
    EXPECT_EQ(to_file.status, 0) << to_file.err;
    expect_whole(read_file(folder / "trace"));
}

// Ids of what a process holds, from /proc/PID/fdinfo.
std::vector<std::uint32_t> ids_of(pid_t pid, std::string_view key) {
    std::vector<std::uint32_t> ids;
    for (const auto& each : std::filesystem::directory_iterator(fmt::format("/proc/{}/fdinfo", pid))) {
        std::ifstream file(each.path());
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with(key)) {
                ids.push_back(static_cast<std::uint32_t>(std::stoul(line.substr(key.size()))));
            }
        }
    }
    return ids;
}

// Whether the kernel still has the program, link or map of this id.
bool has_id(bpf_cmd command, std::uint32_t id) {
    bpf_attr attributes{};
    attributes.prog_id = id;
    const int fd = static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
    if (fd >= 0) {
        ::close(fd);
    }
    return fd >= 0 || errno != ENOENT;
}

TEST_F(Ends, KilledOutright) {
    const Folder folder;
    const std::string marker = folder / "ended";
    Process traced(Words{inflight_path(), "trace", "-o", "json", "--output", folder / "trace", "--", "sh", "-c",
                         fmt::format("echo ready; read line; {} {} >/dev/null; echo $? >{}", workload("poll_ready"),
                                     folder.path(), marker)});
    ASSERT_TRUE(traced.wait_for_out("ready"));
    const auto programs = ids_of(traced.pid(), "prog_id:");
    const auto links = ids_of(traced.pid(), "link_id:");
    const auto maps = ids_of(traced.pid(), "map_id:");
    EXPECT_GE(programs.size(), 4U);
    EXPECT_GE(links.size(), 4U);
    EXPECT_GE(maps.size(), 4U);
    const auto left = [&] {
        const auto any = [](const auto& ids, bpf_cmd command) {
            return std::ranges::count_if(ids, [command](std::uint32_t id) { return has_id(command, id); });
        };
        return any(programs, BPF_PROG_GET_FD_BY_ID) + any(links, BPF_LINK_GET_FD_BY_ID) +
               any(maps, BPF_MAP_GET_FD_BY_ID);
    };
    EXPECT_GT(left(), 0);
    traced.signal(SIGKILL);
    traced.wait();
    EXPECT_EQ(traced.status(), 128 + SIGKILL);
    EXPECT_TRUE(wait_until([&] { return left() == 0; }, 30s)) << left() << " programs, links and maps are left";
    for (const std::string file : {"/sys/kernel/tracing/kprobe_events", "/sys/kernel/debug/tracing/kprobe_events"}) {
        EXPECT_EQ(read_file(file).find("io_submit"), std::string::npos) << read_file(file);
    }
    traced.send("go\n");
    EXPECT_TRUE(wait_until([&] { return read_file(marker) == "0\n"; }, 60s)) << "the command did not go on";
}

// Between fork and exec the command waits for its tracer: when that dies, it must not run, nor wait for ever.
TEST_F(Ends, KilledBeforeTheCommandBegan) {
    const Folder folder;
    const std::string marker = folder / "ran";
    Process traced(Words{inflight_path(), "trace", "--", "touch", marker});
    std::string children;
    const std::string list = fmt::format("/proc/{0}/task/{0}/children", traced.pid());
    ASSERT_TRUE(wait_until([&] { return !(children = read_file(list)).empty() || !traced.running(); }));
    traced.signal(SIGKILL);
    traced.wait();
    if (children.empty()) {
        GTEST_SKIP() << "the command was not caught before it began";
    }
    const auto child = fmt::format("/proc/{}", std::stoi(children));
    EXPECT_TRUE(wait_until(
        [&] { return !exists(child) || read_file(child + "/stat").find(") Z ") != std::string::npos; }, 30s));
    EXPECT_FALSE(exists(marker)) << "the command ran untraced";
}

}  // namespace
}  // namespace inflight::faults
