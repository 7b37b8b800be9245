// SPDX-License-Identifier: Apache-2.0
// Capture files as nobody records them, with right checksums.
#pragma once

#include "base/checksum.hpp"
#include "capture/account.hpp"
#include "capture/columns.hpp"
#include "capture/format.hpp"

#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::capture {

struct MadeBlock {
    format::BlockKind kind = format::BlockKind::records;
    std::string payload;
    std::uint32_t raw_bytes = 0;
    std::uint32_t items = 0;
};

inline std::string compressed(std::string_view raw, int level) {
    std::string payload(::ZSTD_compressBound(raw.size()), '\0');
    payload.resize(::ZSTD_compress(payload.data(), payload.size(), raw.data(), raw.size(), level));
    return payload;
}

inline MadeBlock made_block(ColumnWriter& columns, int level = 19) {
    MadeBlock block;
    block.items = static_cast<std::uint32_t>(columns.items());
    std::string raw;
    columns.take(raw);
    block.raw_bytes = static_cast<std::uint32_t>(raw.size());
    block.payload = compressed(raw, level);
    return block;
}

inline MadeBlock made_text(format::BlockKind kind, std::string text) {
    return {.kind = kind, .payload = std::move(text), .raw_bytes = 0, .items = 0};
}

inline std::string made_capture(const std::vector<MadeBlock>& blocks) {
    format::FileHeader file{.magic = format::file_magic,
                            .version = format::version,
                            .header_bytes = sizeof(format::FileHeader),
                            .features = 0,
                            .reserved = {},
                            .crc = 0};
    file.crc = crc32_of(&file, offsetof(format::FileHeader, crc));
    std::string bytes(reinterpret_cast<const char*>(&file), sizeof(file));
    std::uint64_t sequence = 0;
    for (const MadeBlock& block : blocks) {
        format::BlockHeader header{};
        header.magic = format::block_magic;
        header.kind = static_cast<std::uint16_t>(block.kind);
        header.header_bytes = sizeof(header);
        header.sequence = sequence++;
        header.payload_bytes = static_cast<std::uint32_t>(block.payload.size());
        header.raw_bytes = block.raw_bytes;
        header.items = block.items;
        header.payload_crc = crc32_of(block.payload.data(), block.payload.size());
        header.crc = crc32_of(&header, offsetof(format::BlockHeader, crc));
        bytes.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(block.payload);
    }
    return bytes;
}

}  // namespace inflight::capture
