// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "contract/records.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace inflight::capture {

// Puts records of several CPUs into one order of time. Each CPU's own are nearly in order; a record may be late by as
// long as the kernel keeps a program from running on between its look at the clock and its write.
class Sorter {
public:
    // Copies the record, which must be `header.size_bytes` long.
    void add(const ifl_header& record);

    // Gives every record older than `until_ns`, oldest first, to `deliver`; equal times in the order they were added.
    void release(std::uint64_t until_ns, const std::function<void(const ifl_header&)>& deliver);

    // Records that came after a younger one had been released.
    [[nodiscard]] std::uint64_t out_of_order() const { return out_of_order_; }

private:
    struct Entry {
        std::uint64_t time_ns;
        std::size_t offset;
    };

    std::vector<std::byte> bytes_;
    std::vector<Entry> entries_;
    std::vector<std::byte> next_bytes_;
    std::vector<Entry> next_entries_;
    std::uint64_t released_ns_ = 0;
    std::uint64_t out_of_order_ = 0;
};

}  // namespace inflight::capture
