// SPDX-License-Identifier: Apache-2.0
#include "view/groups.hpp"

#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/json_line.hpp"
#include "view/layout.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

namespace inflight::view {

namespace {

constexpr std::size_t max_key_columns = 48;
constexpr double second_ns = 1e9;

struct Quantile {
    std::string_view title;
    std::string_view key;
    double q;
};
constexpr std::array quantiles{Quantile{"P50", "p50_ns", 0.5}, Quantile{"P90", "p90_ns", 0.9},
                               Quantile{"P99", "p99_ns", 0.99}, Quantile{"P99.9", "p999_ns", 0.999},
                               Quantile{"MAX", "max_ns", 1.0}};

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](char byte) { return static_cast<char>(std::toupper(static_cast<unsigned char>(byte))); });
    return result;
}

double per_second(std::uint64_t count, std::uint64_t span_ns) {
    return span_ns == 0 ? 0 : static_cast<double>(count) * second_ns / static_cast<double>(span_ns);
}

std::string rate_text(double rate) {
    constexpr double few = 100;
    return rate < few ? fmt::format("{:.1f}/s", rate)
                      : fmt::format("{}/s", format_count(to_count_clamped(std::round(rate))));
}

template <typename Enum, std::size_t count>
std::string counts_text(const std::array<std::uint64_t, count>& counts) {
    std::string text;
    for (std::size_t index = 0; index < count; ++index) {
        if (counts.at(index) != 0) {
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", model::name(static_cast<Enum>(index)),
                                format_count(counts.at(index)));
        }
    }
    return text;
}

std::vector<Table::Column> columns_for(const GroupReport& report) {
    std::vector<Table::Column> columns;
    columns.reserve(report.fields.size() + quantiles.size() + 7);
    for (const auto field : report.fields) {
        columns.push_back({upper(model::name(field)), Align::left});
    }
    for (const std::string_view title : {"REQUESTS", "RATE", "BYTES", "BYTES/S"}) {
        columns.push_back({std::string(title), Align::right});
    }
    for (const auto& quantile : quantiles) {
        columns.push_back({std::string(quantile.title), Align::right});
    }
    for (const std::string_view title : {"IN FLIGHT", "FAILED"}) {
        columns.push_back({std::string(title), Align::right});
    }
    columns.push_back({"CANCELS", Align::left});
    return columns;
}

template <typename Enum, std::size_t count>
void write_counts(JsonLine& line, std::string_view key, const std::array<std::uint64_t, count>& counts) {
    line.key(key);
    line.begin_object();
    for (std::size_t index = 0; index < count; ++index) {
        line.number(model::name(static_cast<Enum>(index)), counts.at(index));
    }
    line.end_object();
}

}  // namespace

std::string groups_text(const GroupReport& report, const TextOptions& options) {
    Table table(columns_for(report));
    const std::string none(unknown);
    for (const auto& group : report.groups) {
        std::vector<std::string> cells;
        cells.reserve(group.key.size());
        for (const auto& part : group.key) {
            cells.push_back(part ? keep_tail(printable(*part), max_key_columns) : none);
        }
        const bool moved = group.bytes != 0;
        cells.push_back(format_count(group.requests));
        cells.push_back(rate_text(per_second(group.requests, report.span_ns)));
        cells.push_back(moved ? format_bytes(group.bytes) : none);
        cells.push_back(moved ? format_bytes(to_count_clamped(per_second(group.bytes, report.span_ns))) + "/s" : none);
        for (const auto& quantile : quantiles) {
            cells.push_back(group.latency.count() == 0 ? none : format_duration(group.latency.quantile_ns(quantile.q)));
        }
        cells.push_back(group.in_flight_max ? format_count(*group.in_flight_max) : none);
        cells.push_back(format_count(group.errors));
        cells.push_back(group.cancels == 0 ? none : counts_text<model::Verdict>(group.verdicts));
        table.add(std::move(cells));
    }
    std::string text;
    bool title = true;
    for (const auto& each : table.lines()) {
        text += (title ? paint(each, Tone::bold, {.options = options}) : each) + "\n";
        title = false;
    }
    if (report.groups_in_all > report.groups.size()) {
        text += fmt::format("and {}\n", counted(report.groups_in_all - report.groups.size(), "more group"));
    }
    return text +
           fmt::format("rates are per second of {}; IN FLIGHT is the most at once\n", format_duration(report.span_ns));
}

void write_groups(Output& output, const GroupReport& report) {
    JsonLine line(output);
    for (const auto& group : report.groups) {
        const bool measured = group.latency.count() != 0;
        line.begin();
        line.string("type", "group");
        line.key("by");
        line.begin_object();
        for (std::size_t index = 0; index < report.fields.size(); ++index) {
            const auto& part = group.key.at(index);
            line.string_if(model::name(report.fields.at(index)), part.has_value(), part.value_or(""));
        }
        line.end_object();
        line.number("span_ns", report.span_ns);
        line.number("requests", group.requests);
        line.key("requests_per_second");
        report.span_ns != 0 ? line.real(per_second(group.requests, report.span_ns)) : line.null();
        line.number("bytes", group.bytes);
        line.key("bytes_per_second");
        report.span_ns != 0 ? line.real(per_second(group.bytes, report.span_ns)) : line.null();
        line.number("latencies", group.latency.count());
        for (const auto& quantile : quantiles) {
            line.number_if(quantile.key, measured, group.latency.quantile_ns(quantile.q));
        }
        line.number_if("mean_ns", measured, measured ? group.latency_sum_ns / group.latency.count() : 0);
        line.number_if("in_flight_max", group.in_flight_max);
        line.number("errors", group.errors);
        write_counts<model::Outcome>(line, "outcomes", group.outcomes);
        line.number("cancels", group.cancels);
        write_counts<model::Verdict>(line, "verdicts", group.verdicts);
        line.end();
    }
}

}  // namespace inflight::view
