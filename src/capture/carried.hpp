// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "contract/records.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace inflight::capture {

// Records that later ones refer to (files, cgroups, contexts, rings, requests that have several CQEs): what a file that
// begins in the middle of a recording needs to stand alone. Not thread-safe.
class Carried {
public:
    // Whether note() is to be given this record, now or later. To be asked of every record, in order.
    [[nodiscard]] bool wants(const ifl_header& record);
    void note(const ifl_header& record);

    // What is known, as a trace that begins at `time_ns` finds it: contexts and rings existed before.
    void for_each(std::uint64_t time_ns, const std::function<void(const ifl_header&)>& visit) const;

    // What a file that begins now is missing, as a sentence for its readers; empty: nothing.
    [[nodiscard]] std::string limit() const;

private:
    using Key = std::pair<std::uint16_t, std::uint64_t>;  // kind and its number
    using Words = std::vector<std::uint64_t>;
    void keep(Key key, const ifl_header& record);
    void forget_contexts_of(std::uint32_t pid);

    std::map<Key, Words> records_;
    std::deque<Key> names_;                        // files and cgroups, oldest first
    std::unordered_set<std::uint64_t> announced_;  // requests that have not ended
    std::uint64_t forgotten_ = 0;
};

}  // namespace inflight::capture
