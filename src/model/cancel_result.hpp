// SPDX-License-Identifier: Apache-2.0
// What became of a request that inflight itself was told to cancel. Judged by the request's own end as the hooks saw
// it; what the call returned only explains it. Pure functions.
#pragma once

#include "model/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace inflight::model {

enum class CancelEnd : std::uint8_t {
    cancelled,        // it ended cancelled
    completed_first,  // it ended before the call, or by itself while the call was made
    interrupted,      // it ran in io-wq, and ended because it was told to
    running,          // it runs in io-wq, was told to end, and has not within the time
    not_cancellable,  // nothing in the kernel could take it back; it is still in flight
    unseen,           // the kernel took it back, and no hook has seen its end
    refused,          // nothing was tried, or the kernel did not allow it
};
[[nodiscard]] std::string_view name(CancelEnd end);

struct CancelTry {
    std::string refusal;          // why nothing was tried; else empty
    bool process_ended = false;   // that is why: the request ends with its process
    std::int64_t ret = 0;         // what the call returned: a negative errno, 0 or a count
    std::uint64_t start_ns = 0;   // of the call
    std::uint64_t waited_ns = 0;  // for the end, after it
};

struct CancelResult {
    CancelEnd end = CancelEnd::refused;
    std::string reason;  // one sentence
};

// `ended`: the request as it ended; nothing while it is in flight.
[[nodiscard]] CancelResult judge_cancel(const CancelTry& tried, const std::optional<Request>& ended);

}  // namespace inflight::model
