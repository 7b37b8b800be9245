// SPDX-License-Identifier: Apache-2.0
// What a capture file has beside records, as JSON.
#pragma once

#include "base/result.hpp"
#include "model/summary.hpp"
#include "model/trace_info.hpp"
#include "model/tracker.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace inflight::capture {

struct CaptureInfo {
    model::TraceInfo trace;
    model::TrackerOptions tracker;
    std::string recording;   // the same in all files of one recording, and in no other
    std::uint64_t part = 0;  // of a recording that has several files. 0: the file can only stand alone
    // Of files and cgroups that were named before this file begins, and were dropped since because there were too many.
    std::uint64_t names_missing = 0;
};

// How a recording stands: the last one in a file counts.
struct Account {
    model::Losses losses;  // what a tracker counts itself is not in it
    std::uint64_t aio_nr = 0;
    std::uint64_t aio_max_nr = 0;
    std::uint64_t end_ns = 0;
    std::string ended_by;  // empty: it goes on, or was not ended properly
};

[[nodiscard]] std::string to_json(const CaptureInfo& info);
[[nodiscard]] std::string to_json(const Account& account);
// Nothing in the text is trusted: what is missing or of another type is an error.
[[nodiscard]] Result<CaptureInfo> info_from_json(std::string_view text);
[[nodiscard]] Result<Account> account_from_json(std::string_view text);

}  // namespace inflight::capture
