// SPDX-License-Identifier: Apache-2.0
// What `inflight stat` and `inflight hist` do alike: their options, the command that they run, the look at the counters
// each interval, and the end.
#pragma once

#include "cli/filters.hpp"
#include "view/stat_view.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace inflight::cli {

struct StatRunOptions {
    FilterOptions filters;
    HookOptions hooks;
    std::string format = "text";
    std::string output;
    std::string by = "op";
    std::uint64_t duration_ns = 0;
    std::uint64_t interval_ns = 0;  // 0: only the whole run
    std::uint32_t keys = 0;         // 0: chosen by the number of CPUs
    std::size_t top = 20;
    std::vector<std::string> command;
};

void declare_stat_run(CLI::App& app, StatRunOptions& options);

using MakeStatView = std::function<std::unique_ptr<view::StatView>(Output& output, const view::StatTextOptions& text)>;

// The exit status, which is the command's if there is one. Errors have been said.
[[nodiscard]] int run_stat(const StatRunOptions& options, const MakeStatView& make_view);

}  // namespace inflight::cli
