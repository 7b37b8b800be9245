// SPDX-License-Identifier: Apache-2.0
// A capture file for other programs to read.
#include "base/units.hpp"
#include "cli/captures.hpp"
#include "cli/command.hpp"
#include "cli/filters.hpp"
#include "cli/printing.hpp"
#include "cli/thresholds.hpp"
#include "model/findings.hpp"
#include "view/chrome.hpp"
#include "view/csv.hpp"
#include "view/perfetto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>
#include <vector>

namespace inflight::cli {

namespace {

struct Format {
    std::string_view name;
    std::unique_ptr<view::View> (*make)(Output& output);
    bool binary = false;     // not for a terminal
    bool lines = false;      // what is there of it can be used when the rest is missing
    bool all_calls = false;  // it shows system calls
};

constexpr std::array<Format, 5> formats{{
    {.name = "perfetto", .make = view::make_perfetto_view, .binary = true},
    {.name = "chrome", .make = view::make_chrome_view},
    {.name = "csv", .make = view::make_csv_view, .lines = true},
    {.name = "json", .make = view::make_json_view, .lines = true},
    {.name = "tracee", .make = view::make_tracee_view, .lines = true, .all_calls = true},
}};

std::vector<std::string> format_names() {
    std::vector<std::string> names;
    names.reserve(formats.size());
    for (const Format& format : formats) {
        names.emplace_back(format.name);
    }
    return names;
}

struct ExportOptions {
    std::vector<std::string> files;
    bool events = false;
    std::string format;
    std::string output;
    std::uint64_t max_memory_bytes = 0;
    model::FindingOptions findings;
};

class Export final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] const Format& format() const { return *std::ranges::find(formats, options_.format, &Format::name); }
    [[nodiscard]] Result<void> check_output() const;
    [[nodiscard]] Result<CaptureEnd> convert(Captures& captures, Output& output) const;
    static void tell(const CaptureEnd& end);

    ExportOptions options_;
};

CLI::App* Export::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("export", "Write a capture file in the format of another program");
    app->add_option("file", options_.files, "Read these capture files of `inflight record`; several are merged by time")
        ->required()
        ->type_name("FILE")
        ->option_text("FILE...");
    app->add_option("--to", options_.format,
                    "Write perfetto (for ui.perfetto.dev), chrome (its JSON), csv (a row per request), json or tracee")
        ->required()
        ->check(CLI::IsMember(format_names()).description(""))
        ->type_name("FORMAT");
    app->add_option("--output", options_.output, "Write to this file instead of standard output")->type_name("FILE");
    app->add_flag("--events", options_.events, "With json: write the system calls as well, if they were recorded");
    declare_max_memory(*app, options_.max_memory_bytes);
    declare_thresholds(*app, options_.findings);
    app->footer(examples_footer({
        {"inflight export run.ifl --to perfetto --output run.pftrace", "then open it in ui.perfetto.dev"},
        {"inflight export run.ifl --to csv > run.csv", "one row for each request"},
        {"inflight export run.ifl --to json | jq 'select(.type == \"cancel\")'",
         "what `trace -o json` would have shown"},
    }));
    return app;
}

// Before anything is opened for writing.
Result<void> Export::check_output() const {
    if (format().binary && terminal_at(options_.output)) {
        return failure(fmt::format("export to {}", format().name), "it is binary, and standard output is a terminal",
                       "name a file with --output, or redirect standard output");
    }
    return check_places(options_.output, options_.files);
}

Result<CaptureEnd> Export::convert(Captures& captures, Output& output) const {
    const auto view = format().make(output);
    CaptureQuestion question;
    question.findings = options_.findings;
    question.events_shown = format().all_calls || options_.events ? captures.events_recorded() : 0;
    view->begin(captures.info());
    auto end = captures.read(question, *view, true);
    if (!end) {
        return end;
    }
    if (!std::ranges::all_of(end->files, &view::CaptureFile::ended)) {
        end->summary.ended_by = "the capture has no end: it was cut off, or is being written";
    }
    view->end(end->summary);
    return end;
}

int Export::run() {
    if (const auto usable = check_output(); !usable) {
        print_error(usable.error());
        return exit_usage;
    }
    auto captures = Captures::open(options_.files, options_.max_memory_bytes);
    if (!captures) {
        print_error(captures.error());
        return exit_failed;
    }
    if (format().all_calls && captures->events_recorded() == 0) {
        print_error(failure(fmt::format("export to {}", format().name), "the capture has no system calls",
                            "record them with `inflight record --events`")
                        .error());
        return exit_failed;
    }
    ::signal(SIGPIPE, SIG_IGN);
    const auto output = open_output(options_.output);
    if (!output) {
        print_error(output.error());
        return exit_failed;
    }
    const auto end = convert(*captures, **output);
    (*output)->flush();
    if (!end || (*output)->error()) {
        if (!format().lines) {
            (*output)->remove_file();
        }
        print_error(end ? *(*output)->error() : end.error());
        return exit_failed;
    }
    tell(*end);
    return exit_ok;
}

// CSV has no place for what was lost, and no format one for what is damaged.
void Export::tell(const CaptureEnd& end) {
    inflight::cli::tell(fmt::format("inflight: {} {}, {} {}, lost {}", end.summary.requests,
                                    noun(end.summary.requests, "request"), end.summary.cancels,
                                    noun(end.summary.cancels, "cancel"), end.summary.losses.total()));
    for (const auto& file : end.files) {
        for (const auto& damage : file.damage) {
            inflight::cli::tell(fmt::format("inflight: {}: left out, damaged: {}", file.path, damage));
        }
        if (file.names_missing != 0) {
            inflight::cli::tell(
                fmt::format("inflight: {}: {}", file.path, view::missing_names_text(file.names_missing)));
        }
        if (!file.ended) {
            inflight::cli::tell(fmt::format("inflight: {} has no end: it was cut off, or is being written", file.path));
        }
    }
    if (const auto text = view::recordings_text(end.files); !text.empty()) {
        inflight::cli::tell("inflight: " + text);
    }
}

}  // namespace

std::unique_ptr<Command> make_export() {
    return std::make_unique<Export>();
}

}  // namespace inflight::cli
