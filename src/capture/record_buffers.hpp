// SPDX-License-Identifier: Apache-2.0
// The reader's side of the buffers through which the kernel side hands over records: contract/buffer.h.
#pragma once

#include "base/result.hpp"
#include "capture/map_entries.hpp"
#include "contract/buffer.h"
#include "probe/loader.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace inflight::capture {

// One buffer. Not thread-safe; the kernel side writes at the same time.
class RecordBuffer {
public:
    // The memory must outlive it. `bytes` is a power of two.
    RecordBuffer(std::byte* data, std::uint32_t bytes, ifl_buffer_positions& positions, std::uint64_t key)
        : data_(data), bytes_(bytes), positions_(&positions), key_(key) {}

    // Gives each finished record to `visit`, which must not keep it; what comes meanwhile, and what is more than some
    // ten milliseconds of work, waits for the next call.
    // Returns how many. `damaged` is raised, and all that stands there passed over, where it makes no sense.
    std::size_t read(const std::function<void(const ifl_header&)>& visit, std::uint64_t& damaged);

private:
    std::byte* data_;
    std::uint32_t bytes_;
    ifl_buffer_positions* positions_;
    std::uint64_t key_;
};

// Those of all CPUs.
class RecordBuffers {
public:
    // The descriptors may be closed afterwards.
    [[nodiscard]] Result<void> map(const probe::Buffers& buffers);

    // As RecordBuffer::read(), one after the other.
    std::size_t read(const std::function<void(const ifl_header&)>& visit, std::uint64_t& damaged);

private:
    MappedMemory data_;
    MappedArray<ifl_buffer_positions> positions_;
    std::vector<RecordBuffer> buffers_;
};

}  // namespace inflight::capture
