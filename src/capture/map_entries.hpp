// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "contract/tables.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace inflight::capture {

// All entries of a hash map. An entry that goes while we look may be missed, one that comes may be seen.
template <typename Key, typename Value, typename Visit>
void for_each_entry(int map, Visit visit) {
    constexpr __u32 batch = 256;
    std::vector<Key> keys(batch);
    std::vector<Value> values(batch);
    Key position{};
    bool first = true;
    for (;;) {
        __u32 count = batch;
        LIBBPF_OPTS(bpf_map_batch_opts, options);
        const int error = bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), values.data(),
                                               &count, &options);
        const bool last = error != 0 && errno == ENOENT;
        if (error != 0 && errno == ENOSPC && count == 0) {
            // One bucket holds more than fits: take more at once.
            keys.resize(keys.size() * 2);
            values.resize(values.size() * 2);
            continue;
        }
        if (error != 0 && !last) {
            return;
        }
        for (__u32 i = 0; i < count; i++) {
            visit(keys[i], values[i]);
        }
        if (last) {
            return;
        }
        first = false;
    }
}

// Memory of a map of the kernel side (BPF_F_MMAPABLE), shared: the kernel side goes on writing to it.
class MappedMemory {
public:
    MappedMemory() = default;
    MappedMemory(const MappedMemory&) = delete;
    MappedMemory& operator=(const MappedMemory&) = delete;
    MappedMemory(MappedMemory&&) = delete;
    MappedMemory& operator=(MappedMemory&&) = delete;
    ~MappedMemory() {
        if (!bytes_.empty()) {
            ::munmap(bytes_.data(), bytes_.size());
        }
    }

    // Once. `fd` may be closed afterwards.
    [[nodiscard]] Result<void> map(int fd, std::size_t bytes) {
        void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) {
            return failure("map a table of the kernel side", describe_errno(errno));
        }
        bytes_ = std::span(static_cast<std::byte*>(at), bytes);
        return {};
    }

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

// The same of an array whose entries are `Entry`.
template <typename Entry>
class MappedArray {
public:
    [[nodiscard]] Result<void> map(int fd) {
        bpf_map_info info{};
        __u32 info_bytes = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) != 0) {
            return failure("look at a table of the kernel side", describe_errno(errno));
        }
        if (auto mapped = memory_.map(fd, std::size_t{info.max_entries} * sizeof(Entry)); !mapped) {
            return mapped;
        }
        entries_ = std::span(reinterpret_cast<Entry*>(memory_.bytes().data()), info.max_entries);
        return {};
    }

    [[nodiscard]] std::span<Entry> entries() const { return entries_; }
    // Where ifl_place_of() puts the object at this address.
    [[nodiscard]] const Entry& place_of(std::uint64_t address) const {
        return entries_[ifl_place_of(address, static_cast<ifl_u32>(std::bit_width(entries_.size()) - 1))];
    }

private:
    MappedMemory memory_;
    std::span<Entry> entries_;
};

}  // namespace inflight::capture
