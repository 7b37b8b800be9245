// SPDX-License-Identifier: Apache-2.0
// Everything to a file, as it comes from the kernel: what `report` shows later.
#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/tracing.hpp"
#include "contract/records.h"

#include <fmt/format.h>

namespace inflight::cli {

namespace {

class Record final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] Result<std::uint32_t> events_kept() const;

    TracingOptions tracing_;
    bool events_ = false;
};

CLI::App* Record::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("record", "Write everything to a capture file, for `report`");
    app->add_option("-o,--output", tracing_.save, "The capture file")->type_name("FILE")->required();
    app->add_flag("--events", events_, "Keep the system calls too");
    declare_tracing(*app, tracing_);
    app->footer(examples_footer({
        {"inflight record -o fio.capture -- fio job.fio", "all that fio does"},
        {"inflight record -o db.capture -p 1234 --duration 1m", "a minute of a running database"},
        {"inflight record -o all.capture", "the whole machine until ^C"},
    }));
    return app;
}

Result<std::uint32_t> Record::events_kept() const {
    const auto& names = tracing_.filters.events;
    return events_ || !names.empty() ? event_mask(names) : Result<std::uint32_t>(0);
}

int Record::run() {
    const auto& filters = tracing_.filters;
    if (!filters.families.empty() || !filters.operations.empty() || !filters.outcomes.empty() ||
        filters.min_latency_ns != 0) {
        print_error(
            "--family, --op, --outcome and --min-latency choose among what is in a capture: give them to "
            "`inflight report`");
        return exit_usage;
    }
    const auto kept = events_kept();
    if (!kept) {
        print_error(kept.error().message());
        return exit_usage;
    }
    const auto begun = Tracing::begin(tracing_, {.calls = *kept, .iocbs = *kept != 0, .memory = false});
    if (!begun) {
        return begun.error();
    }
    Tracing& tracing = **begun;
    const auto ended = tracing.record();
    if (!ended) {
        return ended.error();
    }
    const capture::FileWriter& file = *tracing.saved();
    if (file.error()) {
        return tracing.finish(*ended);
    }
    const auto losses = tracing.losses();
    const double per_request =
        file.requests() == 0 ? 0 : static_cast<double>(file.bytes()) / static_cast<double>(file.requests());
    fmt::print(stderr,
               "inflight: {} requests, {} records in {} bytes ({:.1f} bytes a request), lost {}; ended by: {}\n",
               file.requests(), file.records(), file.bytes(), per_request, losses.total(), ended->session.reason);
    return tracing.finish(*ended);
}

}  // namespace

std::unique_ptr<Command> make_record() {
    return std::make_unique<Record>();
}

}  // namespace inflight::cli
