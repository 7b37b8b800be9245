// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "contract/records.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace inflight::capture {

// The hooks are detached one after the other, while the programs go on. So a trace ends at a moment before that, and
// what is seen to end later was in flight then. Not thread-safe.
class LateRequests {
public:
    // A record of a hook, younger than `end_ns`.
    void note(const ifl_header& record, std::uint64_t end_ns);

    // Those that were in flight at the end, as a look at the table would have found them.
    void for_each(const std::function<void(const ifl_header&)>& visit) const;
    [[nodiscard]] std::size_t count() const { return requests_.size(); }

private:
    std::vector<std::vector<std::uint64_t>> requests_;
};

}  // namespace inflight::capture
