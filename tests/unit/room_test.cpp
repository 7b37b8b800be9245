// SPDX-License-Identifier: Apache-2.0
// How the kernel side takes room for records and counts them, where a program may be interrupted or preempted by
// another on its CPU at any step. It is the code that the kernel side runs, and the reader that the user side runs.
#include "interleaved.hpp"

#define IFL_STEP() inflight::interleaved::step()
#include "contract/room.h"

#include "capture/record_buffers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

namespace inflight {
namespace {

using interleaved::Actor;
using interleaved::in_every_order;
using interleaved::step;

constexpr ifl_u32 buffer_bytes = 256;
constexpr ifl_u64 key = 0x1234567890abcde8;

struct Numbered {
    ifl_header header;
    ifl_u64 number;
    ifl_u64 again;  // the same, written a step later
};

class Buffer {
public:
    // Begins near the end of the buffer, so that a record has to go round it.
    explicit Buffer(ifl_u64 position) {
        positions_.head = position;
        positions_.tail = position;
    }
    void write(ifl_u64 number) {
        constexpr ifl_u32 bytes = IFL_MARK_BYTES + sizeof(Numbered);
        char* const data = reinterpret_cast<char*>(words_.data());
        const ifl_u32 at = ifl_take_room(&positions_, data, buffer_bytes, key, bytes);
        if (at == IFL_NO_ROOM) {
            lost_++;
            return;
        }
        Numbered record{};
        record.header.size_bytes = sizeof(record);
        record.number = number;
        std::memcpy(data + at + IFL_MARK_BYTES, &record, sizeof(record));
        step();
        std::memcpy(data + at + IFL_MARK_BYTES + offsetof(Numbered, again), &number, sizeof(number));
        step();
        words_.at(at / sizeof(ifl_u64)) ^= IFL_MARK_BUSY;
        written_++;
    }
    void read() {
        reader_.read(
            [this](const ifl_header& header) {
                const auto& record = reinterpret_cast<const Numbered&>(header);
                torn_ = torn_ || record.number != record.again;
                numbers_.push_back(record.number);
            },
            damaged_);
    }
    [[nodiscard]] std::vector<ifl_u64> numbers() const {
        auto sorted = numbers_;
        std::ranges::sort(sorted);
        return sorted;
    }
    [[nodiscard]] bool sound() const { return !torn_ && damaged_ == 0; }
    [[nodiscard]] std::size_t written() const { return written_; }
    [[nodiscard]] std::size_t lost() const { return lost_; }

private:
    alignas(8) std::array<ifl_u64, buffer_bytes / sizeof(ifl_u64)> words_{};
    ifl_buffer_positions positions_{};
    capture::RecordBuffer reader_{reinterpret_cast<std::byte*>(words_.data()), buffer_bytes, positions_, key};
    std::vector<ifl_u64> numbers_;
    std::uint64_t damaged_ = 0;
    std::size_t written_ = 0;
    std::size_t lost_ = 0;
    bool torn_ = false;
};

// Two tasks in the midst of each other, and a reader that looks now and then.
TEST(RoomForARecord, IsOneRecordsOwn) {
    for (const ifl_u64 position : {buffer_bytes - 8, buffer_bytes - 48, buffer_bytes - 56, 3 * buffer_bytes}) {
        std::unique_ptr<Buffer> buffer;
        in_every_order(
            [&] {
                buffer = std::make_unique<Buffer>(position);
                return std::vector<Actor>{[&] { buffer->write(1); }, [&] { buffer->write(2); },
                                          [&] {
                                              buffer->read();
                                              step();
                                              buffer->read();
                                          }};
            },
            [&] {
                buffer->read();
                EXPECT_TRUE(buffer->sound());
                EXPECT_EQ(buffer->lost(), 0U);
                EXPECT_EQ(buffer->numbers(), (std::vector<ifl_u64>{1, 2}));
            },
            3);
    }
}

// What does not fit is lost, said so, and takes nothing from the others.
TEST(RoomForARecord, ThatIsNotThereIsCounted) {
    std::unique_ptr<Buffer> buffer;
    in_every_order(
        [&] {
            buffer = std::make_unique<Buffer>(buffer_bytes - 16);
            for (ifl_u64 number = 10; number < 14; number++) {
                buffer->write(number);
            }
            return std::vector<Actor>{[&] { buffer->write(1); }, [&] { buffer->write(2); }};
        },
        [&] {
            buffer->read();
            EXPECT_TRUE(buffer->sound());
            EXPECT_EQ(buffer->numbers().size(), buffer->written());
            EXPECT_EQ(buffer->written() + buffer->lost(), 6U);
            EXPECT_EQ(buffer->lost(), 1U);
        });
}

// The number of a request, and how many records there were: each takes one step, or two tasks get the same number.
TEST(ACounterOfACpu, LosesNothingToATaskThatPreemptsAnother) {
    const auto lowest = [](const std::function<void(ifl_u64&)>& count) {
        ifl_u64 counter = 0;
        ifl_u64 least = ~ifl_u64{0};
        in_every_order(
            [&] {
                counter = 0;
                return std::vector<Actor>(2, [&] { count(counter); });
            },
            [&] { least = std::min(least, counter); });
        return least;
    };
    EXPECT_EQ(lowest([](ifl_u64& counter) {
                  step();
                  __sync_fetch_and_add(&counter, 1);
              }),
              2U);
    EXPECT_EQ(lowest([](ifl_u64& counter) {
                  step();
                  const ifl_u64 known = counter;
                  step();
                  counter = known + 1;
              }),
              1U)
        << "as it was: the model would not see the fault";
}

}  // namespace
}  // namespace inflight
