// SPDX-License-Identifier: Apache-2.0
// A gate for test suites: only what was found, and an exit status.
#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/printing.hpp"
#include "cli/thresholds.hpp"
#include "cli/tracing.hpp"
#include "model/conflicts.hpp"
#include "model/findings.hpp"
#include "model/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace inflight::cli {

namespace {

constexpr std::array severities{model::Severity::info, model::Severity::warn, model::Severity::critical};

struct CheckOptions {
    TracingOptions tracing;
    model::FindingOptions findings;
    std::string format = "text";
    std::string fail_on = "warn";
    bool require_requests = false;
};

// Lets findings through to a view, and counts them.
class FindingsOnly final : public model::Sink {
public:
    explicit FindingsOnly(model::Sink& view) : view_(view) {}

    void on_request(const model::Request&) override {}
    void on_cancel(const model::Cancel&) override {}
    void on_event(const model::Event&) override {}
    void on_context(const model::Context&) override {}
    void on_finding(const model::Finding& finding) override {
        counts_.at(static_cast<std::size_t>(finding.severity))++;
        view_.on_finding(finding);
    }

    [[nodiscard]] std::uint64_t count(model::Severity severity) const {
        return counts_.at(static_cast<std::size_t>(severity));
    }
    [[nodiscard]] std::uint64_t at_least(std::string_view severity) const {
        std::uint64_t sum = 0;
        bool counts = false;
        for (const auto each : severities) {
            counts = counts || name(each) == severity;
            sum += counts ? count(each) : 0;
        }
        return sum;
    }

private:
    model::Sink& view_;
    std::array<std::uint64_t, severities.size()> counts_{};
};

class Check final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    CheckOptions options_;
};

CLI::App* Check::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand(
        "check", "Run a command and look for what is wrong with its I/O; the exit status tells a test suite");
    app->add_option("-o,--format", options_.format, "Write text or json (one object per line)")
        ->check(CLI::IsMember(std::vector<std::string>{"text", "json"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app->add_option("--fail-on", options_.fail_on,
                    "Exit with status 1 for a finding of this severity or worse: info, warn or critical")
        ->check(CLI::IsMember(std::vector<std::string>{"info", "warn", "critical"}).description(""))
        ->type_name("SEVERITY")
        ->capture_default_str();
    app->add_flag("--require-requests", options_.require_requests,
                  "Exit with status 1 if no request was seen, because then nothing was checked");
    declare_thresholds(*app, options_.findings);
    declare_output(*app, options_.tracing);
    declare_tracing(*app, options_.tracing);
    app->footer(examples_footer({
        {"inflight check -- ./test-suite", "1 if it has a finding that is warn or worse, else the suite's own status"},
        {"inflight check --fail-on critical --output found.txt -- make check", "only corruption fails, into a file"},
        {"inflight check -p 1234 --duration 1m -o json", "a running program, for a program to read"},
    }));
    return app;
}

void append_note(std::string& notes, std::uint64_t count, std::string_view one, std::string_view many) {
    if (count != 0) {
        notes += fmt::format("not checked: {}\n", counted(count, one, many));
    }
}

// What a reader must know to believe that nothing else was there.
std::string notes_about(const model::ConflictLimits& limits, std::uint64_t repeats) {
    std::string notes;
    append_note(notes, limits.memory_unknown, "request whose memory is not known (vectors that could not be read)",
                "requests whose memory is not known (vectors that could not be read)");
    append_note(notes, limits.time_unknown, "request whose begin or end is not known well enough",
                "requests whose begin or end is not known well enough");
    append_note(notes, limits.forgotten, "request against all that were in flight with it: too many were",
                "requests against all that were in flight with them: too many were");
    append_note(notes, limits.crowded, "request against all that shared bytes with it: too many did",
                "requests against all that shared bytes with them: too many did");
    append_note(notes, limits.buffer_calls, "call that takes away registered buffers which are not known",
                "calls that take away registered buffers which are not known");
    if (repeats != 0) {
        notes += fmt::format("like those above: {} more\n", format_count(repeats));
    }
    return notes;
}

std::string last_line(const FindingsOnly& gate, const model::Summary& summary) {
    return fmt::format("{} ({} critical, {} warn, {} info), {}, lost {}{}\n", counted(gate.at_least("info"), "finding"),
                       format_count(gate.count(model::Severity::critical)),
                       format_count(gate.count(model::Severity::warn)), format_count(gate.count(model::Severity::info)),
                       counted(summary.requests, "request"), format_count(summary.losses.total()),
                       summary.losses.total() == 0 ? "" : ": there may be more that was not seen");
}

int Check::run() {
    const auto selection = selection_from(options_.tracing.filters);
    if (!selection) {
        print_error(selection.error());
        return exit_usage;
    }
    if (const auto places = check_places(options_.tracing.output, {options_.tracing.save}); !places) {
        print_error(places.error());
        return exit_usage;
    }
    const auto begun =
        Tracing::begin(options_.tracing, {.calls = model::calls_for_conflicts, .iocbs = false, .memory = true});
    if (!begun) {
        return begun.error();
    }
    Tracing& tracing = **begun;
    const auto view = make_view(options_.format, options_.tracing.output, tracing.output());
    FindingsOnly gate(*view);
    model::Statistics statistics(gate);
    model::Findings findings(options_.findings, statistics);
    model::Conflicts conflicts({}, findings);
    // What was not selected is not looked at.
    model::Selection select(*selection, conflicts);
    auto tracker_options = tracing.tracker_options();
    // So long that what is late to be reaped is seen to be reaped.
    tracker_options.reap_wait_ns = std::max(tracker_options.reap_wait_ns, 2 * options_.findings.unreaped_ns);
    model::Tracker tracker(tracker_options, select);
    view->begin(tracing.info());
    const auto ended = tracing.run(tracker);
    if (!ended) {
        return ended.error();
    }
    findings.finish(ended->time_ns);
    const auto summary = tracing.summary(statistics, tracker, *ended);
    const auto limits = conflicts.limits();
    const bool nothing = summary.requests == 0;
    const std::string notes =
        notes_about(limits, limits.repeats + findings.repeats()) +
        (nothing ? "nothing was checked: no request of kernel AIO or io_uring was seen of what was to be traced\n"
                 : "");
    if (options_.format == "json") {
        view->end(summary);
        tell_lines(notes);
    } else {
        tracing.output().write(notes + last_line(gate, summary));
    }
    const int status = tracing.finish(*ended);
    if (tracing.output().error()) {
        return status;
    }
    const bool unsure = summary.losses.total() != 0;
    if (unsure) {
        print_error("something was not seen, so that there may be more to find: this counts as a failure");
    }
    if (nothing && options_.require_requests) {
        print_error("no request was seen, and --require-requests wants one: this counts as a failure");
        return exit_failed;
    }
    return unsure || gate.at_least(options_.fail_on) != 0 ? int{exit_failed} : status;
}

}  // namespace

std::unique_ptr<Command> make_check() {
    return std::make_unique<Check>();
}

}  // namespace inflight::cli
