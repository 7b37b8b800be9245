// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/stat_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace inflight::view {

namespace {

using model::StatFrame;
using model::StatLine;

std::string duration_or_dash(std::optional<std::uint64_t> duration_ns) {
    return duration_ns ? format_duration(*duration_ns) : "-";
}

std::string per_second(std::uint64_t count, std::uint64_t span_ns) {
    const double rate = span_ns == 0 ? 0 : static_cast<double>(count) * 1e9 / static_cast<double>(span_ns);
    if (count != 0 && rate < 9.95) {
        return fmt::format("{:.1f}/s", rate);
    }
    return format_count(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
}

std::string bytes_per_second(std::uint64_t bytes, std::uint64_t span_ns) {
    const double rate = span_ns == 0 ? 0 : static_cast<double>(bytes) * 1e9 / static_cast<double>(span_ns);
    return format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
}

class StatText final : public StatView {
public:
    StatText(Output& output, StatTextOptions options) : output_(output), options_(options) {}

    void begin(const StatInfo& info) override {
        info_ = info;
        heading_ = stat_heading("stat", info, options_.columns);
        if (options_.in_place) {
            output_.write("\x1b[2J");
        } else {
            output_.write(heading_);
        }
    }

    void interval(const StatFrame& frame) override { show(frame, options_.in_place); }

    void end(const StatFrame& whole, const std::string& ended_by) override {
        if (options_.in_place) {
            output_.write("\x1b[H\x1b[2J" + heading_);
        }
        show(whole, false);
        output_.write("ended: " + printable(ended_by) + "\n");
    }

private:
    [[nodiscard]] std::vector<std::string> cells(const StatLine& line, const StatFrame& frame) const;
    [[nodiscard]] std::vector<std::string> lines(const StatFrame& frame, std::size_t top) const;
    void show(const StatFrame& frame, bool in_place);

    Output& output_;
    StatTextOptions options_;
    StatInfo info_;
    std::string heading_;
};

std::vector<std::string> StatText::cells(const StatLine& line, const StatFrame& frame) const {
    const auto& counters = line.counters;
    const auto span_ns = frame.end_ns - frame.start_ns;
    const auto quantile = [&](double q) { return duration_or_dash(counters.latency.quantile_ns(q, counters.max_ns)); };
    const bool timed = counters.latency.count() != 0;
    std::string in_flight = line.in_flight ? format_count(*line.in_flight) : "-";
    if (line.oldest_ns != 0 && line.oldest_ns < frame.end_ns) {
        in_flight += fmt::format(" ({})", format_duration(frame.end_ns - line.oldest_ns));
    }
    return {format_count(counters.ended()),
            per_second(counters.ended(), span_ns),
            bytes_per_second(counters.bytes, span_ns),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(0.999),
            timed ? format_duration(counters.max_ns) : "-",
            format_count(counters.failed),
            format_count(counters.cancelled),
            in_flight};
}

std::vector<std::string> StatText::lines(const StatFrame& frame, std::size_t top) const {
    constexpr std::size_t key_columns = 40;
    Table table({{"FAMILY", Align::left},
                 {std::string(name(frame.by) == "op"        ? "OP"
                              : name(frame.by) == "pid"     ? "PROCESS"
                              : name(frame.by) == "comm"    ? "COMM"
                              : name(frame.by) == "file"    ? "FILE"
                              : name(frame.by) == "context" ? "CONTEXT"
                                                            : "OUTCOME"),
                  Align::left},
                 {"ENDED", Align::right},
                 {"RATE", Align::right},
                 {"BYTES", Align::right},
                 {"P50", Align::right},
                 {"P90", Align::right},
                 {"P99", Align::right},
                 {"P99.9", Align::right},
                 {"MAX", Align::right},
                 {"FAILED", Align::right},
                 {"CANCELLED", Align::right},
                 {"IN FLIGHT", Align::right}});
    const auto add = [&](std::string_view family, std::string_view key, const StatLine& line) {
        std::vector<std::string> row{std::string(family), keep_tail(printable(key), key_columns)};
        for (auto& cell : cells(line, frame)) {
            row.push_back(std::move(cell));
        }
        table.add(std::move(row));
    };
    const std::size_t shown = std::min(frame.lines.size(), top);
    for (std::size_t i = 0; i < shown; i++) {
        add(name(frame.lines[i].key.family), frame.lines[i].key.name, frame.lines[i]);
    }
    if (shown < frame.lines.size()) {
        StatLine rest;
        for (std::size_t i = shown; i < frame.lines.size(); i++) {
            rest.counters.add(frame.lines[i].counters);
        }
        add("", fmt::format("({} more)", frame.lines.size() - shown), rest);
    }
    add("", "all", frame.all);
    const auto span_ns = frame.end_ns - frame.start_ns;
    std::vector<std::string> text;
    text.push_back(frame.whole_run
                       ? fmt::format("the whole run, {}:", format_duration(span_ns))
                       : fmt::format("{}, the last {}:", stat_time(info_, frame.end_ns), format_duration(span_ns)));
    for (auto& line : table.lines()) {
        text.push_back(std::move(line));
    }
    for (auto& note : stat_notes(frame)) {
        text.push_back(std::move(note));
    }
    return text;
}

void StatText::show(const StatFrame& frame, bool in_place) {
    if (!in_place) {
        for (const auto& line : lines(frame, options_.top)) {
            output_.write(line + "\n");
        }
        output_.write("\n");
        return;
    }
    // What is not keys: the time, titles, "more", "all" and the notes.
    constexpr std::size_t other_lines = 8;
    const std::size_t room = options_.rows > other_lines ? options_.rows - other_lines : 1;
    output_.write(stat_screen(lines(frame, std::min(options_.top, room)), options_.rows));
}

}  // namespace

std::unique_ptr<StatView> make_stat_text(Output& output, StatTextOptions options) {
    return std::make_unique<StatText>(output, options);
}

}  // namespace inflight::view
