// SPDX-License-Identifier: Apache-2.0
// Recordings in several files where there is no more room, at whatever byte that is: what they say is true.
#include "capture/file_source.hpp"
#include "capture/file_writer.hpp"
#include "records.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace inflight::capture {
namespace {

constexpr std::uint64_t part_ns = 1000;

// No file grows beyond it, as on a full disk: a write is cut short, and the next fails.
class FileLimit {
public:
    explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    FileLimit(const FileLimit&) = delete;
    FileLimit& operator=(const FileLimit&) = delete;
    FileLimit(FileLimit&&) = delete;
    FileLimit& operator=(FileLimit&&) = delete;
    ~FileLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    void (*handler_)(int);
};

class CountRecords final : public Consumer {
public:
    void on_record(const ifl_header& /*record*/) override { records++; }
    void note_losses() override {}
    void advance(std::uint64_t /*now_ns*/) override {}
    void finish(std::uint64_t /*end_ns*/) override {}
    [[nodiscard]] bool wants_snapshot() const override { return false; }

    int records = 0;
};

class FullDisk : public testing::Test {
protected:
    FullDisk() {
        std::string name = std::filesystem::temp_directory_path() / "inflight-full-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~FullDisk() override { std::filesystem::remove_all(folder_); }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;
    FullDisk(FullDisk&&) = delete;
    FullDisk& operator=(FullDisk&&) = delete;

    [[nodiscard]] std::string path() const { return folder_ / name_; }

    // Three parts, where nothing fails. Whether nothing did.
    bool record(rlim_t limit_bytes) {
        const FileLimit limit(limit_bytes);
        CaptureInfo info;
        info.recording = "one";
        auto writer = FileWriter::create(path(), info, {.bytes = 0, .time_ns = part_ns, .keep = 0});
        if (!writer) {
            return false;
        }
        const ifl_file file = model::test::file(7, {"data"});
        for (std::uint64_t time_ns = 10; time_ns < 3 * part_ns; time_ns += 100) {
            (*writer)->on_record(file.header);
            (*writer)->advance(time_ns);
        }
        (*writer)->finish(3 * part_ns);
        Account account;
        account.ended_by = (*writer)->failed() ? "the output failed" : "the command exited";
        (*writer)->close(account);
        return !(*writer)->failed();
    }

    // What is there, checked for what it says.
    int check_parts(const std::string& where) {
        int records = 0;
        std::vector<std::string> paths;
        for (const auto& each : std::filesystem::directory_iterator(folder_)) {
            if (each.is_regular_file()) {
                paths.push_back(each.path());
            }
        }
        std::ranges::sort(paths);
        for (std::size_t at = 0; at < paths.size(); at++) {
            const auto& part = paths[at];
            auto source = FileSource::open(part);
            EXPECT_TRUE(source) << where;
            CountRecords counted;
            EXPECT_TRUE(source && (*source)->replay(counted)) << where;
            if (!source) {
                continue;
            }
            const std::string& ended_by = (*source)->account().ended_by;
            EXPECT_TRUE((*source)->damage().empty()) << where;
            EXPECT_EQ((*source)->ended(), !ended_by.empty()) << where;
            if (at + 1 < paths.size()) {
                EXPECT_EQ(ended_by, "rotation: it goes on in " + paths[at + 1]) << where;
            } else {
                EXPECT_FALSE(ended_by.starts_with("rotation: ")) << where << ": " << ended_by;
            }
            records += counted.records;
            std::filesystem::remove(part);
        }
        return records;
    }

    std::filesystem::path folder_;
    std::string name_ = "run";
};

TEST_F(FullDisk, WhateverFitsIsThereAndSaysWhatItIs) {
    ASSERT_TRUE(record(RLIM_INFINITY));
    std::uintmax_t most = 0;
    for (std::uint64_t part = 1; part <= 3; part++) {
        most = std::max(most, std::filesystem::file_size(part_path(path(), part)));
    }
    const int all = check_parts("no limit");
    int before = 0;
    for (rlim_t bytes = 0; bytes <= most; bytes++) {
        const bool whole = record(bytes);
        EXPECT_EQ(whole, bytes == most) << bytes;
        const int records = check_parts("limit " + std::to_string(bytes));
        EXPECT_GE(records, before) << "more room, and less in it: " << bytes;
        before = records;
    }
    EXPECT_EQ(before, all);
}

TEST_F(FullDisk, AFileThatCannotBeMadeIsNotSaidToFollow) {
    // A number with one more digit makes a name that is too long.
    name_ = std::string(NAME_MAX - 5, 'r');
    std::filesystem::create_directory(part_path(path(), 9998));
    const auto first = part_path(path(), 9999);
    EXPECT_FALSE(record(RLIM_INFINITY));
    const auto most = std::filesystem::file_size(first);
    EXPECT_GT(check_parts("no limit"), 0);
    for (rlim_t bytes = 0; bytes <= most; bytes++) {
        EXPECT_FALSE(record(bytes));
        check_parts("limit " + std::to_string(bytes));
    }
}

}  // namespace
}  // namespace inflight::capture
