// SPDX-License-Identifier: Apache-2.0
// What is in flight now, and which contexts there are.
#include "cli/command.hpp"
#include "cli/looking.hpp"
#include "cli/printing.hpp"
#include "view/in_flight.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace inflight::cli {

namespace {

// What ends while we look is of no interest here.
class Nothing final : public model::Sink {
public:
    void on_request(const model::Request& /*request*/) override {}
    void on_cancel(const model::Cancel& /*cancel*/) override {}
    void on_event(const model::Event& /*event*/) override {}
    void on_context(const model::Context& /*context*/) override {}
    void on_finding(const model::Finding& /*finding*/) override {}
};

using Before = std::function<bool(const model::InFlight&, const model::InFlight&)>;
// The list comes sorted by age.
const std::map<std::string, Before>& orders() {
    static const std::map<std::string, Before> table{
        {"age", {}},
        {"pid", [](const auto& a, const auto& b) { return a.request.pid < b.request.pid; }},
        {"op", [](const auto& a, const auto& b) { return a.request.opcode < b.request.opcode; }},
        {"context", [](const auto& a, const auto& b) { return a.request.context_id < b.request.context_id; }},
        {"file",
         [](const auto& a, const auto& b) {
             const auto name = [](const model::InFlight& of) { return of.request.file ? of.request.file->name : ""; };
             return name(a) < name(b);
         }},
        {"stage", [](const auto& a, const auto& b) { return a.stage < b.stage; }},
    };
    return table;
}

int look_and_show(const TracingOptions& options, const LookSchedule& schedule,
                  const std::function<void(Looking&, std::uint64_t)>& show) {
    Nothing nothing;
    const auto looking = Looking::begin(options, nothing);
    if (!looking) {
        return looking.error();
    }
    const auto end = look(**looking, schedule, [&](std::uint64_t now_ns) {
        show(**looking, now_ns);
        (*looking)->tracing().output().flush();
    });
    return end ? (*looking)->tracing().finish(*end) : end.error();
}

struct LookOptions {
    TracingOptions tracing;
    std::string format = "text";
    std::uint64_t watch_ns = 0;
};

void declare_look(CLI::App& app, LookOptions& options) {
    app.add_option("-o,--format", options.format, "Write text or json (one object per line)")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_option("--output", options.tracing.output, "Write to this file instead of standard output")
        ->type_name("FILE");
    app.add_option("--watch", options.watch_ns, "Look again after each span of this length, until ^C")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    declare_looking(app, options.tracing);
}

void print(Looking& looking, const LookOptions& options, const std::string& text) {
    const bool in_place = options.watch_ns != 0 && terminal_at(options.tracing.output).has_value();
    looking.tracing().output().write((in_place ? "\x1b[H\x1b[2J" : "") + text);
}

class Ls final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    void show(Looking& looking, std::uint64_t now_ns) const;

    LookOptions options_;
    std::uint64_t older_than_ns_ = 0;
    std::string sort_ = "age";
};

CLI::App* Ls::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("ls", "List the requests that are in flight now, and what can cancel them");
    app->add_option("--older-than", older_than_ns_,
                    "Show only requests in flight for longer than this; inflight may have to watch for this long")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    std::vector<std::string> names;
    for (const auto& [name, before] : orders()) {
        names.push_back(name);
    }
    app->add_option("--sort", sort_, "Sort by age (oldest first), context, file, op, pid or stage")
        ->check(CLI::IsMember(names).description(""))
        ->type_name("KEY")
        ->capture_default_str();
    declare_look(*app, options_);
    app->footer(examples_footer({
        {"inflight ls", "what the whole machine waits for"},
        {"inflight ls --older-than 1s -p 1234", "what is stuck in one process"},
        {"inflight ls --op poll_add,recv -o json", "for a program"},
        {"inflight ls --watch 1s", "again each second"},
    }));
    return app;
}

