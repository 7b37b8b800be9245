// SPDX-License-Identifier: Apache-2.0
// Recordings of several files: rotation and the flight recorder, against what the workload says it did.
#include "faults_support.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace inflight::faults {
namespace {

class Rotation : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }

    // Those that are there, in order.
    [[nodiscard]] static Words parts_of(const std::string& capture) {
        Words parts;
        for (int number = 1; number < 10'000; number++) {
            std::string digits = std::to_string(number);
            const std::string path = capture + "." + std::string(4 - digits.size(), '0') + digits;
            if (exists(path)) {
                parts.push_back(path);
            }
        }
        return parts;
    }

    // All as one, without a line for each request.
    static Ended report(const Words& files) {
        return run_inflight(Words{"report", "-o", "json", "--group-by", "op"} + files);
    }

    static std::int64_t requests_in(const Words& files) {
        const auto ended = report(files);
        EXPECT_EQ(ended.status, 0) << ended.err;
        return number(Lines(ended.out).one("summary"), "requests");
    }

    const Folder folder_;
    const std::string capture_ = folder_ / "run.capture";
};

TEST_F(Rotation, AllPartsTogetherAreTheWholeRun) {
    const auto recorded = run_inflight(
        {"record", "-o", capture_, "--rotate-size", "200kb", "--", workload("spin"), folder_.path(), "1500"});
    EXPECT_EQ(recorded.status, 0) << recorded.err;
    EXPECT_NE(recorded.err.find("lost 0"), std::string::npos) << recorded.err;
    Words parts = parts_of(capture_);
    ASSERT_GE(parts.size(), 3U) << recorded.err;
    EXPECT_EQ(requests_in(parts), totals_of(recorded.out).requests);
    EXPECT_FALSE(exists(capture_)) << "only the parts have names";

    parts.erase(parts.begin() + 1);
    const auto without_one = report(parts);
    EXPECT_EQ(without_one.status, 0) << without_one.err;
    EXPECT_NE(without_one.out.find("between part 1 and part 3 of this recording, parts are missing"),
              std::string::npos);
}

TEST_F(Rotation, KeepsTheLastPartsOnly) {
    const auto recorded = run_inflight({"record", "-o", capture_, "--rotate-size", "100kb", "--keep", "2", "--",
                                        workload("spin"), folder_.path(), "1500"});
    EXPECT_EQ(recorded.status, 0) << recorded.err;
    const Words parts = parts_of(capture_);
    EXPECT_EQ(parts.size(), 2U);
    EXPECT_NE(recorded.err.find("were removed"), std::string::npos) << recorded.err;
    EXPECT_GT(requests_in(parts), 0);
}

TEST_F(Rotation, KilledInTheMiddleItsPartsCanBeRead) {
    Process load(Words{workload("spin"), folder_.path(), "60000"});
    Process recorder(Words{inflight_path(), "record", "-o", capture_, "--rotate-size", "200kb", "--comm", "spin"});
    EXPECT_TRUE(wait_until([&] { return parts_of(capture_).size() >= 3; }));
    recorder.signal(SIGKILL);
    EXPECT_TRUE(recorder.wait());
    load.signal(SIGKILL);
    const Words parts = parts_of(capture_);
    const auto all = report(parts);
    EXPECT_EQ(all.status, 0) << all.err;
    const Lines lines(all.out);
    EXPECT_GT(number(lines.one("summary"), "requests"), 1000);
    const auto files = lines.of("capture");
    ASSERT_EQ(files.size(), parts.size());
    for (const Value* file : files) {
        const bool last = file == files.back();
        EXPECT_EQ((*file)["ended"].GetBool(), !last) << text(*file, "file");
        EXPECT_EQ(text(*file, "ended_by").starts_with("rotation"), !last) << text(*file, "file");
    }
}

TEST_F(Rotation, AFullDiskIsOneErrorAndTheFirstPartsStay) {
    const auto disk = folder_ / "disk";
    ::mkdir(disk.c_str(), 0700);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", disk.c_str(), "tmpfs", 0, "size=800k") != 0) {
        GTEST_SKIP() << "no tmpfs can be mounted: " << std::strerror(errno);
    }
    const std::string capture = disk + "/run.capture";
    const auto recorded = run_inflight(
        {"record", "-o", capture, "--rotate-size", "200kb", "--", workload("spin"), folder_.path(), "6000"});
    EXPECT_EQ(recorded.status, 1);
    EXPECT_EQ(count_of(recorded.err, "ENOSPC"), 1U) << recorded.err;
    const Words parts = parts_of(capture);
    EXPECT_GE(parts.size(), 2U);
    EXPECT_GT(requests_in(parts), 1000);
    EXPECT_EQ(::umount(disk.c_str()), 0);
}

