// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/stat_run.hpp"

namespace inflight::cli {

namespace {

class Hist final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    StatRunOptions options_;
    view::HistOptions hist_;
};

CLI::App* Hist::declare(CLI::App& root) {
    CLI::App* app =
        root.add_subcommand("hist", "Draw the histogram of latencies, and with --interval a heat map over time");
    app->add_option("--interval", options_.interval_ns,
                    "Draw a heat map over time, with a column for each span of this length")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app->add_option("--linear", hist_.linear_step_ns, "Draw bars of this width instead of powers of two")
        ->transform(as_duration_ns())
        ->type_name("STEP");
    declare_stat_run(*app, options_);
    app->footer(examples_footer({
        {"inflight hist -- fio job.fio", "run fio and draw the latencies of its operations"},
        {"inflight hist --linear 10us --op read -p 1234 --duration 10s", "reads of a process, in steps of 10 µs"},
        {"inflight hist --interval 1s --family aio", "kernel AIO of the machine over time, until ^C"},
    }));
    return app;
}

int Hist::run() {
    return run_stat(options_, [this](Output& output, const view::StatTextOptions& text) {
        return options_.format == "json" ? view::make_hist_json(output) : view::make_hist_text(output, text, hist_);
    });
}

}  // namespace

std::unique_ptr<Command> make_hist() {
    return std::make_unique<Hist>();
}

}  // namespace inflight::cli
