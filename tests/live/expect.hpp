// SPDX-License-Identifier: Apache-2.0
// The expectations that workloads print (tests/workloads/README.md), held against the records of a trace.
#pragma once

#include "records.hpp"

#include <string>
#include <vector>

namespace inflight::live {

// Checks each line that begins with `expect`; any other line is left out. One text for each that does not hold.
std::vector<std::string> check_expectations(const std::string& printed, const std::vector<const Record*>& records);

}  // namespace inflight::live
