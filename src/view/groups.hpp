// SPDX-License-Identifier: Apache-2.0
// Groups of requests as a table or as lines of JSON.
#pragma once

#include "model/grouping.hpp"
#include "view/view.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace inflight::view {

struct GroupReport {
    std::vector<model::GroupField> fields;
    std::vector<model::Group> groups;  // in the order to be shown
    std::size_t groups_in_all = 0;     // with those that are not shown
    std::uint64_t span_ns = 0;         // what rates are per
};

// Ends with a newline.
[[nodiscard]] std::string groups_text(const GroupReport& report, const TextOptions& options);
// A line for each: docs/report.schema.json.
void write_groups(Output& output, const GroupReport& report);

}  // namespace inflight::view
