// SPDX-License-Identifier: Apache-2.0
// Recordings in several files: rotation and the flight recorder, also when they are killed or the disk is full.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <tuple>
#include <utility>

namespace inflight::faults {
namespace {

std::string part_of(const std::string& capture, int part) {
    return fmt::format("{}.{:04}", capture, part);
}

// The files that are there, from the first that is.
Words parts_of(const std::string& capture) {
    Words parts;
    for (int part = 1; part < 1000; part++) {
        if (exists(part_of(capture, part))) {
            parts.push_back(part_of(capture, part));
        }
    }
    return parts;
}

struct Read {
    Lines lines;
    std::int64_t requests = 0;
    [[nodiscard]] bool ended() const { return lines.one("capture")["ended"].GetBool(); }
    [[nodiscard]] std::string ended_by() const { return text(lines.one("capture"), "ended_by"); }
};

Read read(const Words& files, const std::string& comm = "spin") {
    const auto reported =
        run_inflight(Words{"report", "-o", "json", "--group-by", "comm", "--where", "comm == " + comm} + files);
    EXPECT_EQ(reported.status, 0) << reported.err;
    Read read{.lines = Lines(reported.out), .requests = 0};
    for (const auto* file : read.lines.of("capture")) {
        EXPECT_EQ((*file)["damage"].Size(), 0U) << text(*file, "file");
    }
    const auto& loss = read.lines.one("loss");
    EXPECT_EQ(number(loss, "total"), 0) << reported.out.substr(reported.out.find(R"({"type":"loss")"), 200)
                                        << files.front();
    read.requests = number(read.lines.one("summary"), "requests");
    return read;
}

class Recorders : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
    [[nodiscard]] std::string capture() const { return folder_ / "run"; }
    // What a shell does until the test makes the file, or is over.
    [[nodiscard]] std::string until(const std::string& file) const {
        return fmt::format("until [ -e {} ] || ! [ -d {} ]; do sleep 0.02; done; ", folder_ / file, folder_.path());
    }
    [[nodiscard]] std::string spin(int duration_ms, const std::string& said) const {
        return fmt::format("{} {} {} >{} 2>/dev/null; ", workload("spin"), folder_.path(), duration_ms, folder_ / said);
    }
    [[nodiscard]] std::string run_in_folder(const std::string& name, const std::string& said) const {
        return fmt::format("{} {} >{}; ", workload(name), folder_.path(), folder_ / said);
    }
    [[nodiscard]] bool has_said(const std::string& file) const {
        return exists(folder_ / file) && read_file(folder_ / file).find("expect totals ") != std::string::npos;
    }
    [[nodiscard]] std::int64_t requests_said(const std::string& file) const {
        return totals_of(read_file(folder_ / file)).requests;
    }

