// SPDX-License-Identifier: Apache-2.0
// The descriptors of requests that were in flight before the hooks: nothing tells their numbers, so they are found by
// the files.
#pragma once

#include "capture/uring_tables.hpp"
#include "contract/tables.h"
#include "probe/held.hpp"

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace inflight::capture {

class FoundDescriptors {
public:
    // A request without a number, by its kernel address.
    struct Unnumbered {
        std::uint64_t address = 0;
        std::uint64_t file = 0;
        std::uint32_t pid = 0;
    };

    // Looks for the files in the tables of the processes. Where that cannot be done the numbers stay unknown.
    void look(const probe::Held& held, const std::vector<Unnumbered>& requests);

    // Hands the record on, with its descriptor where it had none and that was found.
    void pass(const ifl_header& record, const std::function<void(const ifl_header&)>& next) const;

private:
    std::unordered_map<std::uint64_t, std::int32_t> by_address_;
};

}  // namespace inflight::capture
