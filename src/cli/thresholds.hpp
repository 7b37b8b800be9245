// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/findings.hpp"

#include <CLI/CLI.hpp>

namespace inflight::cli {

// The options that say from where on something is a finding: --unreaped, --stuck, ... docs/findings.md explains them.
void declare_thresholds(CLI::App& app, model::FindingOptions& options);

}  // namespace inflight::cli