class Flight : public Rotation {};

TEST_F(Flight, ASignalWritesWhatIsHeldAndTheEndWritesTheRest) {
    Process recorder(Words{inflight_path(), "record", "-o", capture_, "--flight", "10m", "--", "/bin/sh", "-c",
                           R"("$0" "$1" 200 && kill -USR1 $PPID && sleep 2 && exec "$0" "$1" 200)", workload("spin"),
                           folder_.path()});
    EXPECT_TRUE(recorder.wait());
    EXPECT_EQ(recorder.status(), 0) << recorder.err();
    const Words files = parts_of(capture_);
    ASSERT_EQ(files.size(), 2U) << recorder.err();
    const std::string out = recorder.out();
    const auto second = out.rfind("expect sum op=poll");
    const auto first_requests = totals_of(out.substr(0, second)).requests;
    const auto all_requests = first_requests + totals_of(out.substr(second)).requests;
    EXPECT_EQ(requests_in({files[0]}), first_requests);
    EXPECT_EQ(requests_in({files[1]}), all_requests) << "each holds the last ten minutes";
    EXPECT_NE(recorder.err().find("SIGUSR1"), std::string::npos) << recorder.err();
}

TEST_F(Flight, AFindingWritesAFileWhileTheProgramGoesOn) {
    Process recorder(Words{inflight_path(), "record", "-o", capture_, "--flight", "30s", "--on-finding", "warn", "--",
                           "/bin/sh", "-c", R"("$0" "$1" && exec sleep 60)", workload("slow_submit"), folder_.path()});
    EXPECT_TRUE(wait_until([&] { return !parts_of(capture_).empty(); }));
    EXPECT_TRUE(recorder.running()) << recorder.err();
    const Words files = parts_of(capture_);
    ASSERT_EQ(files.size(), 1U);
    EXPECT_TRUE(wait_until([&] { return recorder.err().find("slow-submit") != std::string::npos; }, 10s));
    const auto told = report(files);
    EXPECT_EQ(told.status, 0) << told.err;
    const Lines lines(told.out);
    EXPECT_TRUE(text(lines.one("capture"), "ended_by").starts_with("finding slow-submit"));
    recorder.signal(SIGINT);
    recorder.signal(SIGINT);
    EXPECT_TRUE(recorder.wait());
}

TEST_F(Flight, WithoutAReasonNothingIsWrittenBeforeTheEnd) {
    Process recorder(Words{inflight_path(), "record", "-o", capture_, "--flight-size", "1mb", "--", workload("spin"),
                           folder_.path(), "1500"});
    bool early = false;
    while (recorder.running()) {
        early = early || (!parts_of(capture_).empty() && recorder.running());
        ::usleep(50'000);
    }
    EXPECT_TRUE(recorder.wait());
    EXPECT_EQ(recorder.status(), 0) << recorder.err();
    const Words files = parts_of(capture_);
    ASSERT_EQ(files.size(), 1U);
    EXPECT_LT(read_file(files[0]).size(), 2'000'000U);
    EXPECT_GT(requests_in(files), 1000);
}

class WrongUse : public testing::TestWithParam<std::pair<Words, const char*>> {};

TEST_P(WrongUse, IsOneErrorAndNoFile) {
    const Folder folder;
    const auto capture = folder / "run.capture";
    const auto ended = run_inflight(Words{"record", "-o", capture} + GetParam().first + Words{"--", "true"});
    EXPECT_EQ(ended.status, 2);
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err.find(GetParam().second), std::string::npos) << ended.err;
    EXPECT_FALSE(exists(capture) || exists(capture + ".0001"));
}

INSTANTIATE_TEST_SUITE_P(
    Record, WrongUse,
    testing::Values(std::pair{Words{"--flight", "10s", "--rotate-size", "1mb"}, "choose one of them"},
                    std::pair{Words{"--flight-size", "1mb", "--rotate-time", "1m"}, "choose one of them"},
                    std::pair{Words{"--on-finding", "warn"}, "add --flight"},
                    std::pair{Words{"--on-finding", "dire", "--flight", "10s"}, "dire"},
                    std::pair{Words{"--keep", "3"}, "there is one file only"},
                    std::pair{Words{"--keep", "0", "--flight", "10s"}, "--keep"},
                    std::pair{Words{"--rotate-size", "-1"}, "--rotate-size"},
                    std::pair{Words{"--op", "read"}, "inflight report"}));

}  // namespace
}  // namespace inflight::faults
