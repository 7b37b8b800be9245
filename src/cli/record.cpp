// SPDX-License-Identifier: Apache-2.0
// Everything to files, as it comes from the kernel: what `report` shows later.
#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/thresholds.hpp"
#include "cli/tracing.hpp"
#include "contract/records.h"
#include "model/findings.hpp"

#include <fmt/format.h>

#include <functional>
#include <utility>

namespace inflight::cli {

namespace {

// Passes on that there was a finding, but not one after the other.
class Alarm final : public model::Sink {
public:
    Alarm(model::Severity least, std::uint64_t pause_ns, std::function<void(const model::Finding&)> raise)
        : least_(least), pause_ns_(pause_ns), raise_(std::move(raise)) {}

    void on_request(const model::Request& /*request*/) override {}
    void on_cancel(const model::Cancel& /*cancel*/) override {}
    void on_event(const model::Event& /*event*/) override {}
    void on_context(const model::Context& /*context*/) override {}
    void on_finding(const model::Finding& finding) override {
        if (finding.severity < least_) {
            return;
        }
        if (raised_ns_ == 0 || finding.time_ns >= raised_ns_ + pause_ns_) {
            raised_ns_ = finding.time_ns;
            raise_(finding);
        }
    }

private:
    model::Severity least_;
    std::uint64_t pause_ns_;
    std::uint64_t raised_ns_ = 0;
    std::function<void(const model::Finding&)> raise_;
};

class Record final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] Result<void> settle();
    [[nodiscard]] Result<std::uint32_t> events_kept() const;
    [[nodiscard]] std::expected<TracingEnd, int> watch_for_findings(Tracing& tracing) const;
    void declare_files(CLI::App& app);
    void tell(Tracing& tracing, const TracingEnd& end) const;

    TracingOptions tracing_;
    bool events_ = false;
    std::uint64_t flight_ns_ = 0;
    std::uint64_t flight_bytes_ = 0;
    std::size_t keep_ = 0;
    std::string on_finding_;
    model::FindingOptions findings_;
};

void Record::declare_files(CLI::App& app) {
    const auto* const group = "Files";
    app.add_option("--rotate-size", tracing_.rotation.bytes,
                   "Begin the next file (FILE.0001, ...) when the current one has this size")
        ->group(group)
        ->transform(as_size_bytes())
        ->type_name("SIZE");
    app.add_option("--rotate-time", tracing_.rotation.time_ns,
                   "Begin the next file when the current one spans this long")
        ->group(group)
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app.add_option("--flight", flight_ns_,
                   "Flight recorder: keep only this span; write it to FILE.0001, ... on SIGUSR1 and at the end")
        ->group(group)
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app.add_option("--flight-size", flight_bytes_,
                   "Flight recorder: keep only this size; with --flight the smaller limit holds")
        ->group(group)
        ->transform(as_size_bytes())
        ->type_name("SIZE");
    app.add_option("--on-finding", on_finding_,
                   "Flight recorder: write a file for a finding of this severity or worse: info, warn, critical")
        ->group(group)
        ->check(CLI::IsMember({"info", "warn", "critical"}).description(""))
        ->type_name("SEVERITY");
    app.add_option("--keep", keep_, "Keep only the newest N numbered files")
        ->group(group)
        ->check(positive())
        ->type_name("N");
}

CLI::App* Record::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("record", "Write everything to a capture file, for `report`");
    app->add_option("-o,--output", tracing_.save, "Write the capture to this file")->type_name("FILE")->required();
    app->add_flag("--events", events_, "Record the system calls as well");
    declare_files(*app);
    declare_thresholds(*app, findings_);
    declare_tracing(*app, tracing_);
    // Known, to be refused in words: see settle().
    for (const auto* of_reports : {"--family", "--op", "--outcome", "--min-latency"}) {
        app->get_option(of_reports)->group("");
    }
    app->footer(examples_footer({
        {"inflight record -o fio.capture -- fio job.fio", "all that fio does"},
        {"inflight record -o db.capture -p 1234 --duration 1m", "a minute of a running database"},
        {"inflight record -o all.capture --rotate-size 1gb --keep 10", "the whole machine until ^C, in about 10 GB"},
        {"inflight record -o db.capture -p 1234 --flight 30s --on-finding warn",
         "nothing on the disk until something is found; then the half minute before it"},
    }));
    return app;
}

Result<std::uint32_t> Record::events_kept() const {
    const auto& names = tracing_.filters.events;
    return events_ || !names.empty() ? event_mask(names) : Result<std::uint32_t>(0);
}

