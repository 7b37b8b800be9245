// SPDX-License-Identifier: Apache-2.0
// What is to be said of the files that a report was made from: whether they are whole.
#pragma once

#include "view/view.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace inflight::view {

struct CaptureFile {
    std::string path;
    std::string host;
    bool ended = true;     // false: the recording was killed, or is still going on
    std::string ended_by;  // empty: not known
    std::uint64_t names_missing =
        0;  // at most this many names of files and cgroups are not in this part of the recording
    std::vector<std::string> damage;  // one sentence each; empty: nothing is missing
    std::string recording = {};       // parts of one recording have the same; empty: not known
};

// Which files are of which recording, as a line without an end; empty if all are of one. Where a recorder was started
// again, a pattern such as FILE.* takes both recordings.
[[nodiscard]] std::string recordings_text(const std::vector<CaptureFile>& files);
// A sentence; empty if there are none.
[[nodiscard]] std::string missing_names_text(std::uint64_t names);
// A line for each file that is not whole, and for each where there are several; may be empty.
[[nodiscard]] std::string captures_text(const std::vector<CaptureFile>& files, const TextOptions& options);
// A line for each file: docs/report.schema.json.
void write_captures(Output& output, const std::vector<CaptureFile>& files);

}  // namespace inflight::view
