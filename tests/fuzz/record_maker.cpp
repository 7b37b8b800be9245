// SPDX-License-Identifier: Apache-2.0
#include "record_maker.hpp"

#include "capture/format.hpp"
#include "contract/census.h"
#include "contract/uring.h"

#include <algorithm>
#include <array>

namespace inflight::fuzz {

namespace {

struct Shape {
    std::uint16_t kind;
    std::size_t bytes;        // of the whole structure
    std::size_t least_bytes;  // of a record that ends earlier
};

#define SHAPE(id, number, name, least, most, of) Shape{id, most, least},
constexpr std::array kinds{Shape{}, IFL_FOR_EACH_KIND(SHAPE)};
#undef SHAPE
constexpr Shape mark(std::uint16_t kind) {
    return {kind, sizeof(std::uint64_t), sizeof(std::uint64_t)};
}

// The first are drawn more often: most of the model is about them. The order is that of the inputs in
// tests/fuzz/corpus.
constexpr Shape shapes[] = {
    kinds[IFL_REQUEST],
    kinds[IFL_URING_REQUEST],
    kinds[IFL_CALL],
    kinds[IFL_URING_CQE],
    kinds[IFL_RING],
    kinds[IFL_CONTEXT],
    kinds[IFL_SNAPSHOT],
    mark(inflight::capture::format::mark_advance),
    kinds[IFL_IO_EVENTS],
    kinds[IFL_IOCBS],
    kinds[IFL_DETAIL],
    kinds[IFL_FILE],
    kinds[IFL_CGROUP],
    kinds[IFL_PROCESS],
    kinds[IFL_PROCESS_EXIT],
    kinds[IFL_UNMAP],
    kinds[IFL_TALLY],
    kinds[IFL_UNREAPED],
    mark(inflight::capture::format::mark_finish),
};

constexpr std::uint8_t raw_code = 0xf0;

}  // namespace

bool Item::is_mark() const {
    return kind == capture::format::mark_advance || kind == capture::format::mark_finish;
}

std::uint64_t Item::mark_ns() const {
    std::uint64_t time_ns = 0;
    std::memcpy(&time_ns, bytes, sizeof(time_ns));
    return time_ns;
}

std::uint64_t RecordMaker::value(Bytes& bytes, std::uint8_t code) const {
    constexpr std::uint64_t step_ns = 1'000'000;
    if (code >= raw_code) {
        return bytes.take<std::uint64_t>();
    }
    switch (code >> 4U) {
        case 0:
        case 1:
        case 2:
            return code;
        case 3:
            return ~std::uint64_t{0} - (code & 0xfU);  // -1, -2, ...
        case 4:
            return std::uint64_t{1} << (4 * (code & 0xfU));
        case 5:
            return (std::uint64_t{1} << 63U) >> (4 * (code & 0xfU));
        case 6:
        case 7:
            return now_ns_ - (code & 0x1fU) * step_ns;
        case 8:
            return now_ns_ + (code & 0xfU) * step_ns;
        default:
            return static_cast<std::uint64_t>(-(static_cast<std::int64_t>(code) - 0x80));  // an errno
    }
}

// A field: where, how wide, and what.
void RecordMaker::edit(Bytes& bytes, std::size_t size) {
    const std::size_t at = std::size_t{bytes.take<std::uint16_t>()} % size;
    const auto code = bytes.take<std::uint8_t>();
    const std::size_t width = std::size_t{1} << (at % 8 == 0 ? 3U : at % 4 == 0 ? 2U : at % 2 == 0 ? 1U : 0U);
    const std::uint64_t wanted = value(bytes, code);
    std::memcpy(&record_[at], &wanted, std::min(width, size - at));
}

std::optional<Item> RecordMaker::next(Bytes& bytes) {
    if (bytes.empty()) {
        return std::nullopt;
    }
    const auto choice = bytes.take<std::uint8_t>();
    const Shape& shape = shapes[choice % std::size(shapes)];
    const auto how = bytes.take<std::uint8_t>();
    // Time goes on by a nanosecond to a few seconds, and now and then it stands still.
    now_ns_ += std::uint64_t{how & 0xfU} << (2 * (how >> 4U));
    std::fill_n(record_.begin(), shape.bytes, std::byte{0});
    Item item{.kind = shape.kind, .bytes = record_.data(), .size = shape.bytes};
    if (item.is_mark()) {
        std::memcpy(record_.data(), &now_ns_, sizeof(now_ns_));
        return item;
    }
    const unsigned edits = bytes.take<std::uint8_t>() % 24U;
    for (unsigned i = 0; i < edits; i++) {
        edit(bytes, shape.bytes);
    }
    // Text and vectors: what is given, in one piece.
    if (const std::size_t count = bytes.take<std::uint8_t>() % 64U; count != 0 && shape.bytes > shape.least_bytes) {
        const auto text = bytes.take_bytes(count);
        std::memcpy(&record_[shape.least_bytes], text.data(), std::min(text.size(), shape.bytes - shape.least_bytes));
    } else if (shape.kind == IFL_FILE || shape.kind == IFL_CGROUP) {
        const auto text = bytes.take_bytes(count);
        std::memcpy(&record_[shape.bytes - IFL_NAMES_BYTES], text.data(), text.size());
    }
    if ((choice & 0x80U) != 0 && shape.bytes > shape.least_bytes) {
        item.size = shape.least_bytes + bytes.take<std::uint16_t>() % (shape.bytes - shape.least_bytes);
    }
    ifl_header header{};
    std::memcpy(&header, record_.data(), sizeof(header));
    header.size_bytes = static_cast<ifl_u32>(item.size);
    header.kind = shape.kind;
    header.time_ns = header.time_ns != 0 ? header.time_ns : now_ns_;
    std::memcpy(record_.data(), &header, sizeof(header));
    return item;
}

}  // namespace inflight::fuzz
