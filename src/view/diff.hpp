// SPDX-License-Identifier: Apache-2.0
// Two runs side by side, as a table or as lines of JSON.
#pragma once

#include "model/diff.hpp"
#include "view/view.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace inflight::view {

struct DiffRun {
    std::string file;
    std::string host;
    std::uint64_t requests = 0;
    std::uint64_t cancels = 0;
    std::uint64_t span_ns = 0;
    std::uint64_t slices = 0;
    std::uint64_t slice_ns = 0;
    std::uint64_t lost = 0;
    bool damaged = false;
    bool ended = true;
};

struct DiffReport {
    DiffRun a;
    DiffRun b;
    std::vector<model::Difference> differences;
};

[[nodiscard]] std::string diff_text(const DiffReport& report, const TextOptions& options);
// docs/report.schema.json
void write_diff(Output& output, const DiffReport& report);

}  // namespace inflight::view
