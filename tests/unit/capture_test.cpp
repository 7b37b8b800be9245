// SPDX-License-Identifier: Apache-2.0
#include "capture/file_source.hpp"
#include "capture/file_writer.hpp"
#include "capture/flight_recorder.hpp"
#include "contract/uring.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

namespace inflight::capture {
namespace {

// Keeps what it gets, byte for byte.
class Keep final : public Consumer {
public:
    void on_record(const ifl_header& record) override {
        const auto* const bytes = reinterpret_cast<const char*>(&record);
        records.emplace_back(bytes, record.size_bytes);
    }
    void note_losses() override {}
    void advance(std::uint64_t now_ns) override { advanced_ns = now_ns; }
    void finish(std::uint64_t end_ns) override { ends.push_back(end_ns); }
    [[nodiscard]] bool wants_snapshot() const override { return false; }

    std::vector<std::string> records;
    std::uint64_t advanced_ns = 0;
    std::vector<std::uint64_t> ends;
};

class Capture : public testing::Test {
protected:
    void SetUp() override {
        path_ = std::filesystem::temp_directory_path() / ("inflight-capture-" + std::to_string(::getpid()));
    }
    void TearDown() override { std::filesystem::remove(path_); }

    template <typename Record>
    static std::string made(std::uint16_t kind, std::uint64_t time_ns, std::mt19937_64& random,
                            std::size_t bytes = sizeof(Record)) {
        std::string text(sizeof(Record), '\0');
        // Some fields vary, most stand still, as in real ones.
        for (std::size_t i = 0; i < text.size(); i++) {
            text[i] = random() % 4 == 0 ? static_cast<char>(random()) : '\1';
        }
        auto& record = *reinterpret_cast<Record*>(text.data());
        record.header = {.size_bytes = static_cast<ifl_u32>(bytes),
                         .kind = kind,
                         .tier = 3,
                         .reserved = 0,
                         .cpu = 1,
                         .span_us = 0,
                         .time_ns = time_ns};
        if constexpr (requires { record.count; }) {
            record.count = 1;
        }
        if constexpr (requires { record.names_bytes; }) {
            record.names_bytes = 20;
        }
        if constexpr (requires { record.bytes_count; }) {
            record.bytes_count = static_cast<ifl_u32>(bytes - offsetof(ifl_detail, bytes));
        }
        text.resize(bytes);
        return text;
    }

    // One of any kind, as it may come.
    static std::string any(std::uint64_t time_ns, std::mt19937_64& random) {
        switch (random() % 10) {
            case 0:
                return made<ifl_call>(IFL_CALL, time_ns, random);
            case 1:
                return made<ifl_file>(IFL_FILE, time_ns, random);
            case 2:
                return made<ifl_detail>(IFL_DETAIL, time_ns, random, offsetof(ifl_detail, bytes) + random() % 4096);
            case 3:
                return made<ifl_io_events>(IFL_IO_EVENTS, time_ns, random,
                                           offsetof(ifl_io_events, events) + sizeof(ifl_io_event));
            case 4:
                return made<ifl_ring>(IFL_RING, time_ns, random);
            case 5:
                return made<ifl_uring_cqe>(IFL_URING_CQE, time_ns, random);
            case 6:
                return made<ifl_iocbs>(IFL_IOCBS, time_ns, random);
            case 7:
                return made<ifl_request>(IFL_REQUEST, time_ns, random);
            default:
                return made<ifl_uring_request>(IFL_URING_REQUEST, time_ns, random);
        }
    }

    static CaptureInfo info() {
        CaptureInfo info;
        info.trace = {.version = "1",
                      .host_name = "h\"ost",
                      .kernel_release = "6.18",
                      .start_ns = 5,
                      .wall_offset_ns = -7,
                      .hooks = "tracepoint",
                      .limits = {"one", "two"},
                      .lost = {{.name = "links",
                                .reason = "this kernel has no io_kiocb.link",
                                .meaning = "chains are not shown"}},
                      .command = {"a", "b c"}};
        info.tracker.slow_submit_ns = 123;
        info.tracker.events_wanted = 0x1ff;
        return info;
    }

