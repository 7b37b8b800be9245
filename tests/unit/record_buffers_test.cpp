// SPDX-License-Identifier: Apache-2.0
// The reader's side of the buffers, against a writer that does what bpf/buffer.h does.
#include "capture/record_buffers.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <vector>

namespace inflight::capture {
namespace {

constexpr std::uint32_t buffer_bytes = 4096;
constexpr std::uint64_t key = 0x1234567890abcde8;

struct Numbered {
    ifl_header header;
    std::uint64_t number;
};

class RecordBufferTest : public testing::Test {
protected:
    // The place of a record of `bytes`, marked busy; nullptr: the buffer is full.
    std::byte* reserve(std::uint32_t bytes) {
        const std::uint32_t whole = IFL_MARK_BYTES + (bytes + 7) / 8 * 8;
        const std::uint64_t at = positions_.head % buffer_bytes;
        const std::uint64_t skipped = buffer_bytes - at < whole ? buffer_bytes - at : 0;
        if (positions_.head + skipped + whole - positions_.tail > buffer_bytes) {
            return nullptr;
        }
        if (skipped != 0) {
            mark(positions_.head, IFL_MARK_SKIP);
        }
        const std::uint64_t position = positions_.head + skipped;
        mark(position, IFL_MARK_BUSY);
        positions_.head = position + whole;
        return data() + position % buffer_bytes + IFL_MARK_BYTES;
    }
    void mark(std::uint64_t position, std::uint64_t state) {
        const std::uint64_t value = (position ^ key) | state;
        std::memcpy(data() + position % buffer_bytes, &value, sizeof(value));
    }
    void change_mark(std::byte* record, std::uint64_t change) {
        std::uint64_t value = 0;
        std::memcpy(&value, record - IFL_MARK_BYTES, sizeof(value));
        value ^= change;
        std::memcpy(record - IFL_MARK_BYTES, &value, sizeof(value));
    }
    std::byte* write(std::uint64_t number, std::uint32_t bytes = sizeof(Numbered)) {
        std::byte* const at = reserve(bytes);
        if (at != nullptr) {
            Numbered record{};
            record.header.size_bytes = bytes;
            record.number = number;
            std::memcpy(at, &record, sizeof(record));
        }
        return at;
    }
    void submit(std::byte* record) { change_mark(record, IFL_MARK_BUSY); }
    bool put(std::uint64_t number, std::uint32_t bytes = sizeof(Numbered)) {
        std::byte* const at = write(number, bytes);
        if (at != nullptr) {
            submit(at);
        }
        return at != nullptr;
    }
    std::vector<std::uint64_t> read() {
        std::vector<std::uint64_t> numbers;
        buffer_.read(
            [&](const ifl_header& record) { numbers.push_back(reinterpret_cast<const Numbered&>(record).number); },
            damaged_);
        return numbers;
    }
    std::byte* data() { return reinterpret_cast<std::byte*>(words_.data()); }

    std::array<std::uint64_t, buffer_bytes / 8> words_{};
    ifl_buffer_positions positions_{};
    RecordBuffer buffer_{reinterpret_cast<std::byte*>(words_.data()), buffer_bytes, positions_, key};
    std::uint64_t damaged_ = 0;
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(RecordBufferTest, GivesFinishedRecordsInOrderAndTheirRoomBack) {
    EXPECT_EQ(read(), Numbers{});
    put(1);
    put(2, 100);
    EXPECT_EQ(read(), (Numbers{1, 2}));
    EXPECT_EQ(positions_.tail, positions_.head);
    EXPECT_EQ(read(), Numbers{});
}

TEST_F(RecordBufferTest, StopsAtARecordThatIsBeingWritten) {
    put(1);
    std::byte* const late = write(2);
    put(3);
    EXPECT_EQ(read(), (Numbers{1}));
    submit(late);
    EXPECT_EQ(read(), (Numbers{2, 3}));
}

TEST_F(RecordBufferTest, PassesOverWhatWasTakenBack) {
    change_mark(write(1), IFL_MARK_BUSY ^ IFL_MARK_VOID);
    put(2);
    EXPECT_EQ(read(), (Numbers{2}));
    EXPECT_EQ(positions_.tail, positions_.head);
}

TEST_F(RecordBufferTest, GoesRoundWithRecordsOfAllSizesAndLosesNone) {
    std::mt19937 random(7);
    std::uint64_t written = 0;
    std::uint64_t next = 0;
    for (int round = 0; round < 5000; round++) {
        for (unsigned count = random() % 8; count > 0; count--) {
            written += put(written, static_cast<std::uint32_t>(sizeof(Numbered) + random() % 700)) ? 1 : 0;
        }
        for (const std::uint64_t number : read()) {
            ASSERT_EQ(number, next++);
        }
    }
    EXPECT_EQ(next, written);
    EXPECT_GT(positions_.head, 100 * buffer_bytes);
    EXPECT_EQ(damaged_, 0U);
}

TEST_F(RecordBufferTest, AFullBufferTakesNoMoreAndKeepsWhatItHas) {
    std::uint64_t count = 0;
    while (put(count)) {
        count++;
    }
    EXPECT_EQ(count, buffer_bytes / (IFL_MARK_BYTES + sizeof(Numbered)));
    EXPECT_EQ(read().size(), count);
    EXPECT_TRUE(put(0));
}

// What a program makes the kernel side write is there when the writer comes round again.
TEST_F(RecordBufferTest, OldBytesAreNoRecord) {
    for (std::uint64_t& word : words_) {
        word = buffer_bytes + static_cast<std::uint64_t>(&word - words_.data()) * 8;  // the positions of the next round
    }
    while (positions_.head < buffer_bytes) {
        ASSERT_TRUE(put(1, 248));
        EXPECT_EQ(read(), (Numbers{1}));
    }
    EXPECT_EQ(read(), Numbers{});
}

TEST_F(RecordBufferTest, WhatMakesNoSenseIsCountedAndPassedOver) {
    std::byte* const bad = write(1);
    const std::uint32_t size = buffer_bytes * 2;
    std::memcpy(bad + offsetof(ifl_header, size_bytes), &size, sizeof(size));
    submit(bad);
    put(2);
    EXPECT_EQ(read(), Numbers{});
    EXPECT_EQ(damaged_, 1U);
    put(3);
    EXPECT_EQ(read(), (Numbers{3}));
    EXPECT_EQ(damaged_, 1U);
}

}  // namespace
}  // namespace inflight::capture
