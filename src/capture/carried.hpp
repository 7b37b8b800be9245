// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "capture/block_file.hpp"
#include "contract/records.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace inflight::capture {

// Records that later ones refer to (files, cgroups, contexts, rings, requests that have several CQEs): what a file that
// begins in the middle of a recording needs to stand alone. Not thread-safe.
class Carried {
public:
    static constexpr std::size_t names_limit = 32768;  // of files and cgroups

    // Whether note() is to be given this record, now or later. To be asked of every record, in order.
    [[nodiscard]] bool wants(const ifl_header& record);
    void note(const ifl_header& record);

    // What is known, as a trace that begins at `time_ns` finds it: contexts and rings existed before.
    void for_each(std::uint64_t time_ns, const std::function<void(const ifl_header&)>& visit) const;

    // Names of files and cgroups that were dropped because there were too many. One that came again is counted still.
    [[nodiscard]] std::uint64_t names_dropped() const { return names_dropped_; }

private:
    using Key = std::pair<std::uint16_t, std::uint64_t>;  // kind and its number
    using Words = std::vector<std::uint64_t>;
    void keep(Key key, const ifl_header& record);
    void forget_contexts_of(std::uint32_t pid);

    std::map<Key, Words> records_;
    std::deque<Key> names_;                        // files and cgroups, oldest first
    std::unordered_set<std::uint64_t> announced_;  // requests that have not ended
    std::uint64_t names_dropped_ = 0;
};

// What is carried into a file that begins at `time_ns`, in blocks of the usual size.
[[nodiscard]] Result<void> write_carried(BlockFile& file, const Carried& carried, std::uint64_t time_ns);

}  // namespace inflight::capture
