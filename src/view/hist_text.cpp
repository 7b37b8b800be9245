// SPDX-License-Identifier: Apache-2.0
// The latency histogram as bars, and over time as a heat map.
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/stat_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <deque>
#include <map>

namespace inflight::view {

namespace {

using model::StatFrame;
using model::StatHistogram;
using model::StatLine;

struct Range {
    std::uint64_t from_ns = 0;
    std::uint64_t to_ns = 0;  // exclusive
    std::uint64_t count = 0;
};

// A longer histogram would not be read; what lies beyond is added to the last range.
constexpr std::size_t most_ranges = 64;
constexpr std::array<std::string_view, 8> eighths{"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
constexpr std::array<std::string_view, 5> shades{" ", "░", "▒", "▓", "█"};
constexpr std::array<std::string_view, 5> plain_shades{" ", ".", ":", "*", "#"};
// Of the 256 colours of a terminal: from dark blue over violet to yellow.
constexpr std::array heat_colors{17, 54, 91, 162, 202, 214, 226};

std::size_t power_of(std::uint64_t latency_ns) {
    return latency_ns == 0 ? 0 : static_cast<std::size_t>(std::bit_width(latency_ns)) - 1;
}

// By power of two: [1, 2), [2, 4), ...; what is below 2 ns is in the first.
std::map<std::size_t, std::uint64_t> powers_of(const StatHistogram& histogram) {
    std::map<std::size_t, std::uint64_t> powers;
    const auto buckets = histogram.buckets();
    for (std::size_t bucket = 0; bucket < buckets.size(); bucket++) {
        if (buckets[bucket] != 0) {
            powers[power_of(StatHistogram::lower_ns(bucket))] += buckets[bucket];
        }
    }
    return powers;
}

std::vector<Range> log2_ranges(const StatHistogram& histogram) {
    const auto powers = powers_of(histogram);
    std::vector<Range> ranges;
    if (powers.empty()) {
        return ranges;
    }
    for (std::size_t power = powers.begin()->first; power <= powers.rbegin()->first; power++) {
        const auto found = powers.find(power);
        ranges.push_back({.from_ns = std::uint64_t{1} << power,
                          .to_ns = std::uint64_t{1} << (power + 1),
                          .count = found == powers.end() ? 0 : found->second});
    }
    return ranges;
}

std::vector<Range> linear_ranges(const StatHistogram& histogram, std::uint64_t step_ns) {
    std::map<std::uint64_t, std::uint64_t> steps;
    const auto buckets = histogram.buckets();
    for (std::size_t bucket = 0; bucket < buckets.size(); bucket++) {
        if (buckets[bucket] != 0) {
            steps[StatHistogram::lower_ns(bucket) / step_ns] += buckets[bucket];
        }
    }
    std::vector<Range> ranges;
    if (steps.empty()) {
        return ranges;
    }
    const auto first = steps.begin()->first;
    const auto last = std::min<std::uint64_t>(steps.rbegin()->first, first + most_ranges - 1);
    for (auto step = first; step <= last; step++) {
        ranges.push_back({.from_ns = step * step_ns, .to_ns = (step + 1) * step_ns, .count = 0});
    }
    for (const auto& [step, count] : steps) {
        ranges.at(std::min(step, last) - first).count += count;
    }
    ranges.back().to_ns = (steps.rbegin()->first + 1) * step_ns;
    return ranges;
}

std::string bar(std::uint64_t count, std::uint64_t most, std::size_t columns, bool utf8) {
    const double share = static_cast<double>(count) / static_cast<double>(most);
    std::string text;
    if (!utf8) {
        const auto length = static_cast<std::size_t>(std::ceil(share * static_cast<double>(columns)));
        return std::string(length, '#');
    }
    const auto parts = static_cast<std::size_t>(std::ceil(share * static_cast<double>(columns * eighths.size())));
    for (std::size_t i = 0; i < parts / eighths.size(); i++) {
        text += eighths.back();
    }
    if (parts % eighths.size() != 0) {
        text += eighths.at(parts % eighths.size() - 1);
    }
    return text;
}

// One column of the heat map of a key.
using Column = std::map<std::size_t, std::uint64_t>;

struct HeatMap {
    model::StatKey key;
    std::deque<Column> columns;
    std::uint64_t requests = 0;
};

// Neighbours become one, so that there are at most `columns`.
std::vector<Column> fitted(const std::deque<Column>& all, std::size_t columns) {
    const std::size_t together = std::max<std::size_t>(1, (all.size() + columns - 1) / columns);
    std::vector<Column> fitting;
    for (std::size_t i = 0; i < all.size(); i++) {
        if (i % together == 0) {
            fitting.emplace_back();
        }
        for (const auto& [power, count] : all.at(i)) {
            fitting.back()[power] += count;
        }
    }
    return fitting;
}

class HistText final : public StatView {
public:
    HistText(Output& output, StatTextOptions options, HistOptions hist)
        : output_(output), options_(options), hist_(hist) {}

    void begin(const StatInfo& info) override {
        info_ = info;
        heading_ = stat_heading("hist", info, options_.columns);
        output_.write(options_.in_place ? "\x1b[2J" : heading_);
    }

    void interval(const StatFrame& frame) override {
        remember(frame);
        if (options_.in_place) {
            output_.write(stat_screen(maps(frame), stat_notes(frame, options_.columns), options_.rows));
        }
    }

    void end(const StatFrame& whole, const std::string& ended_by) override {
        if (options_.in_place) {
            output_.write("\x1b[H\x1b[2J" + heading_);
        }
        std::vector<std::string> text = bars(whole);
        if (!maps_.empty()) {
            std::ranges::move(maps(whole), std::back_inserter(text));
        }
        std::ranges::move(stat_notes(whole, options_.columns), std::back_inserter(text));
        for (const auto& line : text) {
            output_.write(line + "\n");
        }
        output_.write("ended: " + printable(ended_by) + "\n");
    }

private:
    void remember(const StatFrame& frame);
    [[nodiscard]] std::vector<std::string> bars(const StatFrame& frame) const;
    [[nodiscard]] std::vector<std::string> maps(const StatFrame& frame) const;
    [[nodiscard]] std::string cell(std::uint64_t count, std::uint64_t most) const;
    [[nodiscard]] std::string title(const model::StatKey& key) const {
        return fmt::format("{} {}", name(key.family), printable(key.name));
    }

    Output& output_;
    StatTextOptions options_;
    HistOptions hist_;
    StatInfo info_;
    std::string heading_;
    std::map<std::string, HeatMap> maps_;  // by family and name
    std::size_t intervals_ = 0;
};

void HistText::remember(const StatFrame& frame) {
    for (const auto& line : frame.lines) {
        if (line.counters.latency.count() == 0) {
            continue;
        }
        auto& heat = maps_[title(line.key)];
        heat.key = line.key;
        heat.columns.resize(intervals_);
        heat.columns.push_back(powers_of(line.counters.latency));
        heat.requests += line.counters.latency.count();
    }
    intervals_++;
    for (auto& [key, heat] : maps_) {
        heat.columns.resize(intervals_);
    }
}

std::vector<std::string> HistText::bars(const StatFrame& frame) const {
    std::vector<std::string> text;
    const std::size_t shown = std::min(frame.lines.size(), options_.top);
    for (std::size_t i = 0; i < shown; i++) {
        const auto& line = frame.lines[i];
        const auto& latency = line.counters.latency;
        const auto ranges =
            hist_.linear_step_ns == 0 ? log2_ranges(latency) : linear_ranges(latency, hist_.linear_step_ns);
        text.push_back(fmt::format("{}: {}, max {}", title(line.key), counted(line.counters.ended(), "request"),
                                   latency.count() == 0 ? "-" : format_duration(line.counters.max_ns)));
        Table table({{"FROM", Align::right}, {"TO", Align::right}, {"REQUESTS", Align::right}, {"", Align::left}});
        const auto most = ranges.empty() ? 1 : std::ranges::max(ranges, {}, &Range::count).count;
        constexpr std::size_t other_columns = 40;
        for (const auto& range : ranges) {
            table.add({format_duration(range.from_ns), format_duration(range.to_ns), format_count(range.count),
                       bar(range.count, most, options_.columns - std::min(options_.columns - 10, other_columns),
                           options_.utf8)});
        }
        for (auto& row : table.lines()) {
            text.push_back("  " + row);
        }
        text.emplace_back();
    }
    if (shown < frame.lines.size()) {
        text.push_back(counted(frame.lines.size() - shown, "more key") + " (--top)");
    }
    if (frame.lines.empty()) {
        text.emplace_back("no request ended");
    }
    return text;
}

std::string HistText::cell(std::uint64_t count, std::uint64_t most) const {
    if (count == 0) {
        return " ";
    }
    // By the logarithm: one slow request beside a million must be seen.
    const double share = std::log1p(static_cast<double>(count)) / std::log1p(static_cast<double>(most));
    const auto step = [share](std::size_t steps) {
        return std::min(steps - 1, static_cast<std::size_t>(share * static_cast<double>(steps)));
    };
    if (options_.color) {
        return fmt::format("\x1b[48;5;{}m \x1b[0m", heat_colors.at(step(heat_colors.size())));
    }
    const auto& levels = options_.utf8 ? shades : plain_shades;
    return std::string(levels.at(1 + step(levels.size() - 1)));
}

std::vector<std::string> HistText::maps(const StatFrame& frame) const {
    constexpr std::size_t label_columns = 12;
    std::vector<const HeatMap*> order;
    order.reserve(maps_.size());
    for (const auto& [key, heat] : maps_) {
        order.push_back(&heat);
    }
    std::ranges::stable_sort(order, std::ranges::greater{}, &HeatMap::requests);
    std::vector<std::string> text;
    const std::size_t room = options_.columns - std::min(options_.columns - 10, label_columns);
    for (const auto* heat : order) {
        if (text.size() >= options_.top * most_ranges) {
            break;
        }
        const auto columns = fitted(heat->columns, room);
        std::uint64_t most = 1;
        std::size_t lowest = most_ranges;
        std::size_t highest = 0;
        for (const auto& column : columns) {
            for (const auto& [power, count] : column) {
                most = std::max(most, count);
                lowest = std::min(lowest, power);
                highest = std::max(highest, power);
            }
        }
        text.push_back(fmt::format("{} over time, to {}: {}, at most {} in a cell", title(heat->key),
                                   stat_time(info_, frame.end_ns), counted(heat->requests, "request"),
                                   format_count(most)));
        for (std::size_t power = highest + 1; power-- > lowest;) {
            std::string row = pad(format_duration(std::uint64_t{1} << power), label_columns - 2, Align::right) + "  ";
            for (const auto& column : columns) {
                const auto found = column.find(power);
                row += cell(found == column.end() ? 0 : found->second, most);
            }
            row.erase(row.find_last_not_of(' ') + 1);
            text.push_back(std::move(row));
        }
        const auto each = heat->columns.size() <= room ? 1 : (heat->columns.size() + room - 1) / room;
        text.push_back(std::string(label_columns, ' ') + fmt::format("each column {}, each row up to twice its latency",
                                                                     format_duration(info_.interval_ns * each)));
        text.emplace_back();
    }
    return text;
}

}  // namespace

std::unique_ptr<StatView> make_hist_text(Output& output, StatTextOptions options, HistOptions hist) {
    return std::make_unique<HistText>(output, options, hist);
}

}  // namespace inflight::view