    static Account account() {
        Account account;
        account.losses.cpus = {{.cpu = 1, .kinds = {{.kind = "request", .generated = 9, .delivered = 7, .lost = 2}}}};
        account.losses.exits_missed = 4;
        account.aio_nr = 12;
        account.end_ns = 99;
        account.ended_by = "SIGINT";
        return account;
    }

    // Writes `count` records, a new block each 100.
    std::vector<std::string> write(std::size_t count, bool ended, std::uint64_t seed = 1) {
        std::mt19937_64 random(seed);
        auto writer = FileWriter::create(path_, info());
        EXPECT_TRUE(writer) << writer.error().message();
        std::vector<std::string> records;
        (*writer)->set_account([] {
            Account so_far = account();
            so_far.ended_by.clear();
            return so_far;
        });
        for (std::size_t i = 0; i < count; i++) {
            records.push_back(any(1000 + i, random));
            (*writer)->on_record(*reinterpret_cast<const ifl_header*>(records.back().data()));
            if (i % 100 == 99) {
                (*writer)->advance((i + 1) * format::block_ns);
            }
        }
        if (ended) {
            (*writer)->finish(count * 1'000'000'000'000);
            (*writer)->close(account());
        } else {
            (*writer)->advance((count + 1000) * format::block_ns);
        }
        EXPECT_FALSE((*writer)->error());
        return records;
    }

