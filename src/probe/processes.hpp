// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace inflight::probe {

// No thread of the process with this number runs any more. One that waits for its parent has ended.
[[nodiscard]] bool has_ended(std::uint32_t pid);

// What the scheduler has counted of a thread. Nothing where it is gone, or where the kernel does not count.
struct Running {
    std::uint64_t running_ns = 0;   // on a processor
    std::uint64_t runnable_ns = 0;  // ready, and without one
    std::uint64_t sleeps = 0;       // how often it gave up its processor to wait
};
[[nodiscard]] std::optional<Running> read_running(std::uint32_t tid);

}  // namespace inflight::probe
