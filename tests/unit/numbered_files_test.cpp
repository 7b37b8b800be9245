// SPDX-License-Identifier: Apache-2.0
// Recordings in numbered files, begun again under the same name.
#include "capture/file_source.hpp"
#include "capture/file_writer.hpp"
#include "capture/flight_recorder.hpp"
#include "records.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace inflight::capture {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t part_ns = 1000;

class NumberedFiles : public testing::Test {
protected:
    NumberedFiles() {
        std::string name = fs::temp_directory_path() / "inflight-numbered-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~NumberedFiles() override { fs::remove_all(folder_); }
    NumberedFiles(const NumberedFiles&) = delete;
    NumberedFiles& operator=(const NumberedFiles&) = delete;

    [[nodiscard]] std::string path() const { return folder_ / "run"; }
    [[nodiscard]] std::vector<std::uint64_t> numbers() const {
        std::vector<std::uint64_t> there;
        for (std::uint64_t number = 1; number < 100; number++) {
            if (fs::exists(part_path(path(), number))) {
                there.push_back(number);
            }
        }
        return there;
    }
    [[nodiscard]] CaptureInfo info_of(std::uint64_t number) const {
        const auto source = FileSource::open(part_path(path(), number));
        EXPECT_TRUE(source) << number;
        return source ? (*source)->info() : CaptureInfo{};
    }
    // A recording of two parts.
    Kept record(const std::string& recording, std::size_t keep = 0) const {
        CaptureInfo info;
        info.recording = recording;
        auto writer = FileWriter::create(path(), info, {.bytes = 0, .time_ns = part_ns, .keep = keep});
        EXPECT_TRUE(writer) << (writer ? "" : writer.error().message());
        if (!writer) {
            return {};
        }
        const ifl_file file = model::test::file(7, {"data"});
        for (std::uint64_t time_ns = 10; time_ns < 2 * part_ns; time_ns += 100) {
            (*writer)->on_record(file.header);
            (*writer)->advance(time_ns);
        }
        (*writer)->finish(2 * part_ns);
        (*writer)->close({});
        return (*writer)->kept();
    }
    void fly(const std::string& recording, std::size_t keep = 0) const {
        CaptureInfo info;
        info.recording = recording;
        auto flight = FlightRecorder::create(path(), info, {.span_ns = 1'000'000'000, .bytes = 0, .keep = keep},
                                             [](const Written& written) { EXPECT_FALSE(written.error); });
        ASSERT_TRUE(flight);
        const ifl_file file = model::test::file(7, {"data"});
        (*flight)->on_record(file.header);
        (*flight)->finish(100);
        (*flight)->close({});
    }

    fs::path folder_;
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(NumberedFiles, ARecorderThatIsStartedAgainGoesOnCounting) {
    EXPECT_EQ(record("one").files, 2U);
    EXPECT_EQ(record("two").files, 2U);
    EXPECT_EQ(numbers(), (Numbers{1, 2, 3, 4}));
    EXPECT_EQ(info_of(1).recording, "one");
    EXPECT_EQ(info_of(2).recording, "one");
    for (const std::uint64_t number : {3U, 4U}) {
        EXPECT_EQ(info_of(number).recording, "two");
        EXPECT_EQ(info_of(number).part, number);
        struct stat status{};
        EXPECT_EQ(::stat(part_path(path(), number).c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
}

TEST_F(NumberedFiles, AFlightRecorderDoesToo) {
    fly("one");
    fly("two");
    record("three");
    fly("four");
    EXPECT_EQ(numbers(), (Numbers{1, 2, 3, 4, 5}));
    EXPECT_EQ(info_of(1).recording, "one");
    EXPECT_EQ(info_of(2).recording, "two");
    EXPECT_EQ(info_of(5).recording, "four");
}

// Whatever has the name of a file that would come stays as it is.
TEST_F(NumberedFiles, NothingThatIsThereIsWrittenTo) {
    std::ofstream(part_path(path(), 5)) << "a letter";
    fs::create_symlink("nowhere", part_path(path(), 7));
    std::ofstream(path() + ".99999999999999999999999") << "no number of ours";
    std::ofstream(path() + ".00009") << "nor this";
    record("one");
    EXPECT_EQ(numbers(), (Numbers{5, 8, 9}));
    EXPECT_EQ(fs::file_size(part_path(path(), 5)), 8U);
    EXPECT_FALSE(fs::exists(folder_ / "nowhere"));
}

// A service that is started again and again fills no disk; what is no capture is not removed.
TEST_F(NumberedFiles, KeepCountsEarlierRecordings) {
    std::ofstream(part_path(path(), 1)) << "a letter";
    record("one");
    EXPECT_EQ(numbers(), (Numbers{1, 2, 3}));
    const Kept kept = record("two", 3);
    EXPECT_EQ(numbers(), (Numbers{1, 3, 4, 5}));
    EXPECT_EQ(kept.files_removed, 0U) << "none of its own";
    fly("three", 1);
    EXPECT_EQ(numbers(), (Numbers{1, 6}));
}

TEST_F(NumberedFiles, OneThatIsMadeMeanwhileIsPassedOver) {
    CaptureInfo info;
    auto writer = FileWriter::create(path(), info, {.bytes = 0, .time_ns = part_ns, .keep = 0});
    ASSERT_TRUE(writer);
    std::ofstream(part_path(path(), 2)) << "another recorder";
    (*writer)->advance(part_ns + 1);
    (*writer)->finish(part_ns + 2);
    (*writer)->close({});
    EXPECT_EQ(numbers(), (Numbers{1, 2, 3}));
    EXPECT_EQ(fs::file_size(part_path(path(), 2)), 16U);
    EXPECT_EQ(info_of(3).part, 2U) << "parts follow on each other whatever their files are called";
}

}  // namespace
}  // namespace inflight::capture
