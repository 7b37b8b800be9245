// SPDX-License-Identifier: Apache-2.0
#include "cli/tracing.hpp"

#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/printing.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace inflight::cli {

namespace {

int exit_status_of(int wait_status) {
    constexpr int signal_base = 128;
    return WIFSIGNALED(wait_status) ? signal_base + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void tell_of_file(const capture::Written& written) {
    if (written.error) {
        print_error(*written.error);
        return;
    }
    tell(fmt::format("inflight: {}: {} {} of the last {}, {} {}; because of: {}", written.path, written.requests,
                     noun(written.requests, "request"), format_duration(written.span_ns), written.bytes,
                     noun(written.bytes, "byte"), written.why));
}

}  // namespace

void declare_output(CLI::App& app, TracingOptions& options) {
    app.add_option("--output", options.output, "Write to this file instead of standard output")->type_name("FILE");
    app.add_option("--save", options.save, "Also write a capture file for `inflight report`")->type_name("FILE");
}

void declare_tracing(CLI::App& app, TracingOptions& options) {
    app.add_option("--duration", options.duration_ns, "End after this time")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app.add_option("--slow-submit", options.slow_submit_ns,
                   "Report an io_submit that takes longer than this (default 10ms)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app.add_option("--blocked", options.blocked_ns, "Show a call that has not returned after this time (default 100ms)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    declare_filters(app, options.filters);
    declare_hooks(app, options.hooks);
    app.add_option("command", options.command, "Run this command, trace it and its children, and exit with its status")
        ->type_name("COMMAND")
        ->option_text("-- COMMAND...");
}

Result<probe::Options> Tracing::probe_options(const ExtraRecords& extra) const {
    probe::Options probes;
    if (auto applied = apply_hooks(options_.hooks, probes); !applied) {
        return std::unexpected(applied.error());
    }
    if (auto applied = apply_filters(options_.filters, probes); !applied) {
        return std::unexpected(applied.error());
    }
    ifl_config& config = probes.config;
    if (child_) {
        config.by_pid = 1;
        config.follow_children = 1;
        probes.pids.push_back(static_cast<std::uint32_t>(child_->pid()));
    }
    config.by_maker = extra.submitter_only ? 0 : 1;
    config.calls_wanted = extra.calls;
    config.iocbs_wanted = extra.iocbs ? 1 : 0;
    config.iovecs_wanted = extra.memory ? 1 : 0;
    config.unmaps_wanted = extra.memory ? 1 : 0;
    config.census_cpus = extra.places ? 1 : 0;
    config.slow_submit_ns = options_.slow_submit_ns;
    return probes;
}

std::expected<std::unique_ptr<Tracing>, int> Tracing::begin(const TracingOptions& options, const ExtraRecords& extra) {
    if (!options.command.empty() && options.command.front().empty()) {
        print_error("the command's name is empty");
        return std::unexpected(exit_usage);
    }
    std::unique_ptr<Tracing> self(new Tracing(options, Signals::block(options.flight ? SIGUSR1 : 0)));
    if (!options.command.empty()) {
        auto prepared = Child::prepare(options.command);
        if (!prepared) {
            return stop(prepared.error(), exit_failed);
        }
        self->child_.emplace(std::move(*prepared));
    }
    const auto settings = self->probe_options(extra);
    if (!settings) {
        return stop(settings.error(), exit_usage);
    }
    if (auto attached = self->attach(*settings, extra); !attached) {
        return stop(attached.error(), exit_cannot_trace);
    }
    auto output = open_output(options.output);
    if (!output) {
        return stop(output.error(), exit_failed);
    }
    self->output_ = std::move(*output);
    const auto& report = self->source_->report();
    self->tracker_options_.events_wanted = extra.calls;
    self->tracker_options_.slow_submit_ns = options.slow_submit_ns;
    self->tracker_options_.blocked_ns = options.blocked_ns;
    self->tracker_options_.aio_max_nr = report.kernel.aio_max_nr;
    self->info_ = trace_info(report, options.command);
    if (!options.save.empty()) {
        if (auto opened = self->open_saver(); !opened) {
            return stop(opened.error(), exit_failed);
        }
    }
    return self;
}

// It may take a second, in which the command waits and nothing was written yet: a signal just ends inflight.
Result<void> Tracing::attach(const probe::Options& settings, const ExtraRecords& extra) {
    const Signals::LetThrough end_at_once;
    auto probes = probe::Probes::attach(settings);
    if (!probes) {
        return std::unexpected(probes.error());
    }
    tell_of_verifier_logs(probes->report().verifier_logs);
    auto source = capture::LiveSource::open(std::move(*probes),
                                            {.blocked_ns = options_.blocked_ns, .places_wanted = extra.places});
    if (!source) {
        return std::unexpected(source.error());
    }
    source_ = std::move(*source);
    return {};
}

Result<void> Tracing::open_saver() {
    const capture::CaptureInfo info{.trace = info_,
                                    .tracker = tracker_options_,
                                    .recording = fmt::format("{}-{:x}-{}", info_.host_name, info_.start_ns, ::getpid()),
                                    .part = 0};
    if (options_.flight) {
        auto flight = capture::FlightRecorder::create(options_.save, info, *options_.flight, tell_of_file);
        if (!flight) {
            return std::unexpected(flight.error());
        }
        flight_ = flight->get();
        saver_ = std::move(*flight);
    } else {
        auto file = capture::FileWriter::create(options_.save, info, options_.rotation);
        if (!file) {
            return std::unexpected(file.error());
        }
        saver_ = std::move(*file);
    }
    saver_->set_account([this] { return account(); });
    return {};
}

void Tracing::ask_for_file(const std::string& why) {
    if (flight_ != nullptr) {
        flight_->ask_for_file(why);
    }
}

capture::Account Tracing::account() const {
    return {.losses = source_->losses(),
            .aio_nr = probe::read_proc_number("/proc/sys/fs/aio-nr"),
            .aio_max_nr = probe::read_proc_number("/proc/sys/fs/aio-max-nr"),
            .end_ns = capture::monotonic_ns(),
            .ended_by = {}};
}

std::expected<TracingEnd, int> Tracing::run(model::Tracker& tracker) {
    capture::TrackerConsumer consumer(tracker);
    if (!saver_) {
        return run(consumer, {});
    }
    capture::Tee both(consumer, *saver_);
    return run(both, {});
}

std::expected<TracingEnd, int> Tracing::record() {
    return run(*saver_, {});
}

std::expected<TracingEnd, int> Tracing::run(capture::Consumer& consumer, std::function<bool()> done) {
    if (child_) {
        if (auto released = child_->release(); !released) {
            return stop(released.error(), child_->exec_errno() == ENOENT ? exit_not_found : exit_not_executable);
        }
    }
    Session session({.source = *source_,
                     .consumer = consumer,
                     .output = *output_,
                     .signals = signals_,
                     .child = child_ ? &*child_ : nullptr,
                     .duration_ns = options_.duration_ns,
                     .on_user_signal = [this] { ask_for_file("SIGUSR1"); },
                     .done = std::move(done)});
    auto ended = session.run();
    if (!ended) {
        return stop(ended.error(), exit_failed);
    }
    TracingEnd end{.session = std::move(*ended), .time_ns = capture::monotonic_ns()};
    if (saver_) {
        auto last = account();
        last.end_ns = end.time_ns;
        last.ended_by = end.session.reason;
        saver_->close(last);
    }
    return end;
}

model::Summary Tracing::summary(const model::Statistics& statistics, const model::Tracker& tracker,
                                const TracingEnd& end) const {
    auto summary = statistics.summary(info_.start_ns, end.time_ns);
    summary.losses = source_->losses();
    summary.losses.completions_unseen = tracker.completions_unseen();
    summary.losses.submissions_unseen = tracker.submissions_unseen();
    summary.losses.contexts_untracked += tracker.records_left_out();
    summary.aio_nr = probe::read_proc_number("/proc/sys/fs/aio-nr");
    summary.aio_max_nr = probe::read_proc_number("/proc/sys/fs/aio-max-nr");
    summary.ended_by = end.session.reason;
    return summary;
}

int Tracing::finish(const TracingEnd& end) {
    output_->flush();
    if (output_->error()) {
        print_error(*output_->error());
        return exit_failed;
    }
    if (saver_ && saver_->error()) {
        print_error(*saver_->error());
        return exit_failed;
    }
    return end.session.child_status ? exit_status_of(*end.session.child_status) : exit_ok;
}

}  // namespace inflight::cli
