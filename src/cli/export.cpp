// SPDX-License-Identifier: Apache-2.0
// A capture file for other programs to read.
#include "capture/file_source.hpp"
#include "cli/command.hpp"
#include "cli/thresholds.hpp"
#include "cli/tracing.hpp"
#include "model/findings.hpp"
#include "model/statistics.hpp"
#include "view/chrome.hpp"
#include "view/csv.hpp"
#include "view/perfetto.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>

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
    std::string file;
    bool events = false;
    std::string format;
    std::string output;
    model::FindingOptions findings;
};

bool same_file(const std::string& left, const std::string& right) {
    struct stat one{};
    struct stat other{};
    return ::stat(left.c_str(), &one) == 0 && ::stat(right.c_str(), &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

class Export final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] const Format& format() const { return *std::ranges::find(formats, options_.format, &Format::name); }
    [[nodiscard]] Result<void> check_output() const;
    [[nodiscard]] Result<model::Summary> convert(capture::FileSource& source, Output& output) const;
    void drop_unusable_output() const;
    void tell(const capture::FileSource& source, const model::Summary& summary) const;

    ExportOptions options_;
};

CLI::App* Export::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("export", "Write a capture file in the format of another program");
    app->add_option("file", options_.file, "What `inflight record` wrote")->required()->type_name("FILE");
    app->add_option("--to", options_.format,
                    "perfetto (for ui.perfetto.dev), chrome (its JSON), csv (a row for each request), json or tracee")
        ->required()
        ->check(CLI::IsMember(format_names()).description(""))
        ->type_name("FORMAT");
    app->add_option("--output", options_.output, "Write to this file instead of standard output")->type_name("FILE");
    app->add_flag("--events", options_.events, "With json: the system calls too, if they were recorded");
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
    if (options_.output.empty() && format().binary && ::isatty(STDOUT_FILENO) != 0) {
        return failure(fmt::format("export to {}", format().name), "it is binary, and standard output is a terminal",
                       "name a file with --output, or redirect standard output");
    }
    if (!options_.output.empty() && same_file(options_.file, options_.output)) {
        return failure("export to " + options_.output, "that is the capture file itself",
                       "choose another file with --output");
    }
    return {};
}

void Export::drop_unusable_output() const {
    struct stat info{};
    if (!format().lines && !options_.output.empty() && ::stat(options_.output.c_str(), &info) == 0 &&
        S_ISREG(info.st_mode)) {
        ::unlink(options_.output.c_str());
    }
}

Result<model::Summary> Export::convert(capture::FileSource& source, Output& output) const {
    const auto view = format().make(output);
    model::Statistics statistics(*view);
    model::Findings findings(options_.findings, statistics);
    model::TrackerOptions tracking = source.info().tracker;
    if (!format().all_calls && !options_.events) {
        tracking.events_wanted = 0;
    }
    model::Tracker tracker(tracking, findings);
    const model::TraceInfo& info = source.info().trace;
    view->begin(info);
    capture::TrackerConsumer consumer(tracker);
    if (const auto replayed = source.replay(consumer); !replayed) {
        return std::unexpected(replayed.error());
    }
    const capture::Account& account = source.account();
    const std::uint64_t end_ns = std::max({account.end_ns, source.last_ns(), info.start_ns});
    findings.finish(end_ns);
    model::Summary summary = statistics.summary(info.start_ns, end_ns);
    summary.losses = account.losses;
    summary.losses.completions_unseen = tracker.completions_unseen();
    summary.losses.submissions_unseen = tracker.submissions_unseen();
    summary.aio_nr = account.aio_nr;
    summary.aio_max_nr = account.aio_max_nr;
    summary.ended_by =
        source.ended() ? account.ended_by : "the capture has no end: it was cut off, or is being written";
    view->end(summary);
    return summary;
}

int Export::run() {
    if (const auto usable = check_output(); !usable) {
        print_error(usable.error().message());
        return exit_usage;
    }
    const auto source = capture::FileSource::open(options_.file);
    if (!source) {
        print_error(source.error().message());
        return exit_failed;
    }
    if (format().all_calls && (*source)->info().tracker.events_wanted == 0) {
        print_error(failure(fmt::format("export to {}", format().name), "the capture has no system calls",
                            "record them with `inflight record --events`")
                        .error()
                        .message());
        return exit_failed;
    }
    ::signal(SIGPIPE, SIG_IGN);
    const auto output = open_output(options_.output);
    if (!output) {
        print_error(output.error().message());
        return exit_failed;
    }
    const auto summary = convert(**source, **output);
    (*output)->flush();
    if (!summary || (*output)->error()) {
        drop_unusable_output();
        print_error(summary ? (*output)->error()->message() : summary.error().message());
        return exit_failed;
    }
    tell(**source, *summary);
    return exit_ok;
}

// CSV has no place for what was lost, and no format one for what is damaged.
void Export::tell(const capture::FileSource& source, const model::Summary& summary) const {
    std::uint64_t damaged_bytes = 0;
    for (const capture::Damage& damage : source.damage()) {
        damaged_bytes += damage.length_bytes;
    }
    std::string text = fmt::format("inflight: {} requests, {} cancels, lost {}", summary.requests, summary.cancels,
                                   summary.losses.total());
    if (!source.damage().empty()) {
        text += fmt::format("; {} bytes of the capture are damaged and left out (places: {})", damaged_bytes,
                            source.damage().size());
    }
    if (!source.ended()) {
        text += fmt::format("; {}", summary.ended_by);
    }
    fmt::print(stderr, "{}\n", text);
}

}  // namespace

std::unique_ptr<Command> make_export() {
    return std::make_unique<Export>();
}

}  // namespace inflight::cli
