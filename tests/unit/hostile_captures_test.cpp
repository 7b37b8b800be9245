// SPDX-License-Identifier: Apache-2.0
// Small files that ask for much: each is refused as damage, or read within its budget.
#include "capture/file_source.hpp"
#include "contract/uring.h"
#include "made_capture.hpp"
#include "model/tracker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>

namespace inflight::capture {
namespace {

using testing::HasSubstr;

class Nobody final : public model::Sink {
public:
    void on_request(const model::Request& /*request*/) override { requests++; }
    void on_cancel(const model::Cancel& /*cancel*/) override {}
    void on_event(const model::Event& event) override { iocbs += event.iocbs.size(); }
    void on_context(const model::Context& /*context*/) override {}
    void on_finding(const model::Finding& /*finding*/) override {}

    std::uint64_t requests = 0;
    std::uint64_t iocbs = 0;
};

struct Reading {
    std::uint64_t requests = 0;
    std::uint64_t iocbs = 0;
    std::uint64_t records = 0;
    std::vector<Damage> damage;
    double cpu_seconds = 0;
    std::uint64_t grown_bytes = 0;  // the process, at most, while it read
};

#if defined(__SANITIZE_ADDRESS__)
constexpr bool watched = true;
#elif defined(__has_feature)
constexpr bool watched = __has_feature(address_sanitizer);
#else
constexpr bool watched = false;
#endif

// The most memory since the last call with `anew`.
std::uint64_t peak_bytes(bool anew) {
    if (anew) {
        std::ofstream("/proc/self/clear_refs") << "5";
    }
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) {
            return std::stoull(line.substr(sizeof("VmHWM:"))) * 1024;
        }
    }
    return 0;
}

double cpu_seconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// What this process has beside what it reads: the file itself, which was made here.
std::uint64_t before_reading = 0;

std::uint64_t grown_bytes() {
    const std::uint64_t now = MemoryBudget::resident_bytes();
    return watched ? 0 : now - std::min(now, before_reading);
}

std::shared_ptr<MemoryBudget> default_budget() {
    return std::make_shared<MemoryBudget>(0, grown_bytes);
}

FileSource::ReadAt from_memory(const std::string& bytes) {
    return [&bytes](char* to, std::size_t wanted, std::uint64_t at) -> ssize_t {
        const std::size_t from = std::min<std::size_t>(at, bytes.size());
        const std::size_t count = std::min(wanted, bytes.size() - from);
        std::memcpy(to, bytes.data() + from, count);
        return static_cast<ssize_t>(count);
    };
}

Reading read(const std::string& bytes, const std::shared_ptr<MemoryBudget>& budget = default_budget()) {
    before_reading = MemoryBudget::resident_bytes();
    const std::uint64_t peak_before = peak_bytes(true);
    const double begun = cpu_seconds();
    Reading reading;
    if (auto source = FileSource::open(from_memory(bytes), "made", budget)) {
        Nobody nobody;
        model::TrackerOptions options = (*source)->info().tracker;
        options.events_wanted = ~0U;
        model::Tracker tracker(options, nobody);
        TrackerConsumer consumer(tracker);
        EXPECT_TRUE((*source)->replay(consumer));
        reading.requests = nobody.requests;
        reading.iocbs = nobody.iocbs;
        reading.records = (*source)->records();
        reading.damage = (*source)->damage();
    }
    reading.cpu_seconds = cpu_seconds() - begun;
    reading.grown_bytes = peak_bytes(false) - peak_before;
    return reading;
}

// What the reading of a small file may cost at most, whatever it says.
void expect_bounded(const Reading& reading) {
    if (!watched) {
        EXPECT_LE(reading.cpu_seconds, 1.0);
        EXPECT_LE(reading.grown_bytes, 240U << 20U);
    }
}

MadeBlock info_block() {
    return made_text(format::BlockKind::info, to_json(CaptureInfo{}));
}

template <typename Record>
Record record_of(std::uint16_t kind, std::uint64_t time_ns = 1000) {
    Record record{};
    record.header.size_bytes = sizeof(Record);
    record.header.kind = kind;
    record.header.time_ns = time_ns;
    return record;
}

template <typename Record>
MadeBlock many(Record record, std::size_t count, const std::function<void(Record&, std::uint64_t)>& vary) {
    ColumnWriter columns;
    for (std::uint64_t i = 0; i < count; i++) {
        vary(record, i);
        columns.add(record.header.kind, &record, sizeof(record));
    }
    return made_block(columns);
}

