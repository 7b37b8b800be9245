// SPDX-License-Identifier: Apache-2.0
// What `inflight stat` and `inflight hist` print. A view fetches nothing: no clock, no terminal query.
#pragma once

#include "base/output.hpp"
#include "model/stat.hpp"
#include "model/trace_info.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace inflight::view {

struct StatInfo {
    std::string version;
    std::string host_name;
    std::string kernel_release;
    std::string hooks;
    std::vector<std::string> limits;       // one sentence each
    std::vector<model::LostFeature> lost;  // each is also one of `limits`
    std::vector<std::string> command;
    model::StatBy by = model::StatBy::op;
    std::uint64_t interval_ns = 0;  // 0: only the whole run
    std::uint64_t start_ns = 0;     // CLOCK_MONOTONIC
    std::int64_t wall_offset_ns = 0;
};

struct StatTextOptions {
    bool in_place = false;  // a terminal: each frame replaces the one before
    bool color = false;
    bool utf8 = true;
    std::size_t columns = 120;
    std::size_t rows = 0;  // of the terminal; 0: no limit
    std::size_t top = 20;  // keys shown
};

class StatView {
public:
    virtual ~StatView() = default;
    StatView() = default;
    StatView(const StatView&) = delete;
    StatView& operator=(const StatView&) = delete;

    virtual void begin(const StatInfo& info) = 0;
    // After each interval.
    virtual void interval(const model::StatFrame& frame) = 0;
    // Once, of the whole run.
    virtual void end(const model::StatFrame& whole, const std::string& ended_by) = 0;
};

struct HistOptions {
    std::uint64_t linear_step_ns = 0;  // 0: powers of two
};

// `output` must outlive the view.
[[nodiscard]] std::unique_ptr<StatView> make_stat_text(Output& output, StatTextOptions options);
[[nodiscard]] std::unique_ptr<StatView> make_stat_json(Output& output);
[[nodiscard]] std::unique_ptr<StatView> make_hist_text(Output& output, StatTextOptions options, HistOptions hist);
[[nodiscard]] std::unique_ptr<StatView> make_hist_json(Output& output);

// --- For the text views alone ---------------------------------------------------------------------------------------

// "inflight stat on HOST, Linux ..., by op; limits", with line ends.
[[nodiscard]] std::string stat_heading(std::string_view command, const StatInfo& info, std::size_t columns);
// Cancels, and what could not be counted as it should, in lines of at most `columns`.
[[nodiscard]] std::vector<std::string> stat_notes(const model::StatFrame& frame, std::size_t columns);
// "15:04:05" UTC of a time of CLOCK_MONOTONIC.
[[nodiscard]] std::string stat_time(const StatInfo& info, std::uint64_t time_ns);
// What puts lines in the place of those before, on a terminal of `rows` rows (0: no limit). All of `tail` is shown, of
// `lines` what fits.
[[nodiscard]] std::string stat_screen(const std::vector<std::string>& lines, const std::vector<std::string>& tail,
                                      std::size_t rows);

}  // namespace inflight::view
