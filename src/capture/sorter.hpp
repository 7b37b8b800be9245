// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "contract/records.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace inflight::capture {

// Puts records of several CPUs into one order of time. Each CPU's own are nearly in order; a record may be late by as
// long as the kernel keeps a program from running on between its look at the clock and its write.
class Sorter {
public:
    // Who made a record: the kernel side, which counts what it makes, or the reader itself.
    enum class Maker : std::uint8_t { kernel_side, reader };

    // Copies the record, which must be `header.size_bytes` long.
    void add(const ifl_header& record, Maker maker = Maker::reader);

    // Gives every record older than `until_ns`, oldest first, to `deliver`; equal times in the order they were added.
    // False: `go_on`, which is asked after each, said no, and some are left.
    bool release(std::uint64_t until_ns, const std::function<void(const ifl_header&)>& deliver,
                 const std::function<bool()>& go_on = {});
    // Gives what has not been released to `lost`, in no order, and forgets it.
    void discard(const std::function<void(const ifl_header&, Maker)>& lost);
    [[nodiscard]] std::size_t waiting_bytes() const { return waiting_words_ * sizeof(std::uint64_t); }

    // Records that came after a younger one had been released.
    [[nodiscard]] std::uint64_t out_of_order() const { return out_of_order_; }

private:
    // Records stand in chunks until all of a chunk were given out: nothing is moved while it waits.
    struct Chunk {
        std::unique_ptr<std::uint64_t[]> words;
        std::size_t size_words = 0;
        std::size_t used_words = 0;
        std::size_t waiting = 0;
    };
    struct Entry {
        std::uint64_t time_ns;
        const ifl_header* record;
        Chunk* chunk;
        std::uint32_t words;
        Maker maker;
    };
    [[nodiscard]] Chunk& chunk_for(std::size_t words);
    void give_back(Chunk& chunk);
    void merge_added();

    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::vector<Chunk*> free_;
    Chunk* filling_ = nullptr;
    std::vector<Entry> waiting_;  // in order from first_ on
    std::size_t first_ = 0;
    std::vector<Entry> added_;  // since the last release
    std::size_t waiting_words_ = 0;
    std::uint64_t released_ns_ = 0;
    std::uint64_t out_of_order_ = 0;
};

}  // namespace inflight::capture
