// SPDX-License-Identifier: Apache-2.0
// What `trace` shows, from a capture file.
#include "capture/file_source.hpp"
#include "cli/command.hpp"
#include "cli/thresholds.hpp"
#include "cli/tracing.hpp"
#include "model/findings.hpp"
#include "model/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::cli {

namespace {

struct ReportOptions {
    std::string file;
    std::string format = "text";
    TracingOptions tracing;  // of them only where to write
    model::FindingOptions findings;
};

class Report final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] int say_damage(const capture::FileSource& file) const;

    ReportOptions options_;
};

CLI::App* Report::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("report", "Show a capture file as `trace` would have shown it");
    app->add_option("file", options_.file, "What `record`, or `trace --save`, has written")
        ->type_name("FILE")
        ->option_text("FILE")
        ->required();
    app->add_option("-o,--format", options_.format, "text, json (one object a line) or tracee (that tracer's events)")
        ->check(CLI::IsMember(std::vector<std::string>{"text", "json", "tracee"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app->add_option("--output", options_.tracing.output, "Write to this file instead of standard output")
        ->type_name("FILE");
    declare_thresholds(*app, options_.findings);
    app->footer(examples_footer({
        {"inflight report fio.capture", "each request, cancel and finding"},
        {"inflight report -o json db.capture", "for a program to read"},
    }));
    return app;
}

// A reader must know what is missing before it believes the rest.
int Report::say_damage(const capture::FileSource& file) const {
    constexpr std::size_t shown = 20;
    const auto& damage = file.damage();
    for (std::size_t i = 0; i < std::min(shown, damage.size()); i++) {
        print_error(fmt::format("{}: {} bytes at {} could not be read: {}", file.path(), damage[i].length_bytes,
                                damage[i].offset_bytes, damage[i].why));
    }
    if (damage.size() > shown) {
        print_error(fmt::format("{}: {} more places could not be read", file.path(), damage.size() - shown));
    }
    if (!file.ended()) {
        print_error(fmt::format("{}: the recording has no end: it goes on, or was killed", file.path()));
    }
    return damage.empty() && file.ended() ? exit_ok : exit_failed;
}

int Report::run() {
    const auto opened = capture::FileSource::open(options_.file);
    if (!opened) {
        print_error(opened.error().message());
        return exit_failed;
    }
    capture::FileSource& file = **opened;
    auto output = open_output(options_.tracing.output);
    if (!output) {
        print_error(output.error().message());
        return exit_failed;
    }
    const auto view = make_view(options_.format, options_.tracing, **output);
    model::Statistics statistics(*view);
    model::Findings findings(options_.findings, statistics);
    model::Tracker tracker(file.info().tracker, findings);
    capture::TrackerConsumer consumer(tracker);
    view->begin(file.info().trace);
    if (auto replayed = file.replay(consumer); !replayed) {
        print_error(replayed.error().message());
        return exit_failed;
    }
    const capture::Account& account = file.account();
    const std::uint64_t end_ns = file.ended() && account.end_ns != 0 ? account.end_ns : file.last_ns();
    findings.finish(end_ns);
    auto summary = statistics.summary(file.info().trace.start_ns, end_ns);
    summary.losses = account.losses;
    summary.losses.completions_unseen = tracker.completions_unseen();
    summary.losses.submissions_unseen = tracker.submissions_unseen();
    summary.aio_nr = account.aio_nr;
    summary.aio_max_nr = account.aio_max_nr;
    summary.ended_by = account.ended_by.empty() ? "the recording has no end" : account.ended_by;
    view->end(summary);
    (*output)->flush();
    if ((*output)->error()) {
        print_error((*output)->error()->message());
        return exit_failed;
    }
    return say_damage(file);
}

}  // namespace

std::unique_ptr<Command> make_report() {
    return std::make_unique<Report>();
}

}  // namespace inflight::cli
