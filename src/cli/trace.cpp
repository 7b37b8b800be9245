// SPDX-License-Identifier: Apache-2.0
#include "capture/live_source.hpp"
#include "cli/child.hpp"
#include "cli/command.hpp"
#include "cli/filters.hpp"
#include "cli/session.hpp"
#include "model/statistics.hpp"
#include "view/view.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace inflight::cli {

namespace {

struct TraceOptions {
    FilterOptions filters;
    HookOptions hooks;
    std::string format = "text";
    std::string output;
    bool events = false;
    std::uint64_t duration_ns = 0;
    std::uint64_t slow_submit_ns = 10'000'000;
    std::uint64_t blocked_ns = 100'000'000;
    std::vector<std::string> command;
};

constexpr std::array<std::string_view, 3> formats{"text", "json", "tracee"};

std::size_t terminal_columns() {
    winsize size{};
    constexpr std::size_t fallback = 120;
    constexpr std::size_t least = 80;
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return fallback;
    }
    return std::max<std::size_t>(size.ws_col, least);
}

std::unique_ptr<view::View> make_view(const TraceOptions& options, Output& output) {
    if (options.format == "json") {
        return view::make_json_view(output);
    }
    if (options.format == "tracee") {
        return view::make_tracee_view(output);
    }
    const bool terminal = options.output.empty() && ::isatty(STDOUT_FILENO) != 0;
    const bool color = terminal && std::getenv("NO_COLOR") == nullptr;
    return view::make_text_view(output, {.color = color, .columns = terminal ? terminal_columns() : 120});
}

Result<std::unique_ptr<FdOutput>> open_output(const std::string& path) {
    if (path.empty()) {
        return std::make_unique<FdOutput>(STDOUT_FILENO, "standard output");
    }
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd.valid()) {
        return failure("open " + path, describe_errno(errno), "choose another file with --output");
    }
    return std::make_unique<FdOutput>(std::move(fd), path);
}

int exit_status_of(int wait_status) {
    constexpr int signal_base = 128;
    return WIFSIGNALED(wait_status) ? signal_base + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

class Trace final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] Result<probe::Options> probe_options(const std::optional<Child>& child) const;
    Result<int> trace();

    TraceOptions options_;
};

