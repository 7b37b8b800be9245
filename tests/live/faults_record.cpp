// SPDX-License-Identifier: Apache-2.0
// Captures of real runs: the same as the trace, and what is left when the recorder does not come to its end.
#include "faults_support.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

namespace inflight::faults {
namespace {

class Recording : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }

    [[nodiscard]] std::int64_t requests_of(const std::string& capture) const {
        const auto ended = run_inflight({"report", "-o", "json", capture});
        const Lines lines(ended.out);
        return static_cast<std::int64_t>(lines.of("request").size());
    }

    const Folder folder_;
};

// What the report says of the file itself is left out.
std::string without_file(const std::string& text) {
    std::string kept;
    for (const auto& line : lines_of(text)) {
        if (!line.starts_with(R"({"type":"capture")")) {
            kept += line + "\n";
        }
    }
    return kept;
}

// The records and the moments are the same, hence everything that is made of them.
class SameAsTrace : public Recording, public testing::WithParamInterface<const char*> {};

TEST_P(SameAsTrace, InTextAndJson) {
    for (const std::string format : {"text", "json"}) {
        const auto traced = folder_ / ("traced." + format);
        const auto reported = folder_ / ("reported." + format);
        const auto capture = folder_ / (format + ".capture");
        const auto run = run_inflight({"trace", "--events", "-o", format, "--output", traced, "--save", capture, "--",
                                       workload(GetParam()), folder_.path()});
        EXPECT_EQ(run.status, 0) << run.err;
        const auto report = run_inflight({"report", "--events", "-o", format, "--output", reported, capture});
        EXPECT_EQ(report.status, 0) << report.err;
        const auto expected = read_file(traced);
        EXPECT_GT(expected.size(), 500U);
        EXPECT_TRUE(without_file(read_file(reported)) == without_file(expected))
            << "the first " << format << " of the report:\n"
            << read_file(reported).substr(0, 2000) << "\nof the trace:\n"
            << expected.substr(0, 2000);
    }
}

INSTANTIATE_TEST_SUITE_P(Workloads, SameAsTrace,
                         testing::Values("batch", "cancel_race", "random", "exit_in_flight", "uring_links", "uring_tcp",
                                         "uring_overflow", "uring_cancel_race"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(Recording, KilledItKeepsAllButTheLastSecond) {
    const auto capture = folder_ / "killed.capture";
    Process load(Words{workload("spin"), folder_.path(), "6000"});
    Process recorder(Words{inflight_path(), "record", "-o", capture, "--comm", "spin"});
    // Blocks come each second.
    EXPECT_TRUE(wait_until([&] { return exists(capture) && read_file(capture).size() > 20'000; }, 30s));
    recorder.signal(SIGKILL);
    EXPECT_TRUE(recorder.wait());
    EXPECT_GT(requests_of(capture), 1000);
    const auto report = run_inflight({"report", capture});
    EXPECT_NE((report.out + report.err).find("end"), std::string::npos) << "it says that there is no end";
    load.signal(SIGKILL);
}

TEST_F(Recording, AFileThatGrowsNoMoreCanBeRead) {
    const auto capture = folder_ / "full.capture";
    constexpr rlim_t limit_bytes = 300'000;
    Process recorder(
        Start{.command = {inflight_path(), "record", "-o", capture, "--", workload("spin"), folder_.path(), "4000"},
              .in_child = [] {
                  const rlimit limit{.rlim_cur = limit_bytes, .rlim_max = limit_bytes};
                  ::setrlimit(RLIMIT_FSIZE, &limit);
                  ::signal(SIGXFSZ, SIG_IGN);
              }});
    EXPECT_TRUE(recorder.wait());
    EXPECT_EQ(recorder.status(), 1);
    EXPECT_NE(recorder.err().find("EFBIG"), std::string::npos) << recorder.err();
    EXPECT_LE(read_file(capture).size(), limit_bytes);
    EXPECT_GT(requests_of(capture), 1000);
}

TEST_F(Recording, InterruptedItHasItsEnd) {
    const auto capture = folder_ / "interrupted.capture";
    Process recorder(Words{inflight_path(), "record", "-o", capture});
    EXPECT_TRUE(wait_until([&] { return exists(capture); }, 60s));
    recorder.signal(SIGINT);
    EXPECT_TRUE(recorder.wait());
    EXPECT_EQ(recorder.status(), 0) << recorder.err();
    const auto report = run_inflight({"report", "-o", "json", capture});
    EXPECT_EQ(report.status, 0) << report.err;
    EXPECT_EQ(text(Lines(report.out).one("summary"), "ended_by"), "SIGINT");
}

}  // namespace
}  // namespace inflight::faults
