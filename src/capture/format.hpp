// SPDX-License-Identifier: Apache-2.0
// The capture file: constants and headers. docs/capture-format.md says what they mean. Little-endian, as the records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace inflight::capture::format {

inline constexpr std::array<char, 8> file_magic{'i', 'n', 'f', 'l', 'i', 'g', 'h', 't'};
inline constexpr std::uint32_t block_magic = 0x4b4c4249;  // "IBLK"
inline constexpr std::uint16_t version = 1;

// What a reader must know to read the file: a bit each. None so far.
inline constexpr std::uint32_t features_known = 0;

struct FileHeader {
    std::array<char, 8> magic;
    std::uint16_t version;
    std::uint16_t header_bytes;  // of this header: blocks begin there
    std::uint32_t features;
    std::array<std::uint32_t, 3> reserved;
    std::uint32_t crc;  // CRC-32 (zlib) of what stands before it
};
static_assert(sizeof(FileHeader) == 32);

enum class BlockKind : std::uint16_t {
    info = 1,     // JSON: of which trace this is
    records = 2,  // columns, compressed
    account = 3,  // JSON: losses so far, and at the end how it ended
    carried = 4,  // columns, compressed: records of an earlier file that this one needs to stand alone
};

struct BlockHeader {
    std::uint32_t magic;
    std::uint16_t kind;
    std::uint16_t header_bytes;
    std::uint64_t sequence;  // counts from 0
    std::uint64_t first_ns;  // of the records, CLOCK_MONOTONIC; 0 where there are none
    std::uint64_t last_ns;
    std::uint32_t payload_bytes;  // as they stand in the file
    std::uint32_t raw_bytes;      // before they were compressed
    std::uint32_t items;          // records and marks
    std::uint32_t requests;       // records of requests that ended
    std::uint32_t payload_crc;    // CRC-32 of the payload
    std::uint32_t crc;            // of what stands before it in this header
};
static_assert(sizeof(BlockHeader) == 56);

// More is damage. No real recording comes near these; each keeps a small file from asking for much memory or time.
inline constexpr std::uint32_t payload_limit_bytes = 64U << 20U;
inline constexpr std::uint32_t text_limit_bytes = 32U << 20U;   // payload of an info or account
inline constexpr std::uint32_t row_limit_bytes = 16U << 10U;    // the longest record of today has 4,152
inline constexpr std::uint64_t rows_limit_bytes = 256U << 20U;  // of one block
inline constexpr std::uint32_t layouts_limit = 256;

// What one payload may become: a block of regular iocbs or vectors shrinks to a six-hundredth.
[[nodiscard]] constexpr std::uint64_t raw_allowed_bytes(std::uint64_t payload_bytes) {
    constexpr std::uint64_t base = 8U << 20U;
    constexpr std::uint64_t ratio = 4096;
    constexpr std::uint64_t most = 64U << 20U;
    return base + payload_bytes * ratio < most ? base + payload_bytes * ratio : most;
}

// How many items a file may have at a place before which its blocks hold this many bytes of payload. Times alone
// make two bytes of an item; with a clock that ticks each millisecond a byte may have thirty.
[[nodiscard]] constexpr std::uint64_t items_allowed(std::uint64_t payload_bytes) {
    constexpr std::uint64_t base = 1U << 16U;
    constexpr std::uint64_t per_byte = 64;
    return base + payload_bytes * per_byte;
}

// A record is no younger: 146 years after the machine was started.
inline constexpr std::uint64_t time_limit_ns = std::uint64_t{1} << 62U;

// A block is written when its records take so much before compression, or when the first is so old.
inline constexpr std::size_t block_bytes = 4U << 20U;
inline constexpr std::uint64_t block_ns = 1'000'000'000;

// Kinds of items that are no records: 8 bytes, a time.
inline constexpr std::uint16_t mark_advance = 0xfff0;  // all older records have been handed over
inline constexpr std::uint16_t mark_finish = 0xfff1;   // the trace is over

}  // namespace inflight::capture::format
