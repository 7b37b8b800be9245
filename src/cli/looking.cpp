// SPDX-License-Identifier: Apache-2.0
#include "cli/looking.hpp"

#include "base/units.hpp"
#include "capture/live_source.hpp"
#include "cli/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace inflight::cli {

namespace {

// A request that has ended is handed out soon: nobody waits to see when it is reaped.
constexpr std::uint64_t reap_wait_ns = 50'000'000;

model::TrackerOptions quick(model::TrackerOptions options) {
    options.reap_wait_ns = reap_wait_ns;
    return options;
}

}  // namespace

void declare_looking(CLI::App& app, TracingOptions& options) {
    declare_filters(app, options.filters);
    declare_hooks(app, options.hooks);
    for (const auto* of_ended : {"--outcome", "--min-latency", "--event", "--follow"}) {
        app.remove_option(app.get_option(of_ended));
    }
}

Looking::Looking(std::unique_ptr<Tracing> tracing, model::SelectionOptions selection, model::Sink& sink)
    : tracing_(std::move(tracing)),
      selection_(std::move(selection), sink),
      tracker_(quick(tracing_->tracker_options()), sink) {}

std::expected<std::unique_ptr<Looking>, int> Looking::begin(const TracingOptions& options, model::Sink& sink) {
    const auto selection = selection_from(options.filters);
    if (!selection) {
        print_error(selection.error());
        return std::unexpected(exit_usage);
    }
    auto tracing = Tracing::begin(options, {.places = true});
    if (!tracing) {
        return std::unexpected(tracing.error());
    }
    return std::unique_ptr<Looking>(new Looking(std::move(*tracing), *selection, sink));
}

std::expected<TracingEnd, int> Looking::run(OnLook on_look, std::function<bool()> done) {
    on_look_ = std::move(on_look);
    return tracing_->run(*this, std::move(done));
}

void Looking::on_record(const ifl_header& record) {
    census_.on_record(record);
    tracker_.on_record(record);
    if (record.kind == IFL_SNAPSHOT && asked_) {
        asked_ = false;
        on_look_(record.time_ns);
    }
}

std::vector<model::InFlight> Looking::everything_in_flight(std::uint64_t now_ns) const {
    return model::list_in_flight(tracker_, tracing_->info().start_ns, now_ns);
}

std::vector<model::InFlight> Looking::in_flight(std::uint64_t now_ns) const {
    auto list = everything_in_flight(now_ns);
    std::erase_if(list, [this](const model::InFlight& each) { return !selection_.selects(each.request); });
    return list;
}

std::vector<model::Context> Looking::contexts() const {
    std::vector<model::Context> found;
    tracker_.each_context([&](const model::Context& context) {
        if (selection_.selects(context)) {
            found.push_back(context);
        }
    });
    return found;
}

std::vector<model::InFlight> Looking::unreaped() const {
    auto list = census_.unreaped(contexts());
    std::erase_if(list, [this](const model::InFlight& each) { return !selection_.selects(each.request); });
    return list;
}

std::vector<model::Unlisted> Looking::unlisted(std::uint64_t now_ns) const {
    auto list = census_.unlisted(everything_in_flight(now_ns));
    std::erase_if(list, [this](const model::Unlisted& each) { return !selection_.selects_family(each.family); });
    return list;
}

std::vector<std::string> Looking::notes() const {
    std::vector<std::string> notes;
    const auto found = contexts();
    if (!census_.counted() && std::ranges::any_of(found, [](const model::Context& each) { return !each.created_ns; })) {
        notes.emplace_back(
            "what was submitted before this look began, and is with a file system or a device, stands on no list of "
            "the kernel: it is not shown, and could not be counted");
    }
    if (const auto unread = census_.rings_unread(); unread != 0) {
        notes.push_back(unread == 1
                            ? std::string("the ring of 1 context could not be read: its completions are not shown")
                            : fmt::format("the rings of {} contexts could not be read: their completions are not shown",
                                          format_count(unread)));
    }
    if (const auto left_out = census_.completions_left_out(); left_out != 0) {
        notes.push_back(fmt::format("{} in rings that have very many",
                                    counted(left_out, "more completion stands", "more completions stand")));
    }
    return notes;
}

std::expected<TracingEnd, int> look(Looking& looking, const Looks& looks, const Looking::OnLook& on_look,
                                    const std::function<bool()>& done) {
    std::uint64_t next_ns = looking.tracing().info().start_ns + looks.first_ns;
    bool wanted = true;
    bool asked = false;
    return looking.run(
        [&](std::uint64_t now_ns) {
            on_look(now_ns);
            asked = false;
            wanted = looks.interval_ns != 0;
            next_ns += looks.interval_ns;
        },
        [&] {
            if (wanted && !asked && capture::monotonic_ns() >= next_ns) {
                asked = true;
                looking.ask();
            }
            return !wanted && done();
        });
}

}  // namespace inflight::cli
