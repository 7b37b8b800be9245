// SPDX-License-Identifier: Apache-2.0
// What a request works on while it is in flight: memory of its process, bytes of a file. Pure.
#pragma once

#include "model/types.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace inflight::model {

// [start, end)
struct ByteRange {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
};

struct Accesses {
    std::vector<ByteRange> memory;
    bool writes_memory = false;
    bool memory_complete = true;          // false: it works on memory beside that, and which is not known
    std::optional<ByteRange> file_write;  // that it writes, at a place that the program has named
};

// Nothing of operations that use no memory of the program, of empty transfers, and of those whose buffer the kernel
// chooses when the data has come (IOSQE_BUFFER_SELECT).
[[nodiscard]] Accesses accesses_of(const Request& request);

// Index of the registered buffer that it uses.
[[nodiscard]] std::optional<std::uint16_t> registered_buffer(const Request& request);

// How long a request may rightly take.
enum class Nature : std::uint8_t {
    storage,  // reads, writes, syncs a regular file or a block device: ends by itself
    waiting,  // until something comes, which may be never: a poll, a timeout, a read of a pipe; or behind a link or
              // drain
    other,    // all else, and what is not known
};
[[nodiscard]] Nature nature_of(const Request& request);

// Of an operation: it puts what it reads into memory of the program.
[[nodiscard]] bool fills_memory(const Request& request);

}  // namespace inflight::model
