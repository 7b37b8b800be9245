// SPDX-License-Identifier: Apache-2.0
// One inflight works on a process at a time.
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"

#include <sys/types.h>

namespace inflight::act {

// A lock on /proc/PID (flock(2)), which goes with this object or with the process that holds it.
class OneAtATime {
public:
    // Waits at most two seconds for another one.
    [[nodiscard]] static Result<OneAtATime> enter(pid_t pid);

private:
    explicit OneAtATime(UniqueFd lock) : lock_(std::move(lock)) {}
    UniqueFd lock_;
};

}  // namespace inflight::act
