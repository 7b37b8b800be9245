// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/accesses.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace inflight::model {

// Memory that was taken away while a request worked on it. Unmaps come before the requests that they hit: a request is
// told when it is over. Remembers the last of each process. Not thread-safe.
class UnmappedMemory {
public:
    using Tell = std::function<void(const Unmap&, const ByteRange&)>;

    void on_unmap(const Unmap& unmap);
    // Calls `tell` with the first unmap that took away a part of `ranges` of process `pid` in (from_ns, until_ns).
    void check(std::uint32_t pid, const std::vector<ByteRange>& ranges, std::uint64_t from_ns, std::uint64_t until_ns,
               const Tell& tell) const;
    // A request that began before this may have been hit by one that is forgotten; 0: none is.
    [[nodiscard]] std::uint64_t forgotten_until_ns() const { return forgotten_until_ns_; }

private:
    static constexpr std::size_t remembered = 4096;  // for each process
    static constexpr std::size_t processes = 256;

    std::map<std::uint32_t, std::deque<Unmap>> unmaps_;  // in order of time
    std::uint64_t forgotten_until_ns_ = 0;
};

// The finding, but for its stories.
[[nodiscard]] Finding memory_unmapped(const Unmap& unmap, const ByteRange& range, const Request& request);

}  // namespace inflight::model
