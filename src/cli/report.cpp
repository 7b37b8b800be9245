// SPDX-License-Identifier: Apache-2.0
#include "cli/captures.hpp"
#include "cli/command.hpp"
#include "cli/filters.hpp"
#include "cli/printing.hpp"
#include "cli/thresholds.hpp"
#include "model/diff.hpp"
#include "model/grouping.hpp"
#include "model/slowest.hpp"
#include "model/where_time.hpp"
#include "view/diff.hpp"
#include "view/groups.hpp"
#include "view/json_line.hpp"

#include <algorithm>
#include <csignal>

namespace inflight::cli {

namespace {

struct ReportOptions {
    std::vector<std::string> files;
    std::string format = "text";
    std::string output;
    FilterOptions filters;  // those that a finished request can be asked
    std::string where;
    std::vector<std::string> group_by;
    std::string by = "requests";
    std::size_t top = 0;
    bool events = false;
    bool diff = false;
    std::uint64_t max_memory_bytes = 0;
    CaptureQuestion question;
};

class Report final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    void declare_selection(CLI::App& app);
    [[nodiscard]] Result<void> settle();
    [[nodiscard]] Result<void> misuse() const;
    [[nodiscard]] Result<void> report(Output& output);
    [[nodiscard]] Result<void> views(Captures& captures, Output& output);
    [[nodiscard]] Result<void> slowest(Captures& captures, Output& output);
    [[nodiscard]] Result<void> groups(Captures& captures, Output& output);
    [[nodiscard]] Result<void> difference(Output& output);
    void end(Output& output, view::View& view, const CaptureEnd& ended) const;

