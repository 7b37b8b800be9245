// SPDX-License-Identifier: Apache-2.0
#include "view/diff.hpp"

#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/json_line.hpp"
#include "view/layout.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace inflight::view {

namespace {

constexpr double percent = 100;

std::string value_text(std::optional<double> value, model::FigureUnit unit) {
    if (!value) {
        return std::string(unknown);
    }
    const auto whole = to_count_clamped(std::round(*value));
    switch (unit) {
        case model::FigureUnit::per_second:
            return *value < percent ? fmt::format("{:.1f}/s", *value) : format_count(whole) + "/s";
        case model::FigureUnit::bytes_per_second:
            return format_bytes(whole) + "/s";
        case model::FigureUnit::nanoseconds:
            return format_duration(whole);
        case model::FigureUnit::share:
            return fmt::format("{:.2f} %", *value * percent);
        case model::FigureUnit::count:
            break;
    }
    return format_count(whole);
}

std::string change_text(const model::Difference& difference) {
    const auto change = difference.change();
    if (!change) {
        return std::string(unknown);
    }
    return fmt::format("{:+.1f} %", *change * percent);
}

std::string judged_text(const model::Difference& difference) {
    const auto& comparison = difference.comparison;
    const std::string slices = fmt::format("{}+{} slices", difference.slices_a, difference.slices_b);
    switch (comparison.judgement) {
        case model::NoiseVerdict::not_enough_data:
            return fmt::format("not enough data ({})", slices);
        case model::NoiseVerdict::within_noise:
            return fmt::format("within noise (p {:.2g}, {})", comparison.p, slices);
        case model::NoiseVerdict::lower:
            return fmt::format("LOWER (p {:.2g}, {})", comparison.p, slices);
        case model::NoiseVerdict::higher:
            return fmt::format("HIGHER (p {:.2g}, {})", comparison.p, slices);
    }
    return {};
}

bool differs(const model::Difference& difference) {
    return difference.comparison.judgement == model::NoiseVerdict::lower ||
           difference.comparison.judgement == model::NoiseVerdict::higher;
}

std::string subject_of(const model::Difference& difference) {
    if (difference.finding.empty()) {
        return fmt::format("{} {}", difference.family, difference.subject);
    }
    return difference.subject.empty() ? difference.finding
                                      : fmt::format("{} of {}", difference.finding, difference.subject);
}

std::string run_text(std::string_view letter, const DiffRun& run) {
    std::string text = fmt::format(
        "{}  {}{}: {}, {} in {}; ", letter, printable(run.file), run.host.empty() ? "" : " of " + printable(run.host),
        counted(run.requests, "request"), counted(run.cancels, "cancel"), format_duration(run.span_ns));
    text += run.slices == 0 ? std::string("no slices")
                            : fmt::format("{} of {}", counted(run.slices, "slice"), format_duration(run.slice_ns));
    text += fmt::format("; lost {}", format_count(run.lost));
    text += run.damaged ? "; the file is damaged: something is missing" : "";
    text += run.ended ? "" : "; the recording did not end properly";
    return text + "\n";
}

void write_run(JsonLine& line, std::string_view key, const DiffRun& run) {
    line.key(key);
    line.begin_object();
    line.string("file", run.file);
    line.string_if("host", run.host);
    line.number("requests", run.requests);
    line.number("cancels", run.cancels);
    line.number("span_ns", run.span_ns);
    line.number("slices", run.slices);
    line.number("slice_ns", run.slice_ns);
    line.number("lost", run.lost);
    line.boolean("damaged", run.damaged);
    line.boolean("ended", run.ended);
    line.end_object();
}

void write_value(JsonLine& line, std::string_view key, std::optional<double> value) {
    line.key(key);
    value ? line.real(*value) : line.null();
}

std::uint64_t count_different(const DiffReport& report) {
    return static_cast<std::uint64_t>(std::ranges::count_if(report.differences, differs));
}

}  // namespace

std::string diff_text(const DiffReport& report, const TextOptions& options) {
    const TextFrame frame{.options = options};
    std::string text = run_text("A", report.a) + run_text("B", report.b) + "\n";
    Table table({{"OPERATION", Align::left},
                 {"FIGURE", Align::left},
                 {"A", Align::right},
                 {"B", Align::right},
                 {"CHANGE", Align::right},
                 {"MORE THAN NOISE?", Align::left}});
    for (const auto& difference : report.differences) {
        table.add({printable(subject_of(difference)), difference.figure, value_text(difference.a, difference.unit),
                   value_text(difference.b, difference.unit), change_text(difference), judged_text(difference)});
    }
    const auto lines = table.lines();
    for (std::size_t row = 0; row < lines.size(); ++row) {
        const Tone tone = row == 0 ? Tone::bold : differs(report.differences[row - 1]) ? Tone::yellow : Tone::plain;
        text += paint(lines[row], tone, frame) + "\n";
    }
    const auto different = count_different(report);
    text += different == 0
                ? std::string("\nno difference beyond the noise of the runs\n")
                : fmt::format("\n{} of {} {} by more than the noise of the runs\n", different,
                              counted(report.differences.size(), "figure"), different == 1 ? "differs" : "differ");
    const std::string method = fmt::format(
        "A and B are figures of the whole runs. To tell noise, each run is cut into slices of equal time, and the "
        "figures of the slices are compared: it counts as a difference when p < {} (Mann and Whitney, two-sided) and "
        "in "
        "{:.0f} % of all pairs of slices, at least, B lies on the same side of A. It needs {} slices of each run with "
        "something in them. What varies from run to run but not within one cannot be seen in two runs: repeat them.",
        model::max_p, model::min_superiority * percent, model::min_slices);
    return text + wrap(method, options.columns, 0, 0) + "\n";
}

void write_diff(Output& output, const DiffReport& report) {
    JsonLine line(output);
    line.begin();
    line.string("type", "diff");
    write_run(line, "a", report.a);
    write_run(line, "b", report.b);
    line.string("test", "mann-whitney");
    line.key("max_p");
    line.real(model::max_p);
    line.key("min_superiority");
    line.real(model::min_superiority);
    line.number("min_slices", model::min_slices);
    line.number("figures", report.differences.size());
    line.number("different", count_different(report));
    line.end();
    for (const auto& difference : report.differences) {
        const bool judged = difference.comparison.judgement != model::NoiseVerdict::not_enough_data;
        line.begin();
        line.string("type", "difference");
        line.string_if("family", difference.family);
        line.string_if("op", difference.subject);
        line.string_if("finding", difference.finding);
        line.string("figure", difference.figure);
        line.string("unit", model::name(difference.unit));
        write_value(line, "a", difference.a);
        write_value(line, "b", difference.b);
        write_value(line, "change", difference.change());
        line.string("judgement", model::name(difference.comparison.judgement));
        write_value(line, "p", judged ? std::optional(difference.comparison.p) : std::nullopt);
        write_value(line, "superiority", judged ? std::optional(difference.comparison.superiority) : std::nullopt);
        line.number("slices_a", difference.slices_a);
        line.number("slices_b", difference.slices_b);
        line.end();
    }
}

}  // namespace inflight::view
