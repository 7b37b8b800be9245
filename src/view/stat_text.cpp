// SPDX-License-Identifier: Apache-2.0
#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/stat_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

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
    return format_count(to_count_clamped(std::round(rate))) + "/s";
}

std::string bytes_per_second(std::uint64_t bytes, std::uint64_t span_ns) {
    const double rate = span_ns == 0 ? 0 : static_cast<double>(bytes) * 1e9 / static_cast<double>(span_ns);
    return format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
}

std::string_view title_of(model::StatBy by) {
    constexpr std::array titles =
        std::to_array<std::string_view>({"OP", "PROCESS", "COMM", "FILE", "CONTEXT", "OUTCOME"});
    return titles.at(static_cast<std::size_t>(by));
}

std::string quantile(const StatLine& line, double q) {
    return duration_or_dash(line.counters.latency.quantile_ns(q, line.counters.max_ns));
}

// How long the oldest request has been in flight.
std::string oldest(const StatLine& line, const StatFrame& frame) {
    const bool known = line.oldest_ns != 0 && line.oldest_ns < frame.end_ns;
    return known ? format_duration(frame.end_ns - line.oldest_ns) : "-";
}

// A column of numbers. On a terminal that is too narrow for all, those with the highest `drop` go first; 0 never goes.
struct Column {
    std::string_view title;
    unsigned drop;
    std::string (*cell)(const StatLine& line, const StatFrame& frame);
};
constexpr std::array columns{
    Column{"ENDED", 0, [](const StatLine& line, const StatFrame&) { return format_count(line.counters.ended()); }},
    Column{"RATE", 0,
           [](const StatLine& line, const StatFrame& frame) {
               return per_second(line.counters.ended(), frame.end_ns - frame.start_ns);
           }},
    Column{"BYTES", 2,
           [](const StatLine& line, const StatFrame& frame) {
               return bytes_per_second(line.counters.bytes, frame.end_ns - frame.start_ns);
           }},
    Column{"P50", 0, [](const StatLine& line, const StatFrame&) { return quantile(line, 0.5); }},
    Column{"P90", 5, [](const StatLine& line, const StatFrame&) { return quantile(line, 0.9); }},
    Column{"P99", 0, [](const StatLine& line, const StatFrame&) { return quantile(line, 0.99); }},
    Column{"P99.9", 4, [](const StatLine& line, const StatFrame&) { return quantile(line, 0.999); }},
    Column{"MAX", 1,
           [](const StatLine& line, const StatFrame&) {
               return line.counters.latency.count() != 0 ? format_duration(line.counters.max_ns) : std::string("-");
           }},
    Column{"FAILED", 0, [](const StatLine& line, const StatFrame&) { return format_count(line.counters.failed); }},
    Column{"CANCELLED", 3,
           [](const StatLine& line, const StatFrame&) { return format_count(line.counters.cancelled); }},
    Column{"IN FLIGHT", 0,
           [](const StatLine& line, const StatFrame&) {
               return line.in_flight ? format_count(*line.in_flight) : std::string("-");
           }},
    Column{"OLDEST", 2, oldest},
};
constexpr unsigned most_dropped = 5;

class StatText final : public StatView {
public:
    StatText(Output& output, StatTextOptions options) : output_(output), options_(options) {}

    void begin(const StatInfo& info) override {
        info_ = info;
        heading_ = stat_heading("stat", info, options_.columns);
        output_.write(options_.in_place ? "\x1b[2J" : heading_);
    }

    void interval(const StatFrame& frame) override {
        if (!options_.in_place) {
            show(frame);
            return;
        }
        const auto notes = stat_notes(frame, options_.columns);
        // The time, titles, "more", "all", and the line below the last.
        const std::size_t other_lines = notes.size() + 5;
        const std::size_t room = options_.rows > other_lines ? options_.rows - other_lines : 1;
        output_.write(stat_screen(lines(frame, std::min(options_.top, room)), notes, options_.rows));
    }

    void end(const StatFrame& whole, const std::string& ended_by) override {
        if (options_.in_place) {
            output_.write("\x1b[H\x1b[2J" + heading_);
        }
        show(whole);
        output_.write("ended: " + printable(ended_by) + "\n");
    }

private:
    [[nodiscard]] std::vector<std::string> table(const StatFrame& frame, std::size_t top, unsigned drop_above) const;
    [[nodiscard]] std::vector<std::string> lines(const StatFrame& frame, std::size_t top) const;
    void show(const StatFrame& frame);

    Output& output_;
    StatTextOptions options_;
    StatInfo info_;
    std::string heading_;
};

std::vector<std::string> StatText::table(const StatFrame& frame, std::size_t top, unsigned drop_above) const {
    constexpr std::size_t key_columns = 40;
    std::vector<Table::Column> titles{{"FAMILY", Align::left}, {std::string(title_of(frame.by)), Align::left}};
    for (const auto& column : columns) {
        if (column.drop <= drop_above) {
            titles.push_back({std::string(column.title), Align::right});
        }
    }
    Table table(std::move(titles));
    const auto add = [&](std::string_view family, std::string_view key, const StatLine& line) {
        std::vector<std::string> row{std::string(family), keep_tail(printable(key), key_columns)};
        for (const auto& column : columns) {
            if (column.drop <= drop_above) {
                row.push_back(column.cell(line, frame));
            }
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
    return table.lines();
}

std::vector<std::string> StatText::lines(const StatFrame& frame, std::size_t top) const {
    const auto span = format_duration(frame.end_ns - frame.start_ns);
    std::vector<std::string> text;
    text.push_back(frame.whole_run ? fmt::format("the whole run, {}:", span)
                                   : fmt::format("{}, the last {}:", stat_time(info_, frame.end_ns), span));
    auto rows = table(frame, top, most_dropped);
    if (options_.rows != 0) {
        for (unsigned drop = most_dropped; drop-- > 0 && display_width(rows.front()) > options_.columns;) {
            rows = table(frame, top, drop);
        }
        for (auto& row : rows) {
            row = keep_head(row, options_.columns);
        }
    }
    std::ranges::move(rows, std::back_inserter(text));
    return text;
}

void StatText::show(const StatFrame& frame) {
    for (const auto& line : lines(frame, options_.top)) {
        output_.write(line + "\n");
    }
    for (const auto& line : stat_notes(frame, options_.columns)) {
        output_.write(line + "\n");
    }
    output_.write("\n");
}

}  // namespace

std::unique_ptr<StatView> make_stat_text(Output& output, StatTextOptions options) {
    return std::make_unique<StatText>(output, options);
}

}  // namespace inflight::view