    [[nodiscard]] std::string content() const {
        std::ifstream in(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void put(const std::string& bytes) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }

    std::filesystem::path path_;
};

TEST_F(Capture, GivesBackEachRecordByteForByte) {
    const auto records = write(5000, true);
    const auto file = FileSource::open(path_);
    ASSERT_TRUE(file) << file.error().message();
    Keep keep;
    ASSERT_TRUE((*file)->replay(keep));
    EXPECT_EQ(keep.records, records);
    EXPECT_EQ(keep.ends, (std::vector<std::uint64_t>{5'000'000'000'000'000}));
    EXPECT_EQ(keep.advanced_ns, 5000 * format::block_ns);
    EXPECT_TRUE((*file)->ended());
    EXPECT_TRUE((*file)->damage().empty());
    EXPECT_EQ((*file)->info().trace.host_name, "h\"ost");
    ASSERT_EQ((*file)->info().trace.lost.size(), 1U);
    EXPECT_EQ((*file)->info().trace.lost.front().sentence(), "chains are not shown: this kernel has no io_kiocb.link");
    EXPECT_EQ((*file)->info().trace.wall_offset_ns, -7);
    EXPECT_EQ((*file)->info().trace.command, (std::vector<std::string>{"a", "b c"}));
    EXPECT_EQ((*file)->info().tracker.slow_submit_ns, 123U);
    EXPECT_EQ((*file)->account().ended_by, "SIGINT");
    EXPECT_EQ((*file)->account().losses.cpus.at(0).kinds.at(0).lost, 2U);
    EXPECT_EQ((*file)->account().losses.exits_missed, 4U);
}

TEST_F(Capture, WithoutItsEndItGivesWhatIsThere) {
    const auto records = write(1000, false);
    const auto file = FileSource::open(path_);
    ASSERT_TRUE(file);
    Keep keep;
    ASSERT_TRUE((*file)->replay(keep));
    EXPECT_EQ(keep.records, records);
    EXPECT_EQ(keep.ends.size(), 1U);
    EXPECT_FALSE((*file)->ended());
    EXPECT_EQ((*file)->account().losses.exits_missed, 4U) << "the account of the last block counts";
    EXPECT_EQ((*file)->account().ended_by, "");
}

TEST_F(Capture, CutAnywhereItGivesTheBlocksBefore) {
    const auto records = write(300, true);
    const std::string whole = content();
    std::size_t most = 0;
    for (std::size_t bytes = 0; bytes < whole.size(); bytes += 1 + bytes % 97) {
        put(whole.substr(0, bytes));
        const auto file = FileSource::open(path_);
        if (!file) {
            EXPECT_EQ(most, 0U) << "cut at " << bytes << ": " << file.error().message();
            continue;
        }
        Keep keep;
        ASSERT_TRUE((*file)->replay(keep));
        EXPECT_EQ(keep.ends.size(), 1U);
        EXPECT_GE(keep.records.size(), most);
        most = keep.records.size();
        EXPECT_TRUE(std::equal(keep.records.begin(), keep.records.end(), records.begin()));
        EXPECT_EQ(most % 100, 0U);
    }
    EXPECT_EQ(most, 300U);
}

TEST_F(Capture, ADamagedBlockIsToldAndTheRestIsThere) {
    const auto records = write(500, true);
    std::string bytes = content();
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x40);
    put(bytes);
    const auto file = FileSource::open(path_);
    ASSERT_TRUE(file);
    Keep keep;
    ASSERT_TRUE((*file)->replay(keep));
    EXPECT_EQ((*file)->damage().size(), 1U);
    EXPECT_GE(keep.records.size(), 300U);
    EXPECT_LT(keep.records.size(), 500U);
    EXPECT_TRUE((*file)->ended());
}

TEST_F(Capture, NoBytesInItAreTrusted) {
    write(200, true);
    const std::string whole = content();
    std::mt19937_64 random(7);
    for (int round = 0; round < 400; round++) {
        std::string bytes = whole;
        for (std::size_t i = 0; i <= round % 8U; i++) {
            bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        put(bytes);
        if (const auto file = FileSource::open(path_)) {
            Keep keep;
            ASSERT_TRUE((*file)->replay(keep));
            EXPECT_EQ(keep.ends.size(), 1U);
        }
    }
}

// The checksums are right, what they are of is not.
TEST_F(Capture, NoColumnsAreTrusted) {
    std::mt19937_64 random(3);
    ColumnWriter writer;
    for (std::uint64_t i = 0; i < 100; i++) {
        const auto record = any(i, random);
        writer.add(reinterpret_cast<const ifl_header*>(record.data())->kind, record.data(), record.size());
    }
    std::string whole;
    writer.take(whole);
    for (int round = 0; round < 3000; round++) {
        std::string columns = whole;
        for (std::size_t i = 0; i <= round % 4U; i++) {
            // The first bytes, where the sizes stand, more often.
            const std::size_t range = round % 2 == 0 ? 200 : columns.size();
            columns[random() % range] = static_cast<char>(random());
        }
        if (round % 3 == 0) {
            columns.resize(random() % columns.size());
        }
        std::size_t items = 0;
        const auto read = read_columns(columns, 100, [&](std::uint16_t, std::span<const std::byte>) { items++; });
        EXPECT_TRUE(read || items == 0);
    }
}

TEST_F(Capture, WhatIsNoCaptureIsSaidToBeNone) {
    const auto refusal = [&](const std::string& bytes) {
        put(bytes);
        const auto file = FileSource::open(path_);
        return file ? std::string() : file.error().message();
    };
    EXPECT_NE(refusal("").find("empty"), std::string::npos);
    EXPECT_NE(refusal("short").find("no capture"), std::string::npos);
    EXPECT_NE(refusal(std::string(4096, 'x')).find("no capture"), std::string::npos);
    write(10, true);
    std::string newer = content();
    auto& header = *reinterpret_cast<format::FileHeader*>(newer.data());
    header.version = 2;
    EXPECT_NE(refusal(newer).find("damaged"), std::string::npos);
    EXPECT_FALSE(FileSource::open("/nonexistent/x"));
    EXPECT_NE(FileSource::open("/tmp").error().message().find("directory"), std::string::npos);
}

TEST_F(Capture, AFullDiskIsToldAndWhatWasWrittenStays) {
    auto writer = FileWriter::create("/dev/full", info());
    ASSERT_FALSE(writer);
    EXPECT_NE(writer.error().message().find("ENOSPC"), std::string::npos);
}

std::string file_record(std::uint64_t file_id, std::uint64_t time_ns) {
    std::string text(sizeof(ifl_file), '\0');
    auto& file = *reinterpret_cast<ifl_file*>(text.data());
    file.header = {.size_bytes = sizeof(ifl_file),
                   .kind = IFL_FILE,
                   .tier = 3,
                   .reserved = 0,
                   .cpu = 0,
                   .span_us = 0,
                   .time_ns = time_ns};
    file.file_id = file_id;
    return text;
}

std::string request_record(std::uint64_t file_id, std::uint64_t time_ns) {
    std::string text(sizeof(ifl_uring_request), '\0');
    auto& request = *reinterpret_cast<ifl_uring_request*>(text.data());
    request.header = {.size_bytes = sizeof(ifl_uring_request),
                      .kind = IFL_URING_REQUEST,
                      .tier = 3,
                      .reserved = 0,
                      .cpu = 0,
                      .span_us = 0,
                      .time_ns = time_ns};
    request.file_id = file_id;
    request.request_id = time_ns;
    request.state = IFL_UREQ_ENDED;
    return text;
}

const ifl_header& header_of(const std::string& record) {
    return *reinterpret_cast<const ifl_header*>(record.data());
}

TEST_F(Capture, RotationLosesNothingAndEachPartStandsAlone) {
    auto writer = FileWriter::create(path_, info(), {.bytes = 0, .time_ns = 1000, .keep = 0});
    ASSERT_TRUE(writer);
    (*writer)->set_account([] { return account(); });
    std::vector<std::string> all;
    const auto give = [&](const std::string& record) {
        (*writer)->on_record(header_of(record));
        all.push_back(record);
    };
    give(file_record(7, 1));
    for (std::uint64_t time_ns = 100; time_ns <= 3500; time_ns += 100) {
        give(request_record(7, time_ns));
        (*writer)->advance(time_ns + 1);
    }
    (*writer)->finish(3600);
    (*writer)->close(account());
    ASSERT_EQ((*writer)->kept().files, 4U);
    Keep together;
    for (std::uint64_t part = 1; part <= 4; part++) {
        const std::string path = part_path(path_, part);
        auto alone = FileSource::open(path);
        ASSERT_TRUE(alone) << alone.error().message();
        EXPECT_EQ((*alone)->info().part, part);
        Keep kept;
        ASSERT_TRUE((*alone)->replay(kept));
        EXPECT_TRUE((*alone)->ended());
        EXPECT_TRUE((*alone)->damage().empty());
        // The file that its requests refer to is in each.
        ASSERT_FALSE(kept.records.empty());
        EXPECT_EQ(header_of(kept.records.front()).kind, IFL_FILE);
        auto again = FileSource::open(path);
        ASSERT_TRUE(again);
        ASSERT_TRUE((*again)->replay(together, part > 1));
        EXPECT_EQ((*again)->account().ended_by.starts_with("rotation"), part != 4);
        // What was lost before a part is not counted in it again.
        EXPECT_EQ((*again)->account().losses.exits_missed, part == 1 ? 4U : 0U);
        std::filesystem::remove(path);
    }
    EXPECT_EQ(together.records, all);
}

TEST_F(Capture, RotationKeepsTheLastFilesOnly) {
    auto writer = FileWriter::create(path_, info(), {.bytes = 0, .time_ns = 1000, .keep = 2});
    ASSERT_TRUE(writer);
    for (std::uint64_t time_ns = 100; time_ns <= 5000; time_ns += 100) {
        (*writer)->advance(time_ns);
    }
    (*writer)->finish(5000);
    (*writer)->close(account());
    EXPECT_EQ((*writer)->kept().files_removed, (*writer)->kept().files - 2);
    for (std::uint64_t part = 1; part <= (*writer)->kept().files; part++) {
        EXPECT_EQ(std::filesystem::remove(part_path(path_, part)), part + 2 > (*writer)->kept().files) << part;
    }
}

// Names are carried over, but not without limit: what a part lacks stands in it.
TEST_F(Capture, NamesThatAPartCannotCarryAreCounted) {
    constexpr std::uint64_t dropped = 10;
    auto writer = FileWriter::create(path_, info(), {.bytes = 0, .time_ns = 1'000'000, .keep = 0});
    ASSERT_TRUE(writer);
    for (std::uint64_t file_id = 1; file_id <= Carried::names_limit + dropped; file_id++) {
        (*writer)->on_record(header_of(file_record(file_id, 10 + file_id)));
    }
    (*writer)->advance(500'000);
    EXPECT_EQ((*writer)->kept().names_missing, 0U);
    (*writer)->advance(2'000'000);
    (*writer)->finish(2'100'000);
    (*writer)->close(account());
    EXPECT_EQ((*writer)->kept().names_missing, dropped);
    for (std::uint64_t part = 1; part <= 2; part++) {
        for (const bool continues : {false, true}) {
            auto source = FileSource::open(part_path(path_, part));
            ASSERT_TRUE(source);
            Keep kept;
            ASSERT_TRUE((*source)->replay(kept, continues));
            EXPECT_EQ((*source)->names_missing(), part == 2 && !continues ? dropped : 0U) << part << continues;
        }
        std::filesystem::remove(part_path(path_, part));
    }
}

TEST_F(Capture, AFlightFileSaysWhatNamesItLacks) {
    constexpr std::uint64_t dropped = 10;
    std::vector<Written> written;
    auto flight = FlightRecorder::create(path_, info(), {.span_ns = format::block_ns, .bytes = 0, .keep = 0},
                                         [&](const Written& each) { written.push_back(each); });
    ASSERT_TRUE(flight);
    for (std::uint64_t file_id = 1; file_id <= Carried::names_limit + dropped; file_id++) {
        (*flight)->on_record(header_of(file_record(file_id, 10 + file_id)));
    }
    for (std::uint64_t second = 1; second < 8; second++) {
        (*flight)->on_record(header_of(request_record(7, second * format::block_ns)));
        (*flight)->advance(second * format::block_ns + 10);
    }
    (*flight)->finish(8 * format::block_ns);
    (*flight)->close(account());
    ASSERT_EQ(written.size(), 1U);
    EXPECT_EQ((*flight)->kept().names_missing, dropped);
    auto source = FileSource::open(written.front().path);
    ASSERT_TRUE(source);
    Keep kept;
    ASSERT_TRUE((*source)->replay(kept));
    EXPECT_EQ((*source)->names_missing(), dropped);
    std::filesystem::remove(written.front().path);
}

TEST_F(Capture, FlightRecorderHasTheLastOfIt) {
    constexpr std::uint64_t second_ns = 1'000'000'000;
    std::vector<Written> written;
    auto flight = FlightRecorder::create(path_, info(), {.span_ns = 3 * second_ns, .bytes = 0, .keep = 0},
                                         [&](const Written& each) { written.push_back(each); });
    ASSERT_TRUE(flight);
    (*flight)->on_record(header_of(file_record(7, 10)));
    const auto fly = [&](std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t i = from; i < to; i++) {
            (*flight)->on_record(header_of(request_record(7, i * second_ns / 10)));
            (*flight)->advance(i * second_ns / 10 + 1);
        }
    };
    fly(1, 200);
    EXPECT_FALSE((*flight)->wants_snapshot());
    (*flight)->ask_for_file("a test");
    EXPECT_TRUE((*flight)->wants_snapshot());
    ifl_snapshot snapshot{};
    snapshot.header = {.size_bytes = sizeof(snapshot),
                       .kind = IFL_SNAPSHOT,
                       .tier = 0,
                       .reserved = 0,
                       .cpu = 0,
                       .span_us = 0,
                       .time_ns = 20 * second_ns};
    (*flight)->on_record(snapshot.header);
    EXPECT_FALSE((*flight)->wants_snapshot());
    ASSERT_EQ(written.size(), 1U);
    EXPECT_FALSE(written.front().error);
    EXPECT_EQ(written.front().why, "a test");
    auto source = FileSource::open(written.front().path);
    ASSERT_TRUE(source);
    Keep kept;
    ASSERT_TRUE((*source)->replay(kept));
    EXPECT_TRUE((*source)->ended());
    EXPECT_EQ(header_of(kept.records.front()).kind, IFL_FILE);
    // At least three seconds, and not much more.
    EXPECT_GE(written.front().requests, 30U);
    EXPECT_LE(written.front().requests, 45U);
    const ifl_header& last = header_of(kept.records.back());
    ASSERT_EQ(last.kind, IFL_SNAPSHOT);
    EXPECT_EQ(reinterpret_cast<const ifl_snapshot&>(last).final, 1);
    std::filesystem::remove(written.front().path);

    // And again at the end.
    fly(200, 210);
    (*flight)->finish(21 * second_ns);
    (*flight)->close(account());
    ASSERT_EQ(written.size(), 2U);
    EXPECT_EQ(written.back().why, "SIGINT");
    EXPECT_GE(written.back().requests, 30U);
    std::filesystem::remove(written.back().path);
}

}  // namespace
}  // namespace inflight::capture
