// SPDX-License-Identifier: Apache-2.0
// What the commands that look at requests in flight do alike: their options, and a trace in which they look.
#pragma once

#include "capture/consumer.hpp"
#include "cli/tracing.hpp"
#include "model/census.hpp"
#include "model/in_flight.hpp"
#include "model/open_files.hpp"
#include "model/selection.hpp"
#include "model/sink.hpp"
#include "model/tracker.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace inflight::cli {

// Which processes and requests; the filters that only a finished request can pass are left out.
void declare_looking(CLI::App& app, TracingOptions& options);

// Asked of a tracker in the middle of a trace. Not thread-safe.
class Looking final : public capture::Consumer {
public:
    // Called when a look has come, with its time.
    using OnLook = std::function<void(std::uint64_t now_ns)>;

    // The hooks are in place when it returns, and what io_uring's lists hold is known. Where it cannot go on it has
    // said why, and the error is the exit status. `sink` gets what ends meanwhile, and must outlive it.
    [[nodiscard]] static std::expected<std::unique_ptr<Looking>, int> begin(const TracingOptions& options,
                                                                            model::Sink& sink, ExtraRecords extra = {});

    // Runs until `done`, which is called every few milliseconds, or until a signal.
    [[nodiscard]] std::expected<TracingEnd, int> run(OnLook on_look, std::function<bool()> done);

    // The next look is wanted.
    void ask() { asked_ = true; }

    // In a look: what it showed of what the options select.
    [[nodiscard]] std::vector<model::InFlight> in_flight(std::uint64_t now_ns) const;
    [[nodiscard]] std::vector<model::Context> contexts() const;
    // ... and of all that the kernel side let through.
    [[nodiscard]] std::vector<model::InFlight> everything_in_flight(std::uint64_t now_ns) const;
    // In a look: completions that nobody has taken, of what the options select.
    [[nodiscard]] std::vector<model::InFlight> unreaped() const;
    [[nodiscard]] const model::Census& census() const { return census_; }
    // ... and what the kernel counts beyond everything_in_flight().
    [[nodiscard]] std::vector<model::Unlisted> unlisted(std::uint64_t now_ns) const;
    // In a look: the struct io_ring_ctx of a ring, 0: it is none, or gone.
    [[nodiscard]] std::uint64_t ring_address(std::uint64_t context_id) const;
    // In a look: who has the files of requests, and rings, open; every process, whatever the options select.
    [[nodiscard]] const model::OpenFiles& open_files() const { return open_files_; }
    // In a look: threads that wait for requests in flight before they can go on.
    [[nodiscard]] std::vector<model::Closing> closing() const;
    // What cannot be known of what there is, each a sentence.
    [[nodiscard]] std::vector<std::string> notes() const;

    [[nodiscard]] Tracing& tracing() { return *tracing_; }

    void on_record(const ifl_header& record) override;
    void note_losses() override { tracker_.note_losses(); }
    void advance(std::uint64_t now_ns) override { tracker_.advance(now_ns); }
    void finish(std::uint64_t end_ns) override { tracker_.finish(end_ns); }
    [[nodiscard]] bool wants_snapshot() const override { return asked_ || tracker_.wants_snapshot(); }

private:
    Looking(std::unique_ptr<Tracing> tracing, model::SelectionOptions selection, model::Sink& sink);

    void look_for_files();
    [[nodiscard]] model::FileNow file_now(const model::Request& request) const;

    std::unique_ptr<Tracing> tracing_;
    model::Selection selection_;
    model::Tracker tracker_;
    model::Census census_;
    model::OpenFiles open_files_;
    std::unordered_map<std::uint64_t, std::uint64_t> files_;  // struct file by the address of the request
    std::unordered_map<std::uint64_t, std::uint64_t> rings_;  // struct io_ring_ctx by inflight's number
    bool files_known_ = false;
    OnLook on_look_;
    bool asked_ = false;
};

// When a command looks at the requests in flight.
struct LookSchedule {
    std::uint64_t first_ns = 0;     // from the start of the trace to the first look
    std::uint64_t interval_ns = 0;  // between two looks; 0: there is only one
};

// Looks as the schedule says. With only one look it then waits until `done`. The hooks are detached when it returns.
[[nodiscard]] std::expected<TracingEnd, int> look(
    Looking& looking, const LookSchedule& schedule, const Looking::OnLook& on_look,
    const std::function<bool()>& done = [] { return true; });

}  // namespace inflight::cli
