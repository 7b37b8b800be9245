// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/stat_run.hpp"

namespace inflight::cli {

namespace {

class Stat final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    StatRunOptions options_;
};

CLI::App* Stat::declare(CLI::App& root) {
    constexpr std::uint64_t second_ns = 1'000'000'000;
    CLI::App* app =
        root.add_subcommand("stat", "Count requests in the kernel: rates, latencies, errors; the cheapest way to look");
    options_.interval_ns = second_ns;
    app->add_option("--interval", options_.interval_ns, "Show the counts once per this interval (default 1s)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    declare_stat_run(*app, options_);
    app->footer(examples_footer({
        {"inflight stat", "the whole machine by operation, each second, until ^C"},
        {"inflight stat --by pid --top 10", "the ten processes with most requests"},
        {"inflight stat --family uring --by file -p 1234", "which files a process works on through io_uring"},
        {"inflight stat -o json --interval 10s -- fio job.fio", "run fio and count, for a program to read"},
    }));
    return app;
}

int Stat::run() {
    return run_stat(options_, [this](Output& output, const view::StatTextOptions& text) {
        return options_.format == "json" ? view::make_stat_json(output) : view::make_stat_text(output, text);
    });
}

}  // namespace

std::unique_ptr<Command> make_stat() {
    return std::make_unique<Stat>();
}

}  // namespace inflight::cli
