// SPDX-License-Identifier: Apache-2.0
// Counts of losses of one run, at two moments or in two parts of it.
#pragma once

#include "model/types.hpp"

namespace inflight::model {

// What was lost between two moments of a run.
[[nodiscard]] Losses losses_since(const Losses& before, const Losses& now);

// Whether requests, calls or rings may have gone unseen: more than names, or what only events and findings show.
[[nodiscard]] bool hide_requests(const Losses& losses);

// Two parts of one run together: its CPUs are the same ones.
void add_part(Losses& to, const Losses& part);

}  // namespace inflight::model
