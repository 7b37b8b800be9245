// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

// The name of a thread as /proc has it; empty: it is gone.
[[nodiscard]] std::string comm_of_thread(std::uint32_t tid);

// Functions of the kernel that a sleeping thread is in, the innermost first; empty where they cannot be read
// (/proc/TID/stack needs CONFIG_STACKTRACE and CAP_SYS_ADMIN).
[[nodiscard]] std::vector<std::string> kernel_functions_of(std::uint32_t tid);

}  // namespace inflight::probe
