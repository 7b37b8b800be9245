// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace inflight::model {

// When a capture began, on both clocks.
struct CaptureClock {
    std::uint64_t start_ns = 0;       // CLOCK_MONOTONIC
    std::int64_t wall_offset_ns = 0;  // add to get nanoseconds since 1970
};

// A point in time as a CLOCK_MONOTONIC of the capture:
//   "10s", "1.5m", "250ms"               after its start
//   "14:03:05", "14:03:05.25"            the first such time of day after its start, of the local time zone
//   "2026-11-23T14:03:05Z", "...+01:00"  RFC 3339; without a zone it is local
// 0 for a time before the clock began. `option` is named in the error.
[[nodiscard]] Result<std::uint64_t> time_point(const std::string& option, const std::string& text,
                                               const CaptureClock& clock);

}  // namespace inflight::model
