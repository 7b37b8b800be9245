// SPDX-License-Identifier: Apache-2.0
#include "capture/sorter.hpp"

#include <algorithm>
#include <cstring>

namespace inflight::capture {

void Sorter::add(const ifl_header& record) {
    if (record.time_ns < released_ns_) {
        out_of_order_++;
    }
    const std::size_t offset = bytes_.size();
    // Records are read in place: keep each aligned for its 64-bit fields.
    const std::size_t padded = (record.size_bytes + 7U) & ~std::size_t{7};
    bytes_.resize(offset + padded);
    std::memcpy(bytes_.data() + offset, &record, record.size_bytes);
    entries_.push_back({.time_ns = record.time_ns, .offset = offset});
}

void Sorter::release(std::uint64_t until_ns, const std::function<void(const ifl_header&)>& deliver) {
    const auto header = [this](const Entry& entry) -> const ifl_header& {
        return *reinterpret_cast<const ifl_header*>(bytes_.data() + entry.offset);
    };
    std::ranges::stable_sort(entries_, {}, &Entry::time_ns);
    const auto end = std::ranges::lower_bound(entries_, until_ns, {}, &Entry::time_ns);
    for (auto entry = entries_.begin(); entry != end; ++entry) {
        released_ns_ = std::max(released_ns_, entry->time_ns);
        deliver(header(*entry));
    }
    next_bytes_.clear();
    next_entries_.clear();
    for (auto entry = end; entry != entries_.end(); ++entry) {
        const auto& kept = header(*entry);
        const std::size_t offset = next_bytes_.size();
        next_bytes_.resize(offset + ((kept.size_bytes + 7U) & ~std::size_t{7}));
        std::memcpy(next_bytes_.data() + offset, &kept, kept.size_bytes);
        next_entries_.push_back({.time_ns = entry->time_ns, .offset = offset});
    }
    bytes_.swap(next_bytes_);
    entries_.swap(next_entries_);
}

}  // namespace inflight::capture