CLI::App* Trace::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("trace", "Show requests, cancels and findings as they happen");
    app->add_option("-o,--format", options_.format, "text, json (one object a line) or tracee (that tracer's events)")
        ->check(CLI::IsMember(std::vector<std::string>(formats.begin(), formats.end())).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app->add_option("--output", options_.output, "Write to this file instead of standard output")->type_name("FILE");
    app->add_flag("--events", options_.events, "Show the system calls too");
    app->add_option("--duration", options_.duration_ns, "End after this long")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app->add_option("--slow-submit", options_.slow_submit_ns, "An io_submit this long is a finding (10ms)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app->add_option("--blocked", options_.blocked_ns, "Show a call that has not returned after this long (100ms)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    declare_filters(*app, options_.filters);
    declare_hooks(*app, options_.hooks);
    app->add_option("command", options_.command, "Run this, trace it and its children, and exit with its status")
        ->type_name("COMMAND")
        ->option_text("-- COMMAND...");
    app->footer(examples_footer({
        {"inflight trace -- fio job.fio", "run fio and show each of its requests"},
        {"inflight trace -p 1234 --min-latency 10ms", "slow requests of a running database"},
        {"inflight trace --outcome failed,cancelled -o json", "the whole machine until ^C, for a program to read"},
        {"inflight trace --event io_cancel --duration 1m", "every io_cancel of the next minute, with its verdict"},
        {"inflight trace -o tracee --output events.json -p 1234", "for a pipeline that reads Tracee's events"},
    }));
    return app;
}

Result<probe::Options> Trace::probe_options(const std::optional<Child>& child) const {
    probe::Options probes;
    if (auto applied = apply_hooks(options_.hooks, probes); !applied) {
        return std::unexpected(applied.error());
    }
    if (auto applied = apply_filters(options_.filters, probes); !applied) {
        return std::unexpected(applied.error());
    }
    ifl_config& config = probes.config;
    if (child) {
        config.by_pid = 1;
        config.follow_children = 1;
        probes.pids.push_back(static_cast<std::uint32_t>(child->pid()));
    }
    if (options_.events || options_.format == "tracee" || !options_.filters.events.empty()) {
        const auto mask = event_mask(options_.filters.events);
        if (!mask) {
            return std::unexpected(mask.error());
        }
        config.calls_wanted = *mask;
        // tracee has the calls' own arguments only
        config.iocbs_wanted = options_.format != "tracee" ? 1 : 0;
    }
    config.slow_submit_ns = options_.slow_submit_ns;
    return probes;
}

Result<int> Trace::trace() {
    const auto selection = selection_from(options_.filters);
    if (!selection) {
        print_error(selection.error().message());
        return exit_usage;
    }
    if (!options_.command.empty() && options_.command.front().empty()) {
        print_error("the command's name is empty");
        return exit_usage;
    }
    auto signals = Signals::block();
    std::optional<Child> child;
    if (!options_.command.empty()) {
        auto prepared = Child::prepare(options_.command);
        if (!prepared) {
            return std::unexpected(prepared.error());
        }
        child.emplace(std::move(*prepared));
    }
    const auto probe_settings = probe_options(child);
    if (!probe_settings) {
        print_error(probe_settings.error().message());
        return exit_usage;
    }
    auto probes = probe::Probes::attach(*probe_settings);
    if (!probes) {
        return std::unexpected(probes.error());
    }
    auto source = capture::LiveSource::open(std::move(*probes), {.blocked_ns = options_.blocked_ns});
    if (!source) {
        return std::unexpected(source.error());
    }
    auto output = open_output(options_.output);
    if (!output) {
        return std::unexpected(output.error());
    }
    const auto view = make_view(options_, **output);
    model::Statistics statistics(*view);
    model::Selection select(*selection, statistics);
    const auto& report = (*source)->report();
    model::Tracker tracker({.events_wanted = probe_settings->config.calls_wanted,
                            .slow_submit_ns = options_.slow_submit_ns,
                            .blocked_ns = options_.blocked_ns,
                            .aio_max_nr = report.kernel.aio_max_nr},
                           select);
    const auto info = trace_info(report, options_.command);
    view->begin(info);
    if (child) {
        if (auto released = child->release(); !released) {
            print_error(released.error().message());
            return child->exec_errno() == ENOENT ? exit_not_found : exit_not_executable;
        }
    }

    Session session({.source = **source,
                     .tracker = tracker,
                     .output = **output,
                     .signals = signals,
                     .child = child ? &*child : nullptr,
                     .duration_ns = options_.duration_ns});
    const auto ended = session.run();
    if (!ended) {
        return std::unexpected(ended.error());
    }
    auto summary = statistics.summary(info.start_ns, capture::monotonic_ns());
    summary.losses = (*source)->losses();
    summary.losses.completions_unseen = tracker.completions_unseen();
    summary.losses.submissions_unseen = tracker.submissions_unseen();
    summary.aio_nr = probe::read_proc_number("/proc/sys/fs/aio-nr");
    summary.aio_max_nr = probe::read_proc_number("/proc/sys/fs/aio-max-nr");
    summary.ended_by = ended->reason;
    view->end(summary);
    (*output)->flush();
    if ((*output)->error()) {
        return std::unexpected(*(*output)->error());
    }
    return ended->child_status ? exit_status_of(*ended->child_status) : exit_ok;
}

int Trace::run() {
    const auto status = trace();
    if (!status) {
        print_error(status.error().message());
        return exit_failed;
    }
    return *status;
}

}  // namespace

std::unique_ptr<Command> make_trace() {
    return std::make_unique<Trace>();
}

}  // namespace inflight::cli
