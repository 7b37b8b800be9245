// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>

namespace inflight {

// The CRC-32 of zlib and gzip.
[[nodiscard]] inline std::uint32_t crc32_of(const void* bytes, std::size_t count) {
    return static_cast<std::uint32_t>(
        ::crc32_z(::crc32_z(0, nullptr, 0), static_cast<const unsigned char*>(bytes), count));
}

}  // namespace inflight
