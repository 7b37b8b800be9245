// SPDX-License-Identifier: Apache-2.0
// Files and cgroups by the numbers that records use for them. Both families of requests refer to them.
#pragma once

#include "model/types.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>

namespace inflight::model {

struct KnownNames {
    std::unordered_map<std::uint64_t, FilePtr> files;
    std::unordered_map<std::uint64_t, std::string> cgroups;

    // nullptr: not known, or none.
    [[nodiscard]] FilePtr file(std::uint64_t id) const {
        const auto found = files.find(id);
        return found == files.end() ? nullptr : found->second;
    }
};

}  // namespace inflight::model
