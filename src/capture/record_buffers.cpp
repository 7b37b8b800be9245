// SPDX-License-Identifier: Apache-2.0
#include "capture/record_buffers.hpp"

#include <algorithm>

namespace inflight::capture {

namespace {

constexpr std::uint64_t mark_mask = 7;
// The kernel side gets room back before all was read.
constexpr std::uint32_t give_back_parts = 16;
// Of a buffer that is full, in one reading: some ten milliseconds.
constexpr std::uint64_t most_read_bytes = std::uint64_t{8} << 20U;

std::uint64_t load(const std::uint64_t* from) {
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

}  // namespace

std::size_t RecordBuffer::read(const std::function<void(const ifl_header&)>& visit, std::uint64_t& damaged) {
    const std::uint64_t start = positions_->tail;
    std::uint64_t tail = start;
    std::uint64_t given_back = start;
    std::size_t records = 0;
    const auto give_back = [&] {
        __atomic_store_n(&positions_->tail, tail, __ATOMIC_RELEASE);
        given_back = tail;
    };
    const std::uint64_t most_bytes = std::min<std::uint64_t>(bytes_, most_read_bytes);
    while (tail - start < most_bytes) {
        const auto at = static_cast<std::uint32_t>(tail & (bytes_ - 1));
        const std::uint64_t mark = load(reinterpret_cast<const std::uint64_t*>(data_ + at)) ^ tail ^ key_;
        if ((mark & ~mark_mask) != 0 || mark == IFL_MARK_BUSY) {
            break;
        }
        if (mark == IFL_MARK_SKIP) {
            tail += bytes_ - at;
            continue;
        }
        const std::size_t room = bytes_ - at - IFL_MARK_BYTES;
        const auto& record = *reinterpret_cast<const ifl_header*>(data_ + at + IFL_MARK_BYTES);
        if (mark > IFL_MARK_SKIP || room < sizeof(ifl_header) || record.size_bytes > room ||
            record.size_bytes < sizeof(ifl_header)) {
            damaged++;
            tail = load(&positions_->head);
            break;
        }
        if (mark == IFL_MARK_DONE) {
            visit(record);
            records++;
        }
        tail += IFL_MARK_BYTES + (record.size_bytes + 7U) / 8U * 8U;
        if (tail - given_back > bytes_ / give_back_parts) {
            give_back();
        }
    }
    if (tail != given_back) {
        give_back();
    }
    return records;
}

Result<void> RecordBuffers::map(const probe::Buffers& buffers) {
    if (auto mapped = data_.map(buffers.data, buffers.cpus * buffers.bytes_per_cpu); !mapped) {
        return mapped;
    }
    if (auto mapped = positions_.map(buffers.positions); !mapped) {
        return mapped;
    }
    for (std::size_t cpu = 0; cpu < buffers.cpus; cpu++) {
        buffers_.emplace_back(data_.bytes().data() + cpu * buffers.bytes_per_cpu, buffers.bytes_per_cpu,
                              positions_.entries()[cpu], buffers.key);
    }
    return {};
}

std::size_t RecordBuffers::read(const std::function<void(const ifl_header&)>& visit, std::uint64_t& damaged) {
    std::size_t records = 0;
    for (RecordBuffer& buffer : buffers_) {
        records += buffer.read(visit, damaged);
    }
    return records;
}

}  // namespace inflight::capture