    const Folder folder_;
};

TEST_F(Recorders, RotationLosesNothing) {
    const auto recorded = run_inflight({"record", "--buffer", "64mb", "-o", capture(), "--rotate-size", "200kb", "--",
                                        workload("spin"), folder_.path(), "1000"});
    ASSERT_EQ(recorded.status, 0) << recorded.err;
    const auto parts = parts_of(capture());
    EXPECT_GE(parts.size(), 2U);
    EXPECT_NE(recorded.err.find(fmt::format(", {} files", parts.size())), std::string::npos) << recorded.err;
    EXPECT_EQ(read(parts).requests, totals_of(recorded.out).requests);
    std::int64_t sum = 0;
    for (const auto& part : parts) {
        const auto alone = read({part});
        EXPECT_TRUE(alone.ended()) << part;
        EXPECT_EQ(alone.ended_by().starts_with("rotation: "), part != parts.back()) << alone.ended_by();
        sum += alone.requests;
    }
    EXPECT_GE(sum, totals_of(recorded.out).requests);
}

TEST_F(Recorders, RotationOnAFullDiskKeepsWhatIsThere) {
    const SmallDisk disk(folder_ / "disk", "700k");
    if (!disk.refusal().empty()) {
        GTEST_SKIP() << disk.refusal();
    }
    const auto recorded = run_inflight({"record", "--buffer", "64mb", "-o", disk / "run", "--rotate-size", "200kb",
                                        "--", workload("spin"), folder_.path(), "3000"});
    EXPECT_EQ(recorded.status, 1);
    expect_error(recorded.err, "ENOSPC");
    const auto parts = parts_of(disk / "run");
    ASSERT_GE(parts.size(), 2U);
    for (std::size_t at = 0; at < parts.size(); at++) {
        const auto& part = parts[at];
        const auto alone = read({part});
        if (part != parts.back()) {
            EXPECT_GT(alone.requests, 0) << part;
            EXPECT_TRUE(alone.ended()) << part;
            EXPECT_EQ(alone.ended_by(), "rotation: it goes on in " + parts[at + 1]);
        } else if (alone.ended()) {
            // There was no room for the next one.
            EXPECT_EQ(alone.ended_by(), "the output failed");
        } else {
            EXPECT_NE(run_inflight({"report", part}).out.find("did not end properly"), std::string::npos);
        }
    }
    EXPECT_EQ(read(parts).lines.of("capture").size(), parts.size());
}

TEST_F(Recorders, RotationThatIsKilledKeepsWholeParts) {
    const Process load(Words{"sh", "-c", until("go") + "exec " + workload("spin") + " " + folder_.path() + " 60000"});
    Process recorder(Words{inflight_path(), "record", "--buffer", "64mb", "-o", capture(), "--rotate-size", "1mb", "-p",
                           std::to_string(load.pid())});
    ASSERT_TRUE(wait_until([&] { return exists(part_of(capture(), 1)); }));
    write_file(folder_ / "go", "");
    ASSERT_TRUE(wait_until([&] { return exists(part_of(capture(), 3)) && !read_file(part_of(capture(), 3)).empty(); }));
    recorder.signal(SIGKILL);
    EXPECT_TRUE(recorder.wait());
    const auto parts = parts_of(capture());
    ASSERT_GE(parts.size(), 3U);
    for (const auto& part : parts) {
        const bool last = part == parts.back();
        const auto alone = read({part});
        EXPECT_EQ(alone.ended(), !last) << part;
        if (!last) {
            EXPECT_GT(alone.requests, 1000) << part;
        }
        EXPECT_EQ(run_inflight({"report", "--top", "1", part}).out.find("did not end properly") != std::string::npos,
                  last);
    }
    const auto all = run_inflight(Words{"report", "--top", "1"} + parts);
    EXPECT_EQ(all.status, 0) << all.err;
    EXPECT_NE(all.out.find(parts.back() + " of"), std::string::npos);
    EXPECT_NE(all.out.find("did not end properly"), std::string::npos);
}

// A flight recorder that holds all of a run, asked twice while the run stands still: what it tells, what is in the
// files, and what the workload counted are the same.
TEST_F(Recorders, FlightFilesHaveWhatTheWorkloadCounted) {
    Process recorder(Words{inflight_path(), "record", "--buffer", "64mb", "-o", capture(), "--flight", "1h", "--", "sh",
                           "-c", spin(150, "one") + until("go") + spin(150, "two") + until("end")});
    std::int64_t said = 0;
    const auto ask = [&](int part, const std::string& workload_said) {
        ASSERT_TRUE(wait_until([&] { return has_said(workload_said); }));
        said += requests_said(workload_said);
        recorder.signal(SIGUSR1);
        const auto told = fmt::format("{}: {} requests of the last ", part_of(capture(), part), said);
        EXPECT_TRUE(wait_until(
            [&] {
                return recorder.err().find("SIGUSR1\n", recorder.err().find(part_of(capture(), part))) !=
                       std::string::npos;
            },
            30s));
        EXPECT_NE(recorder.err().find(told), std::string::npos) << told << "\n" << recorder.err();
        const auto file = read({part_of(capture(), part)});
        EXPECT_TRUE(file.ended());
        EXPECT_EQ(file.ended_by(), "SIGUSR1");
        EXPECT_EQ(file.requests, said);
    };
    ask(1, "one");
    write_file(folder_ / "go", "");
    ask(2, "two");
    EXPECT_EQ(parts_of(capture()).size(), 2U);
    write_file(folder_ / "end", "");
    EXPECT_TRUE(recorder.wait());
    EXPECT_EQ(recorder.status(), 0);
    EXPECT_NE(recorder.err().find(fmt::format("inflight: {} requests, ", said)), std::string::npos) << recorder.err();
    EXPECT_NE(recorder.err().find("3 files written, lost 0; "), std::string::npos) << recorder.err();
    EXPECT_EQ(read({part_of(capture(), 3)}).requests, said);
}

// The file is there while the run goes on, and stays when the recorder does not come to its end.
TEST_F(Recorders, AFindingWritesAFlightFile) {
    Process recorder(Words{inflight_path(), "record", "--buffer", "64mb", "-o", capture(), "--flight", "30s",
                           "--on-finding", "warn", "--slow-submit", "200ms", "--blocked", "200ms", "--", "sh", "-c",
                           run_in_folder("batch", "before") + run_in_folder("slow_submit", "slow") + until("end")});
    EXPECT_TRUE(
        wait_until([&] { return recorder.err().find("because of: finding slow-submit") != std::string::npos; }));
    EXPECT_TRUE(recorder.running());
    recorder.signal(SIGKILL);
    EXPECT_TRUE(recorder.wait());
    write_file(folder_ / "end", "");
    ASSERT_EQ(parts_of(capture()), Words{part_of(capture(), 1)});
    const auto file = read({part_of(capture(), 1)}, "batch");
    EXPECT_TRUE(file.ended());
    EXPECT_TRUE(file.ended_by().starts_with("finding slow-submit: ")) << file.ended_by();
    EXPECT_EQ(file.requests, requests_said("before"));
    const auto reported =
        run_inflight({"report", "-o", "json", "--where", "comm == slow_submit", part_of(capture(), 1)});
    EXPECT_EQ(text(Lines(reported.out).one("finding"), "code"), "slow-submit") << reported.out;
}

// What cannot be written is told, and the recorder goes on: it is in the next file.
TEST_F(Recorders, AFlightFileThatDoesNotFitIsTold) {
    const SmallDisk disk(folder_ / "disk", "4m");
    if (!disk.refusal().empty()) {
        GTEST_SKIP() << disk.refusal();
    }
    write_file(disk / "ballast", std::string(4 * 1024 * 1024 - 4096, 'x'));
    Process recorder(Words{inflight_path(), "record", "--buffer", "64mb", "-o", disk / "run", "--flight", "1h", "--",
                           "sh", "-c", spin(100, "one") + until("end")});
    ASSERT_TRUE(wait_until([&] { return has_said("one"); }));
    recorder.signal(SIGUSR1);
    EXPECT_TRUE(wait_until([&] { return recorder.err().find("ENOSPC") != std::string::npos; }, 30s)) << recorder.err();
    EXPECT_EQ(parts_of(disk / "run"), Words{});
    std::filesystem::remove(disk / "ballast");
    write_file(folder_ / "end", "");
    EXPECT_TRUE(recorder.wait());
    EXPECT_EQ(recorder.status(), 0) << recorder.err();
    EXPECT_EQ(read({part_of(disk / "run", 1)}).requests, requests_said("one"));
}

// Beside programs that keep all CPUs busy it would get less time than it needs.
TEST_F(Recorders, ReadBeforeOthersUnlessToldOtherwise) {
    if (::getpriority(PRIO_PROCESS, 0) != 0) {
        GTEST_SKIP() << "the tests themselves run at another nice value";
    }
    for (const auto& [given, reader, command] : {std::tuple{0, -20, "0\n"}, std::tuple{5, 5, "5\n"}}) {
        const auto said = fmt::format("nice{}", given);
        Process recorder(Words{"nice", "-n", std::to_string(given), inflight_path(), "record", "-o", capture(), "--",
                               "sh", "-c", fmt::format("nice >{}; ", folder_ / said) + until("end")});
        EXPECT_TRUE(wait_until([&] { return exists(folder_ / said) && read_file(folder_ / said) == command; }));
        EXPECT_TRUE(
            wait_until([&] { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(recorder.pid())) == reader; }, 10s));
        write_file(folder_ / "end", "");
        EXPECT_TRUE(recorder.wait());
        std::filesystem::remove(folder_ / "end");
    }
}

