// SPDX-License-Identifier: Apache-2.0
// What every command that traces does alike: its options, the command that it runs, the hooks, the run and its end.
#pragma once

#include "capture/file_writer.hpp"
#include "capture/flight_recorder.hpp"
#include "capture/live_source.hpp"
#include "cli/child.hpp"
#include "cli/filters.hpp"
#include "cli/session.hpp"
#include "model/statistics.hpp"
#include "view/view.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace inflight::cli {

struct TracingOptions {
    FilterOptions filters;
    HookOptions hooks;
    std::string output;
    std::string save;  // a capture file of all that comes, empty: none
    capture::Rotation rotation;
    std::optional<capture::FlightOptions> flight;  // only the last of it is kept
    std::uint64_t duration_ns = 0;
    std::uint64_t slow_submit_ns = 10'000'000;
    std::uint64_t blocked_ns = 100'000'000;
    std::vector<std::string> command;
};

void declare_tracing(CLI::App& app, TracingOptions& options);
// Of the commands that print something: where to, and a capture file beside.
void declare_output(CLI::App& app, TracingOptions& options);

// Optional records that a command asks the kernel side for, in addition to requests, cancels and contexts.
struct ExtraRecords {
    std::uint32_t calls = 0;  // bit per ifl_syscall
    bool iocbs = false;
    bool memory = false;          // what requests work on, and what is unmapped meanwhile
    bool places = false;          // where requests in flight are, in each snapshot
    bool submitter_only = false;  // what others submit to the rings of a chosen process is left out
};

struct TracingEnd {
    SessionEnd session;
    std::uint64_t time_ns = 0;
};

// One run. Where it cannot go on it has said why, and the error is the exit status.
class Tracing {
public:
    // The hooks are in place when it returns; the command waits.
    [[nodiscard]] static std::expected<std::unique_ptr<Tracing>, int> begin(const TracingOptions& options,
                                                                            const ExtraRecords& extra);

    [[nodiscard]] const view::TraceInfo& info() const { return info_; }
    [[nodiscard]] FdOutput& output() { return *output_; }
    [[nodiscard]] model::TrackerOptions tracker_options() const { return tracker_options_; }

    // Lets the command go. Everything has come to `tracker`, and to the capture file, when it returns, and the hooks
    // are gone.
    [[nodiscard]] std::expected<TracingEnd, int> run(model::Tracker& tracker);
    // The same for a consumer of one's own, until `done`.
    [[nodiscard]] std::expected<TracingEnd, int> run(capture::Consumer& consumer, std::function<bool()> done);
    // The same for the capture file alone, which must have been asked for.
    [[nodiscard]] std::expected<TracingEnd, int> record();

    // What was counted, with what only the source and the system know.
    [[nodiscard]] model::Summary summary(const model::Statistics& statistics, const model::Tracker& tracker,
                                         const TracingEnd& end) const;
    // After the last byte: the exit status, which is the command's if there is one.
    [[nodiscard]] int finish(const TracingEnd& end);
    // Null: none was asked for.
    [[nodiscard]] capture::Recorder* saved() { return saver_.get(); }
    // Where only the last of it is kept: writes a file soon.
    void ask_for_file(const std::string& why);
    // See LiveSource.
    // LiveSource::read_on().
    void read_on() { source_->read_on(); }
    [[nodiscard]] bool is_in_flight(const model::Request& request) const { return source_->is_in_flight(request); }
    [[nodiscard]] std::uint64_t file_of(const model::Request& request) const { return source_->file_of(request); }
    [[nodiscard]] std::unordered_map<std::uint64_t, std::uint64_t> ring_addresses() const {
        return source_->ring_addresses();
    }
    [[nodiscard]] probe::Held held() const { return source_->held(); }
    [[nodiscard]] model::Losses losses() const { return source_->losses(); }

private:
    Tracing(const TracingOptions& options, Signals signals) : options_(options), signals_(std::move(signals)) {}
    [[nodiscard]] Result<probe::Options> probe_options(const ExtraRecords& extra) const;
    [[nodiscard]] capture::Account account() const;
    [[nodiscard]] Result<void> attach(const probe::Options& settings, const ExtraRecords& extra);
    [[nodiscard]] Result<void> open_saver();

    TracingOptions options_;
    Signals signals_;
    std::optional<Child> child_;
    std::unique_ptr<capture::LiveSource> source_;
    std::unique_ptr<FdOutput> output_;
    std::unique_ptr<capture::Recorder> saver_;
    capture::FlightRecorder* flight_ = nullptr;  // the saver, if it is one
    view::TraceInfo info_;
    model::TrackerOptions tracker_options_;
};

}  // namespace inflight::cli
