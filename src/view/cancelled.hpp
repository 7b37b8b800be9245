// SPDX-License-Identifier: Apache-2.0
// What became of requests that inflight was told to cancel.
#pragma once

#include "model/cancel_result.hpp"
#include "model/in_flight.hpp"
#include "view/view.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace inflight::view {

struct CancelReport {
    model::InFlight chosen;
    std::optional<model::Request> ended;  // nothing: not seen to end
    model::CancelTry tried;
    model::CancelResult result;
    std::string way;  // "ring", "inject"; empty: nothing was tried
    std::uint64_t call_ns = 0;
    std::uint32_t thread = 0;  // that made the call, 0: none of the process
    std::uint32_t threads_stopped = 0;
    std::uint64_t stood_still_ns = 0;
    bool timeout_restarted = false;
};

// Lines, with a newline at the end.
[[nodiscard]] std::string cancelled_text(const CancelReport& report, const TextOptions& options);
// One line: docs/cancel.md.
void write_cancelled(Output& output, const CancelReport& report);
// The last line.
struct CancelledEnd {
    std::uint64_t trace_start_ns = 0;  // what was in flight before it has no submit_ns
    std::uint64_t chosen = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t lost = 0;  // records
};
void write_cancelled_end(Output& output, const CancelledEnd& end);
// For a log: one line without a newline, with who asked for it.
[[nodiscard]] std::string audit_line(const CancelReport& report, const std::string& who);

}  // namespace inflight::view