ifl_uring_request request_in_flight(std::uint64_t number) {
    auto request = record_of<ifl_uring_request>(IFL_URING_REQUEST);
    request.request_id = number;
    request.req = number * 256;
    request.context_id = 1;
    request.user_data = number;
    request.state = IFL_UREQ_IN_FLIGHT;
    return request;
}

std::string first_damage(const Reading& reading) {
    return reading.damage.empty() ? std::string() : reading.damage.front().why;
}

constexpr std::size_t bomb = 900'000;

TEST(HostileCaptures, MoreRequestsThanTheirBytesCanHoldAreRefused) {
    for (const std::uint8_t state : {IFL_UREQ_IN_FLIGHT, IFL_UREQ_ENDED, IFL_UREQ_ANNOUNCED}) {
        const std::string bytes = made_capture(
            {info_block(), many<ifl_uring_request>(request_in_flight(0), bomb, [&](auto& record, std::uint64_t i) {
                 record = request_in_flight(i + 1);
                 record.state = state;
             })});
        ASSERT_LT(bytes.size(), 100'000U);
        const Reading reading = read(bytes);
        EXPECT_EQ(reading.records, 0U);
        EXPECT_THAT(first_damage(reading), HasSubstr("more than any recorder makes"));
    }
}

TEST(HostileCaptures, MoreMarksThanTheirBytesCanHoldAreRefused) {
    ColumnWriter columns;
    for (std::uint64_t i = 0; i < 2'000'000; i++) {
        columns.add(format::mark_advance, &i, sizeof(i));
    }
    const Reading reading = read(made_capture({info_block(), made_block(columns)}));
    EXPECT_THAT(first_damage(reading), HasSubstr("more than any recorder makes"));
    expect_bounded(reading);
}

// Spread over blocks it is the same: what a file may hold is counted for all of it.
TEST(HostileCaptures, ManySmallBlocksHoldNoMoreThanOne) {
    std::vector<MadeBlock> blocks{info_block()};
    for (std::uint64_t block = 0; block < 40; block++) {
        blocks.push_back(many<ifl_uring_request>(request_in_flight(0), 15'000, [&](auto& record, std::uint64_t i) {
            record = request_in_flight(block * 15'000 + i + 1);
        }));
    }
    constexpr std::uint64_t no_limit = std::uint64_t{1} << 50U;
    const Reading reading = read(made_capture(blocks), std::make_shared<MemoryBudget>(no_limit));
    EXPECT_LT(reading.records, 40U * 15'000U);
    EXPECT_THAT(first_damage(reading), HasSubstr("more than any recorder makes"));
}

// As many as are let through, of what takes up most.
TEST(HostileCaptures, VeryManyRingsTakeBoundedMemory) {
    auto ring = record_of<ifl_ring>(IFL_RING);
    const Reading reading = read(
        made_capture({info_block(),
                      many<ifl_ring>(ring, 65'000, [](auto& record, std::uint64_t i) { record.context_id = i + 1; })}));
    expect_bounded(reading);
}

TEST(HostileCaptures, WhatExceedsTheBudgetIsToldAndTheFileEndsAsItDoes) {
    ColumnWriter columns;
    for (std::uint64_t i = 1; i <= 5000; i++) {
        const auto request = request_in_flight(i);
        columns.add(request.header.kind, &request, sizeof(request));
    }
    const std::uint64_t end_ns = 2000;
    columns.add(format::mark_finish, &end_ns, sizeof(end_ns));
    const std::string bytes = made_capture({info_block(), made_block(columns)});
    static std::uint64_t asked = 0;
    asked = 0;
    const auto budget = std::make_shared<MemoryBudget>(1000, [] { return asked++ < 2 ? std::uint64_t{0} : 2000; });
    const Reading reading = read(bytes, budget);
    EXPECT_EQ(reading.records, 2048U);
    ASSERT_EQ(reading.damage.size(), 1U);
    EXPECT_THAT(first_damage(reading), HasSubstr("2952 records of block 1 are left out"));
    EXPECT_THAT(first_damage(reading), HasSubstr("1000 B"));
}

TEST(HostileCaptures, TheBudgetGrowsWithTheFile) {
    MemoryBudget chosen(0, [] { return (MemoryBudget::base_bytes + 1); });
    EXPECT_EQ(chosen.limit_bytes(), MemoryBudget::base_bytes);
    chosen.note_file_bytes(1000);
    EXPECT_EQ(chosen.limit_bytes(), MemoryBudget::base_bytes + 1000 * MemoryBudget::bytes_per_file_byte);
    EXPECT_FALSE(chosen.exceeded());
    chosen.note_file_bytes(~std::uint64_t{0} >> 1U);
    EXPECT_LT(chosen.limit_bytes(), std::uint64_t{1} << 50U);
    MemoryBudget given(5, [] { return std::uint64_t{6}; });
    given.note_file_bytes(1000);
    EXPECT_EQ(given.limit_bytes(), 5U);
    EXPECT_TRUE(given.exceeded());
    EXPECT_GT(MemoryBudget::resident_bytes(), 1U << 20U);
    EXPECT_LT(MemoryBudget::resident_bytes(), std::uint64_t{1} << 40U);
}

// Parts of a call's iocbs that lie far apart: what is between takes no memory.
TEST(HostileCaptures, IocbsFarApartTakeNoMemoryInBetween) {
    auto iocbs = record_of<ifl_iocbs>(IFL_IOCBS);
    iocbs.count = 1;
    iocbs.iocbs[0].state = IFL_READ_OK;
    ColumnWriter columns;
    for (std::uint64_t i = 0; i < 4000; i++) {
        iocbs.call_id = i / 2 + 1;
        iocbs.first_index = i % 2 == 0 ? 0 : 65535;
        columns.add(IFL_IOCBS, &iocbs, sizeof(iocbs));
    }
    auto call = record_of<ifl_call>(IFL_CALL);
    call.call_id = 1;
    call.syscall = IFL_IO_SUBMIT;
    columns.add(IFL_CALL, &call, sizeof(call));
    const Reading reading = read(made_capture({info_block(), made_block(columns)}));
    EXPECT_TRUE(reading.damage.empty()) << first_damage(reading);
    EXPECT_EQ(reading.iocbs, 2U);
    expect_bounded(reading);
}

TEST(HostileCaptures, ZerosThatBecomeMuchAreRefusedBeforeTheyDo) {
    const std::string raw(256U << 20U, '\0');
    std::vector<MadeBlock> blocks{info_block()};
    const MadeBlock zeros{.kind = format::BlockKind::records,
                          .payload = compressed(raw, 1),
                          .raw_bytes = static_cast<std::uint32_t>(raw.size()),
                          .items = 1};
    blocks.insert(blocks.end(), 60, zeros);
    const Reading reading = read(made_capture(blocks));
    expect_bounded(reading);
    EXPECT_EQ(reading.damage.size(), 60U);
    EXPECT_THAT(first_damage(reading), HasSubstr("would become 256 MiB"));
}

TEST(HostileCaptures, ABlockThatClaimsMoreThanTheFileHoldsTakesNoMemoryForIt) {
    MadeBlock block{.kind = format::BlockKind::records, .payload = std::string(format::payload_limit_bytes, 'x')};
    std::string bytes = made_capture({info_block(), block});
    bytes.resize(bytes.size() - block.payload.size() + 100);
    block.payload.clear();
    block.payload.shrink_to_fit();
    bytes.shrink_to_fit();
    const Reading reading = read(bytes);
    EXPECT_LT(reading.grown_bytes, 8U << 20U);
    EXPECT_THAT(first_damage(reading), HasSubstr("it ends in block 1"));
}

// Headers that stand close, each with a good checksum of its own and a payload that reaches to the end of the file.
TEST(HostileCaptures, OverlappingBlocksAreNotReadAgainAndAgain) {
    std::string bytes = made_capture({info_block()});
    const std::size_t first = bytes.size();
    constexpr std::size_t count = 100'000;
    for (std::size_t i = 0; i < count; i++) {
        format::BlockHeader header{};
        header.magic = format::block_magic;
        header.kind = static_cast<std::uint16_t>(format::BlockKind::records);
        header.header_bytes = sizeof(header);
        header.sequence = 1;
        header.payload_bytes = static_cast<std::uint32_t>((count - i - 1) * sizeof(header));
        header.crc = crc32_of(&header, offsetof(format::BlockHeader, crc));
        bytes.append(reinterpret_cast<const char*>(&header), sizeof(header));
    }
    EXPECT_LE(read(bytes).cpu_seconds, 4.0);
    // The same where each reaches beyond the end.
    bytes.resize(first + count / 2 * sizeof(format::BlockHeader));
    const Reading reading = read(bytes);
    EXPECT_LE(reading.cpu_seconds, 1.0);
    EXPECT_FALSE(reading.damage.empty());
}

TEST(HostileCaptures, AnAccountIsNoLongerThanItCanBe) {
    std::string text = "{\"a\":[";
    while (text.size() < (63U << 20U)) {
        text += "1,";
    }
    text += "1]}";
    const Reading reading = read(made_capture({info_block(), made_text(format::BlockKind::account, text)}));
    EXPECT_THAT(first_damage(reading), HasSubstr("block 1 is refused"));
    text.clear();
    text.shrink_to_fit();
    expect_bounded(reading);
}

TEST(HostileCaptures, AnAccountHasNoMoreValuesThanItCan) {
    std::string many_values = "{\"abcdefghijklmnopqrstuvwxyz\":[";
    for (int i = 0; i < 5'000'000; i++) {
        many_values += "1,";
    }
    many_values += "1]}";
    const std::string deep = "{\"a\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
    std::string long_keys = "{\"" + std::string(1U << 20U, 'k') + "\":[";
    for (int i = 0; i < 100'000; i++) {
        long_keys += "1,";
    }
    long_keys += "1]}";
    for (const std::string& text : {many_values, deep, long_keys}) {
        const Reading reading = read(made_capture({info_block(), made_text(format::BlockKind::account, text)}));
        EXPECT_THAT(first_damage(reading), HasSubstr("has more than it can have"));
        expect_bounded(reading);
    }
}

TEST(HostileCaptures, RowsThatNoRecordHasAreRefused) {
    ColumnWriter columns;
    const std::vector<std::uint64_t> row(format::row_limit_bytes / sizeof(std::uint64_t) + 32);
    columns.add(IFL_DETAIL, row.data(), row.size() * sizeof(std::uint64_t));
    EXPECT_THAT(first_damage(read(made_capture({info_block(), made_block(columns)}))), HasSubstr("table of layouts"));
    // A table that has other items than its header says.
    ColumnWriter marks;
    const std::uint64_t time_ns = 1;
    marks.add(format::mark_advance, &time_ns, sizeof(time_ns));
    MadeBlock block = made_block(marks);
    block.items = 7;
    EXPECT_THAT(first_damage(read(made_capture({info_block(), block}))), HasSubstr("the items that its header says"));
}

TEST(HostileCaptures, TimesOfAnotherAgeAreDamage) {
    auto ring = record_of<ifl_ring>(IFL_RING, ~std::uint64_t{0} - 5);
    ColumnWriter columns;
    columns.add(IFL_RING, &ring, sizeof(ring));
    EXPECT_THAT(first_damage(read(made_capture({info_block(), made_block(columns)}))),
                HasSubstr("not what it should be"));
    CaptureInfo info;
    info.trace.start_ns = ~std::uint64_t{0};
    EXPECT_FALSE(info_from_json(to_json(info)));
    info.trace.start_ns = 5;
    info.trace.wall_offset_ns = std::numeric_limits<std::int64_t>::min();
    EXPECT_FALSE(info_from_json(to_json(info)));
    info.trace.wall_offset_ns = -1;
    info.tracker.history_limit = ~std::size_t{0};
    const auto read_back = info_from_json(to_json(info));
    ASSERT_TRUE(read_back) << read_back.error().message();
    EXPECT_LE(read_back->tracker.history_limit, 1U << 20U);
    EXPECT_EQ(read_back->trace.wall_offset_ns, -1);
}

// Every number that a record of a call can have: none may be taken for a place in a table or for a shift.
TEST(HostileCaptures, NoNumberOfACallIsAPlaceInATable) {
    ColumnWriter columns;
    for (unsigned number = 0; number < 256; number++) {
        auto call = record_of<ifl_call>(IFL_CALL);
        call.call_id = number + 1;
        call.syscall = static_cast<ifl_u8>(number);
        call.abi = static_cast<ifl_u8>(number);
        call.key_state = static_cast<ifl_u8>(number);
        call.header.tier = static_cast<ifl_u8>(number);
        call.ret = std::numeric_limits<std::int64_t>::min();
        columns.add(IFL_CALL, &call, sizeof(call));
    }
    const Reading reading = read(made_capture({info_block(), made_block(columns)}));
    EXPECT_EQ(reading.records, 256U);
    EXPECT_EQ(model::event_bit(IFL_SYSCALL_COUNT), 0U);
    EXPECT_EQ(model::event_bit(255), 0U);
    EXPECT_EQ(model::event_bit(IFL_IO_URING_REGISTER), 1U << 8U);
}

}  // namespace
}  // namespace inflight::capture