    ReportOptions options_;
    std::vector<model::GroupField> fields_;
};

void Report::declare_selection(CLI::App& app) {
    const auto* const group = "Selection";
    const auto list = [&](const char* option, std::vector<std::string>& values, const char* text, const char* type) {
        app.add_option(option, values, text)->group(group)->type_name(type)->delimiter(',')->allow_extra_args(false);
    };
    app.add_option("--where", options_.where,
                   "Include only requests that match, such as 'op == read and latency > 10ms', and their cancels")
        ->group(group)
        ->type_name("CONDITION");
    app.add_option("--since", options_.question.since,
                   "Include only what ended after 10s (from the start), 14:03:05 or 2026-11-23T14:03:05Z")
        ->group(group)
        ->type_name("WHEN");
    app.add_option("--until", options_.question.until, "Include only what ended before this time")
        ->group(group)
        ->type_name("WHEN");
    list("--event", options_.filters.events, "Show this system call (see `inflight events`)", "NAME");
    list("--family", options_.filters.families, "Include only this family: aio (kernel AIO) or uring (io_uring)",
         "FAMILY");
    list("--op", options_.filters.operations, "Include only requests of this operation", "OP");
    list("--outcome", options_.filters.outcomes,
         "Include only requests with this outcome: completed, failed, cancelled, abandoned, in-flight", "OUTCOME");
    app.add_option("--min-latency", options_.filters.min_latency_ns,
                   "Include only requests that took at least this long")
        ->group(group)
        ->transform(as_duration_ns())
        ->type_name("TIME");
}

CLI::App* Report::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("report", "Show from capture files what trace shows live, or count it");
    app->add_option("file", options_.files, "Read these capture files of `inflight record`; several are merged by time")
        ->required()
        ->type_name("FILE")
        ->option_text("FILE...");
    app->add_option("-o,--format", options_.format,
                    "Write text, json (one object per line) or tracee (events of that tracer)")
        ->check(CLI::IsMember({"text", "json", "tracee"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app->add_option("--output", options_.output, "Write to this file instead of standard output")->type_name("FILE");
    app->add_flag("--events", options_.events, "Show the system calls as well");
    app->add_flag("--check", options_.question.check, "Look for requests that corrupt each other as well");
    app->add_option("--group-by", options_.group_by,
                    "Count by fields: pid, tid, comm, uid, cgroup, family, op, fd, file, context, outcome, error")
        ->type_name("FIELD,...")
        ->delimiter(',')
        ->allow_extra_args(false);
    app->add_option("--top", options_.top, "Show at most N groups; without --group-by, show the N slowest requests")
        ->type_name("N")
        ->check(positive());
    app->add_option("--by", options_.by, "Sort groups by requests, bytes, latency (p99) or errors")
        ->check(CLI::IsMember({"requests", "bytes", "latency", "errors"}).description(""))
        ->type_name("ORDER")
        ->capture_default_str();
    app->add_flag("--diff", options_.diff, "Compare two captures: the first file with the second");
    app->add_option("--slow-submit", options_.question.slow_submit_ns,
                    "Report an io_submit that took longer than this (default: as it was recorded)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    declare_max_memory(*app, options_.max_memory_bytes);
    declare_selection(*app);
    declare_thresholds(*app, options_.question.findings);
    app->footer(examples_footer({
        {"inflight report run.ifl", "each request of the capture, as trace shows it"},
        {"inflight report --where 'op == read and latency > 10ms' run.ifl", "slow reads"},
        {"inflight report --top 20 --since 10s --until 20s run.ifl", "the slowest of ten seconds"},
        {"inflight report --group-by file,op --top 10 --by bytes run.ifl", "where the bytes went"},
        {"inflight report --diff before.ifl after.ifl", "what has changed by more than noise"},
    }));
    return app;
}

// What was given, as what it means. An error is one of usage.
Result<void> Report::settle() {
    if (auto wrong = misuse(); !wrong) {
        return wrong;
    }
    auto selection = selection_from(options_.filters);
    if (!selection) {
        return std::unexpected(selection.error());
    }
    options_.question.selection = std::move(*selection);
    auto fields = model::group_fields_from(options_.group_by);
    if (!fields) {
        return std::unexpected(fields.error());
    }
    fields_ = std::move(*fields);
    if (!options_.where.empty()) {
        auto where = model::Where::parse(options_.where);
        if (!where) {
            return std::unexpected(where.error());
        }
        options_.question.where = std::move(*where);
    }
    for (const auto& [option, text] :
         {std::pair{"--since", &options_.question.since}, {"--until", &options_.question.until}}) {
        if (const auto time = model::time_point(option, *text, {}); !text->empty() && !time) {
            return std::unexpected(time.error());
        }
    }
    const bool events = options_.events || options_.format == "tracee" || !options_.filters.events.empty();
    if (events) {
        const auto mask = event_mask(options_.filters.events);
        if (!mask) {
            return std::unexpected(mask.error());
        }
        options_.question.events_shown = *mask;
    }
    return {};
}

Result<void> Report::misuse() const {
    const bool counts = options_.diff || !options_.group_by.empty();
    if (options_.format == "tracee" && (counts || options_.top != 0)) {
        return failure("-o tracee", "it has system calls only: no counts, no requests", "choose text or json");
    }
    if (auto places = check_places(options_.output, options_.files); !places) {
        return places;
    }
    if (options_.diff && (options_.files.size() != 2 || !options_.group_by.empty() || options_.top != 0)) {
        return failure("--diff", "it takes two files, and neither --group-by nor --top",
                       "inflight report --diff before.ifl after.ifl");
    }
    return {};
}

// Damage is told in every format; the events of tracee have no place for it.
void Report::end(Output& output, view::View& view, const CaptureEnd& ended) const {
    if (options_.format == "json") {
        view::write_captures(output, ended.files);
    }
    view.end(ended.summary);
    if (options_.format == "text") {
        output.write(view::captures_text(ended.files, text_options(options_.output)));
    }
    if (options_.format == "tracee") {
        if (const auto text = view::captures_text(ended.files, {}); !text.empty()) {
            tell_lines("inflight: " + text);
        }
    }
}

Result<void> Report::views(Captures& captures, Output& output) {
    const auto view = make_view(options_.format, options_.output, output);
    view->begin(captures.info());
    const auto ended = captures.read(options_.question, *view, true);
    if (!ended) {
        return std::unexpected(ended.error());
    }
    end(output, *view, *ended);
    return {};
}

Result<void> Report::slowest(Captures& captures, Output& output) {
    model::Slowest slowest(options_.top);
    const auto ended = captures.read(options_.question, slowest, false);
    if (!ended) {
        return std::unexpected(ended.error());
    }
    const auto view = make_view(options_.format, options_.output, output);
    view->begin(captures.info());
    for (const auto& request : slowest.take()) {
        view->on_request(request);
    }
    end(output, *view, *ended);
    return {};
}

Result<void> Report::groups(Captures& captures, Output& output) {
    model::Grouping grouping(fields_);
    const auto ended = captures.read(options_.question, grouping, false);
    if (!ended) {
        return std::unexpected(ended.error());
    }
    const auto order = model::group_order_by_name(options_.by).value_or(model::GroupOrder::requests);
    const view::GroupReport report{.fields = fields_,
                                   .groups = grouping.groups(order, options_.top),
                                   .groups_in_all = grouping.size(),
                                   .span_ns = ended->summary.end_ns - ended->summary.start_ns};
    const auto view = make_view(options_.format, options_.output, output);
    view->begin(captures.info());
    options_.format == "json" ? view::write_groups(output, report)
                              : output.write(view::groups_text(report, text_options(options_.output)));
    end(output, *view, *ended);
    return {};
}

Result<void> Report::difference(Output& output) {
    view::DiffReport report;
    std::vector<model::RunSlices::Cut> cuts;
    std::vector<CaptureEnd> ends;
    for (std::size_t index = 0; index < 2; ++index) {
        const auto& path = options_.files.at(index);
        auto captures = Captures::open({path}, options_.max_memory_bytes);
        if (!captures) {
            return std::unexpected(captures.error());
        }
        model::RunSlices slices(captures->info().start_ns);
        auto ended = captures->read(options_.question, slices, false);
        if (!ended) {
            return std::unexpected(ended.error());
        }
        cuts.push_back(slices.cut());
        ends.push_back(std::move(*ended));
        const auto& cut = cuts.back();
        view::DiffRun& run = index == 0 ? report.a : report.b;
        run = {.file = path,
               .host = captures->info().host_name,
               .requests = cut.requests,
               .cancels = cut.cancels,
               .span_ns = cut.span_ns,
               .slices = cut.slices,
               .slice_ns = cut.slice_ns,
               .lost = ends.back().summary.losses.total(),
               .damaged = std::ranges::any_of(ends.back().files, [](const auto& file) { return !file.damage.empty(); }),
               .ended = std::ranges::all_of(ends.back().files, &view::CaptureFile::ended)};
    }
    report.differences = model::differences(cuts.front(), cuts.back());
    if (options_.format == "json") {
        view::write_diff(output, report);
        view::JsonLine line(output);
        for (const auto& ended : ends) {
            view::write_captures(output, ended.files);
            view::write_losses(line, ended.summary.losses);
        }
        return {};
    }
    output.write(view::diff_text(report, text_options(options_.output)));
    for (const auto& ended : ends) {
        output.write(view::captures_text(ended.files, text_options(options_.output)));
    }
    return {};
}

Result<void> Report::report(Output& output) {
    if (options_.diff) {
        return difference(output);
    }
    auto captures = Captures::open(options_.files, options_.max_memory_bytes);
    if (!captures) {
        return std::unexpected(captures.error());
    }
    if (const auto span = captures->span(options_.question); !span) {
        return std::unexpected(span.error());
    }
    if (!fields_.empty()) {
        return groups(*captures, output);
    }
    return options_.top != 0 ? slowest(*captures, output) : views(*captures, output);
}

int Report::run() {
    if (const auto settled = settle(); !settled) {
        print_error(settled.error());
        return exit_usage;
    }
    ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write
    auto output = open_output(options_.output);
    if (!output) {
        print_error(output.error());
        return exit_failed;
    }
    if (const auto reported = report(**output); !reported) {
        print_error(reported.error());
        return exit_failed;
    }
    (*output)->flush();
    if ((*output)->error()) {
        print_error(*(*output)->error());
        return exit_failed;
    }
    return exit_ok;
}

}  // namespace

std::unique_ptr<Command> make_report() {
    return std::make_unique<Report>();
}

}  // namespace inflight::cli