// What was given, as what it means. An error is one of usage.
Result<void> Record::settle() {
    const auto& filters = tracing_.filters;
    if (!filters.families.empty() || !filters.operations.empty() || !filters.outcomes.empty() ||
        filters.min_latency_ns != 0) {
        return failure("record with a filter of reports",
                       "--family, --op, --outcome and --min-latency choose among what is in a capture",
                       "give them to `inflight report`");
    }
    const bool flies = flight_ns_ != 0 || flight_bytes_ != 0;
    if (flies && tracing_.rotation.wanted()) {
        return failure("--flight with --rotate-size or --rotate-time",
                       "a flight recorder writes nothing until it is asked", "choose one of them");
    }
    if (!flies && !on_finding_.empty()) {
        return failure("--on-finding", "it is for a flight recorder", "add --flight 30s");
    }
    if (keep_ != 0 && !flies && !tracing_.rotation.wanted()) {
        return failure("--keep", "there is one file only", "add --rotate-size, --rotate-time or --flight");
    }
    tracing_.rotation.keep = keep_;
    if (flies) {
        tracing_.flight = capture::FlightOptions{.span_ns = flight_ns_, .bytes = flight_bytes_, .keep = keep_};
    }
    return {};
}

std::expected<TracingEnd, int> Record::watch_for_findings(Tracing& tracing) const {
    constexpr std::uint64_t least_pause_ns = 1'000'000'000;
    const auto severity = on_finding_ == "critical" ? model::Severity::critical
                          : on_finding_ == "warn"   ? model::Severity::warn
                                                    : model::Severity::info;
    // A file has all that stands in the one before, if that is younger than what is held.
    Alarm alarm(severity, std::max(flight_ns_, least_pause_ns), [&](const model::Finding& finding) {
        tracing.ask_for_file(fmt::format("finding {}: {}", finding.code, finding.message));
    });
    model::Findings findings(findings_, alarm);
    model::Tracker tracker(tracing.tracker_options(), findings);
    auto ended = tracing.run(tracker);
    if (ended) {
        findings.finish(ended->time_ns);
    }
    return ended;
}

void Record::tell(Tracing& tracing, const TracingEnd& end) const {
    const capture::Recorder& saved = *tracing.saved();
    const auto kept = saved.kept();
    std::string text = fmt::format("inflight: {} {}, {} {}", saved.requests(), noun(saved.requests(), "request"),
                                   saved.records(), noun(saved.records(), "record"));
    if (kept.everything) {
        const double per_request =
            saved.requests() == 0 ? 0 : static_cast<double>(kept.bytes) / static_cast<double>(saved.requests());
        text += fmt::format(" in {} bytes ({:.1f} bytes a request)", kept.bytes, per_request);
        if (kept.files > 1) {
            text += fmt::format(", {} files", kept.files);
        }
    } else {
        text += fmt::format(" went by, {} {} written", kept.files, noun(kept.files, "file"));
    }
    if (kept.files_removed != 0) {
        text += fmt::format(", of which the first {} {} removed", kept.files_removed,
                            kept.files_removed == 1 ? "was" : "were");
    }
    if (kept.names_missing != 0) {
        text += fmt::format(", up to {} {} not carried over to the last file", kept.names_missing,
                            noun(kept.names_missing, "name"));
    }
    tell_of_nothing_seen(processes_text(tracing_.filters), saved.requests());
    inflight::cli::tell(fmt::format("{}, lost {}; ended by: {}", text, tracing.losses().total(), end.session.reason));
}

int Record::run() {
    if (const auto settled = settle(); !settled) {
        print_error(settled.error());
        return exit_usage;
    }
    const auto kept = events_kept();
    if (!kept) {
        print_error(kept.error());
        return exit_usage;
    }
    const auto begun = Tracing::begin(tracing_, {.calls = *kept, .iocbs = *kept != 0, .memory = false});
    if (!begun) {
        return begun.error();
    }
    Tracing& tracing = **begun;
    const auto ended = on_finding_.empty() ? tracing.record() : watch_for_findings(tracing);
    if (!ended) {
        return ended.error();
    }
    if (!tracing.saved()->error()) {
        tell(tracing, *ended);
    }
    return tracing.finish(*ended);
}

}  // namespace

std::unique_ptr<Command> make_record() {
    return std::make_unique<Record>();
}

}  // namespace inflight::cli
