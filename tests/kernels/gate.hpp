// SPDX-License-Identifier: Apache-2.0
// Whether our programs fit a kernel, judged by its types alone: nothing is loaded and nothing is booted.
#pragma once

#include "object.hpp"
#include "tables.hpp"
#include "types.hpp"

#include <set>
#include <string>
#include <vector>

namespace inflight::kernels {

struct Kernel {
    Series series;
    std::string name;  // "7.0"
    Types types;
};

struct Knowledge {
    Table lost;
    Table prototypes;
    Names names;
};

struct Verdict {
    std::vector<std::string> complaints;  // sentences; none: the programs fit
    std::set<const Row*> used;            // of the table of what is lost
};

// What is wrong with these programs on this kernel.
[[nodiscard]] Verdict judge(const Object& object, const Kernel& kernel, const Knowledge& knowledge);

// Rows of the table for this kernel that excused nothing: they would excuse something else one day.
[[nodiscard]] std::vector<std::string> unused_rows(const Table& lost, const Kernel& kernel,
                                                   const std::set<const Row*>& used);

// Whether functions and tracepoints are as the table of prototypes says.
[[nodiscard]] std::vector<std::string> compare_prototypes(const Kernel& kernel, const Knowledge& knowledge);

}  // namespace inflight::kernels
