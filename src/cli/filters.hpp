// SPDX-License-Identifier: Apache-2.0
// The options that choose what is traced, and what they become in the kernel and in the model.
#pragma once

#include "base/result.hpp"
#include "model/selection.hpp"
#include "probe/loader.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace inflight::cli {

struct FilterOptions {
    std::vector<std::uint32_t> pids;
    bool follow = false;
    std::string comm;
    std::string uid;
    std::string cgroup;
    std::string container;
    std::vector<std::string> events;
    std::vector<std::string> families;
    std::vector<std::string> operations;
    std::vector<std::string> outcomes;
    std::uint64_t min_latency_ns = 0;
};

void declare_filters(CLI::App& app, FilterOptions& options);

// --hooks, --without-hook, --buffer
struct HookOptions {
    std::string hooks;
    std::vector<std::string> without;
    std::uint64_t buffer_bytes = 0;
    bool verbose = false;
    std::string types_path;
};

void declare_hooks(CLI::App& app, HookOptions& options);

// "--comm db --uid 1000": the filters that may let no process through. Empty: there are none. A process that --pid
// names exists, so it is not among them.
[[nodiscard]] std::string processes_text(const FilterOptions& options);

// Fills in what the kernel side filters by.
[[nodiscard]] Result<void> apply_filters(const FilterOptions& options, probe::Options& probes);
// Of commands that read captures. 0: not given.
void declare_max_memory(CLI::App& app, std::uint64_t& bytes);
[[nodiscard]] Result<void> apply_hooks(const HookOptions& options, probe::Options& probes);

// What is left for the model: family, operation, outcome, latency.
[[nodiscard]] Result<model::SelectionOptions> selection_from(const FilterOptions& options);

// Bit per ifl_syscall of the named events; all for none.
[[nodiscard]] Result<std::uint32_t> event_mask(const std::vector<std::string>& names);

// "10s", "250ms", "1m": a time with its unit, as nanoseconds.
[[nodiscard]] CLI::Validator as_duration_ns();
// "64mb" to bytes.
[[nodiscard]] CLI::Validator as_size_bytes();
// A whole number, and not 0.
[[nodiscard]] CLI::Validator positive();

}  // namespace inflight::cli