void Ls::show(Looking& looking, std::uint64_t now_ns) const {
    view::InFlightReport report{.requests = looking.in_flight(now_ns),
                                .unreaped = looking.unreaped(),
                                .unlisted = looking.unlisted(now_ns),
                                .closing = looking.closing(),
                                .notes = looking.notes(),
                                .lost = looking.tracing().losses().total()};
    // How long a completion has been there nobody knows.
    if (older_than_ns_ != 0) {
        report.unreaped.clear();
    }
    std::erase_if(report.requests, [this](const model::InFlight& each) { return each.age_ns < older_than_ns_; });
    if (const Before& before = orders().at(sort_)) {
        std::ranges::sort(report.requests, [&before](const model::InFlight& a, const model::InFlight& b) {
            return before(a, b) || (!before(b, a) && a.age_ns > b.age_ns);
        });
    }
    if (options_.format == "json") {
        view::write_in_flight(looking.tracing().output(), report);
    } else {
        print(looking, options_, view::in_flight_text(report, text_options(options_.tracing.output)));
    }
}

int Ls::run() {
    return look_and_show(options_.tracing, {.first_ns = older_than_ns_, .interval_ns = options_.watch_ns},
                         [this](Looking& looking, std::uint64_t now_ns) { show(looking, now_ns); });
}

class Contexts final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    void show(Looking& looking, std::uint64_t now_ns) const;

    LookOptions options_;
};

CLI::App* Contexts::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("contexts", "List AIO contexts and rings: who holds them, and aio-max-nr");
    declare_look(*app, options_);
    app->footer(examples_footer({
        {"inflight contexts", "the first line is who holds most of aio-max-nr"},
        {"inflight contexts --family uring", "rings alone"},
    }));
    return app;
}

void Contexts::show(Looking& looking, std::uint64_t now_ns) const {
    std::map<std::uint64_t, std::uint64_t> listed;
    for (const model::InFlight& each : looking.in_flight(now_ns)) {
        listed[each.request.context_id]++;
    }
    const auto unlisted = looking.unlisted(now_ns);
    const auto contexts = looking.contexts();
    // io_uring's requests are counted by task: they are a ring's if its process has no other.
    const auto beyond_listed = [&](const model::Context& context) -> std::uint64_t {
        if (context.ring && context.ring->closing) {
            return context.in_flight - std::min<std::uint64_t>(context.in_flight, listed[context.context_id]);
        }
        const bool aio = context.family == model::Family::aio;
        const bool only = std::ranges::count_if(contexts, [&](const model::Context& each) {
                              return each.family == context.family && each.pid == context.pid;
                          }) == 1;
        const auto more = std::ranges::find_if(unlisted, [&](const model::Unlisted& each) {
            return each.family == context.family && each.pid == context.pid &&
                   (aio ? each.ctx_id == context.ctx_id : only);
        });
        return more == unlisted.end() ? 0 : more->requests;
    };
    view::ContextsReport report;
    report.aio_nr = probe::read_proc_number("/proc/sys/fs/aio-nr");
    report.aio_max_nr = probe::read_proc_number("/proc/sys/fs/aio-max-nr");
    report.closing = looking.closing();
    report.notes = looking.notes();
    for (const model::Context& context : contexts) {
        const auto id = context.context_id;
        report.rows.push_back({.context = context,
                               .listed = listed[id],
                               .unlisted = beyond_listed(context),
                               .unreaped = looking.census().unreaped_of(id),
                               .holders = context.ring ? looking.open_files().holders_of(looking.ring_address(id))
                                                       : std::vector<model::RingHolder>()});
    }
    std::ranges::sort(report.rows, [](const view::ContextRow& a, const view::ContextRow& b) {
        return std::tuple(b.context.max_requests, b.listed, a.context.pid, a.context.context_id) <
               std::tuple(a.context.max_requests, a.listed, b.context.pid, b.context.context_id);
    });
    if (options_.format == "json") {
        view::write_contexts(looking.tracing().output(), report);
    } else {
        print(looking, options_, view::contexts_text(report, text_options(options_.tracing.output)));
    }
}

int Contexts::run() {
    return look_and_show(options_.tracing, {.first_ns = 0, .interval_ns = options_.watch_ns},
                         [this](Looking& looking, std::uint64_t now_ns) { show(looking, now_ns); });
}

}  // namespace

std::unique_ptr<Command> make_ls() {
    return std::make_unique<Ls>();
}

std::unique_ptr<Command> make_contexts() {
    return std::make_unique<Contexts>();
}

}  // namespace inflight::cli