// What chooses among requests belongs to the report, and the help does not offer it.
TEST_F(Recorders, RefuseFiltersOfReports) {
    const auto help = run_inflight({"record", "--help"}).out;
    EXPECT_NE(help.find("--comm"), std::string::npos);
    for (const auto& [option, value] : {std::pair{"--family", "uring"}, std::pair{"--op", "read"},
                                        std::pair{"--outcome", "failed"}, std::pair{"--min-latency", "1ms"}}) {
        EXPECT_EQ(help.find(option), std::string::npos) << option;
        const auto ended = run_inflight({"record", "-o", capture(), option, value, "--", "true"});
        EXPECT_EQ(ended.status, 2);
        expect_error(ended.err, "inflight report");
        EXPECT_FALSE(exists(capture()));
    }
}

TEST(RecordersMisuse, CommandLine) {
    const Folder folder;
    const std::string capture = folder / "run";
    for (const auto& [arguments, named] :
         std::vector<std::pair<Words, std::string>>{{{"--flight", "5s", "--rotate-size", "1mb"}, "--rotate-size"},
                                                    {{"--flight-size", "1mb", "--rotate-time", "1s"}, "--flight"},
                                                    {{"--on-finding", "warn"}, "--on-finding"},
                                                    {{"--on-finding", "warn", "--rotate-size", "1mb"}, "--on-finding"},
                                                    {{"--flight", "5s", "--on-finding", "terrible"}, "terrible"},
                                                    {{"--keep", "3"}, "--keep"},
                                                    {{"--keep", "0", "--rotate-size", "1mb"}, "'0'"},
                                                    {{"--rotate-size", "-5"}, "'-5'"},
                                                    {{"--rotate-size", "0"}, "'0'"},
                                                    {{"--rotate-time", "soon"}, "'soon'"},
                                                    {{"--flight", "0s"}, "'0s'"},
                                                    {{"--flight-size", "much"}, "'much'"}}) {
        const auto ended = run_inflight(Words{"record", "-o", capture} + arguments + Words{"--", "true"});
        EXPECT_EQ(ended.status, 2) << ended.err;
        EXPECT_EQ(ended.out, "");
        expect_error(ended.err, named);
        EXPECT_FALSE(exists(capture) || exists(part_of(capture, 1))) << ended.err;
    }
    const auto without = run_inflight({"record", "--flight", "5s", "--", "true"});
    EXPECT_EQ(without.status, 2);
    expect_error(without.err, "--output");
}

}  // namespace
}  // namespace inflight::faults
