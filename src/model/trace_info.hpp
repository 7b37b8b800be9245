// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace inflight::model {

// What this kernel does not let us show, and why.
struct LostFeature {
    std::string name;     // for programs: "links"
    std::string reason;   // "this kernel has no io_open.filename"
    std::string meaning;  // "paths of openat are not shown"

    [[nodiscard]] std::string sentence() const { return meaning + ": " + reason; }
};

// What is known of a trace before its first record.
struct TraceInfo {
    std::string version;  // of inflight
    std::string host_name;
    std::string kernel_release;        // "6.1.0-32-cloud-amd64"
    std::uint64_t start_ns = 0;        // CLOCK_MONOTONIC
    std::int64_t wall_offset_ns = 0;   // add to a time to get nanoseconds since 1970
    std::string hooks;                 // "fentry", "kprobe", "tracepoint", or "fentry and kprobe"
    std::vector<std::string> limits;   // what these hooks cannot know, one sentence each
    std::vector<LostFeature> lost;     // each is also one of `limits`
    std::vector<std::string> command;  // that is traced, may be empty
};

}  // namespace inflight::model
