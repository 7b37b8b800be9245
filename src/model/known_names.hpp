// SPDX-License-Identifier: Apache-2.0
// Names in records: of files and cgroups by their numbers, of tasks. Both families of requests have them.
#pragma once

#include "model/types.hpp"

#include <cstdint>
#include <cstring>
#include <map>
#include <string>

namespace inflight::model {

// The name of a task, which has no NUL when it fills its field.
[[nodiscard]] inline std::string comm_of(const char (&comm)[IFL_COMM_BYTES]) {
    return {&comm[0], strnlen(&comm[0], IFL_COMM_BYTES)};
}

struct KnownNames {
    std::map<std::uint64_t, FilePtr> files;
    std::map<std::uint64_t, std::string> cgroups;
    std::map<std::uint32_t, std::uint32_t> host_pids;  // by pid; empty where these are the same

    // The machine's number of a process, 0: not known, or no other than `pid`.
    [[nodiscard]] std::uint32_t host_pid(std::uint32_t pid) const {
        const auto found = host_pids.find(pid);
        return found == host_pids.end() ? 0 : found->second;
    }

    // nullptr: not known, or none.
    [[nodiscard]] FilePtr file(std::uint64_t id) const {
        const auto found = files.find(id);
        return found == files.end() ? nullptr : found->second;
    }
};

}  // namespace inflight::model
