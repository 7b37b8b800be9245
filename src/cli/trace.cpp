// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/printing.hpp"
#include "cli/thresholds.hpp"
#include "cli/tracing.hpp"
#include "model/conflicts.hpp"
#include "model/findings.hpp"
#include "model/statistics.hpp"

#include <array>

namespace inflight::cli {

namespace {

struct TraceOptions {
    TracingOptions tracing;
    model::FindingOptions findings;
    std::string format = "text";
    bool events = false;
    bool check = false;
};

constexpr std::array<std::string_view, 3> formats{"text", "json", "tracee"};

class Trace final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] Result<std::uint32_t> events_shown() const;

    TraceOptions options_;
};

CLI::App* Trace::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("trace", "Show requests, cancels and findings as they happen");
    app->add_option("-o,--format", options_.format,
                    "Write text, json (one object per line) or tracee (events of that tracer)")
        ->check(CLI::IsMember(std::vector<std::string>(formats.begin(), formats.end())).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app->add_flag("--events", options_.events, "Show the system calls as well");
    app->add_flag("--check", options_.check,
                  "Look for requests that corrupt each other as well, like `inflight check`");
    declare_thresholds(*app, options_.findings);
    declare_output(*app, options_.tracing);
    declare_tracing(*app, options_.tracing);
    app->footer(examples_footer({
        {"inflight trace -- fio job.fio", "run fio and show each of its requests"},
        {"inflight trace -p 1234 --min-latency 10ms", "slow requests of a running database"},
        {"inflight trace --outcome failed,cancelled -o json", "the whole machine until ^C, for a program to read"},
        {"inflight trace --event io_cancel --duration 1m", "every io_cancel of the next minute, with its verdict"},
        {"inflight trace -o tracee --output events.json -p 1234", "for a pipeline that reads Tracee's events"},
    }));
    return app;
}

Result<std::uint32_t> Trace::events_shown() const {
    const auto& names = options_.tracing.filters.events;
    const bool wanted = options_.events || options_.format == "tracee" || !names.empty();
    return wanted ? event_mask(names) : Result<std::uint32_t>(0);
}

int Trace::run() {
    const auto selection = selection_from(options_.tracing.filters);
    if (!selection) {
        print_error(selection.error());
        return exit_usage;
    }
    if (const auto places = check_places(options_.tracing.output, {options_.tracing.save}); !places) {
        print_error(places.error());
        return exit_usage;
    }
    const auto shown = events_shown();
    if (!shown) {
        print_error(shown.error());
        return exit_usage;
    }
    // tracee has the calls' own arguments only
    ExtraRecords extra{.calls = *shown, .iocbs = *shown != 0 && options_.format != "tracee", .memory = options_.check};
    if (options_.check) {
        extra.calls |= model::calls_for_conflicts;
    }
    const auto begun = Tracing::begin(options_.tracing, extra);
    if (!begun) {
        return begun.error();
    }
    Tracing& tracing = **begun;
    const auto view = make_view(options_.format, options_.tracing.output, tracing.output());
    model::Statistics statistics(*view);
    model::Selection select(*selection, statistics);
    model::Findings findings(options_.findings, select);
    model::ConflictOptions conflict_options;
    conflict_options.events_shown = *shown;
    model::Conflicts conflicts(conflict_options, findings);
    model::Sink& first = options_.check ? static_cast<model::Sink&>(conflicts) : findings;
    model::Tracker tracker(tracing.tracker_options(), first);
    view->begin(tracing.info());
    const auto ended = tracing.run(tracker);
    if (!ended) {
        return ended.error();
    }
    findings.finish(ended->time_ns);
    const auto summary = tracing.summary(statistics, tracker, *ended);
    view->end(summary);
    tell_of_nothing_seen(processes_text(options_.tracing.filters), summary.requests);
    return tracing.finish(*ended);
}

}  // namespace

std::unique_ptr<Command> make_trace() {
    return std::make_unique<Trace>();
}

}  // namespace inflight::cli
