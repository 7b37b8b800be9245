// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "capture/map_entries.hpp"
#include "contract/tables.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_set>

namespace inflight::capture {

// The kernel side's tables of io_uring: the rings and the slots of requests as they stand in shared memory, and the
// hash map of the requests that found their slot taken. The kernel side goes on writing to them: what is handed out is
// a copy, made while it may change. Not thread-safe; does not own the descriptors.
class UringTables {
public:
    struct Maps {
        int slots = -1;
        int spilled = -1;
        int rings = -1;
    };

    [[nodiscard]] Result<void> map(const Maps& maps);

    // Requests in flight that the filter lets through. `place` is that of the walk over the lists with that number, 0:
    // of none.
    void for_each_open(std::uint32_t walk, const std::function<void(const ifl_uring_request&)>& visit) const;
    // Whether the request at this address is in flight now, and is the one that was submitted then (0: before the
    // hooks).
    [[nodiscard]] bool is_open(std::uint64_t req, std::uint64_t submit_ns) const;
    // Its struct file as the hooks or the last walk over the lists saw it; 0: none, or it is not open.
    [[nodiscard]] std::uint64_t file_of(std::uint64_t req, std::uint64_t submit_ns) const;
    // Entries of requests in flight that were submitted before the hooks; the filter lets them through.
    void for_each_existing(const std::function<void(const ifl_uring_entry&)>& visit) const;
    // Frees the places of requests that the first walk over the lists found and the second did not: they had ended
    // already, and no hook will tell.
    void drop_unconfirmed();
    // Rings of which nobody has reported the end, and that the filter lets through.
    void for_each_ring(const std::function<void(const ifl_ring&)>& visit) const;
    // Requests of this ring are in flight, and each of them will show its end.
    [[nodiscard]] bool awaits_ends(std::uint64_t ring) const;

    // Frees the places of requests that are still open though their ring (context_id) is gone; `visit` gets those that
    // the filter lets through. Of the hash map entries go too that nobody used since `idle_before_ns`, when there are
    // many.
    void bury(const std::unordered_set<std::uint64_t>& gone, std::uint64_t idle_before_ns,
              const std::function<void(const ifl_uring_request&)>& visit);

private:
    void bury_spilled(const std::unordered_set<std::uint64_t>& gone, std::uint64_t idle_before_ns,
                      const std::function<void(const ifl_uring_request&)>& visit);

    MappedArray<ifl_uring_entry> slots_;
    MappedArray<ifl_ring_entry> rings_;
    int spilled_ = -1;
};

}  // namespace inflight::capture
