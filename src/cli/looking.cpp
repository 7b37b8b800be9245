// SPDX-License-Identifier: Apache-2.0
#include "cli/looking.hpp"

#include "base/units.hpp"
#include "capture/live_source.hpp"
#include "cli/command.hpp"
#include "probe/processes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
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

std::expected<std::unique_ptr<Looking>, int> Looking::begin(const TracingOptions& options, model::Sink& sink,
                                                            ExtraRecords extra) {
    const auto selection = selection_from(options.filters);
    if (!selection) {
        print_error(selection.error());
        return std::unexpected(exit_usage);
    }
    extra.places = true;
    auto tracing = Tracing::begin(options, extra);
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
        look_for_files();
        on_look_(record.time_ns);
    }
}

// Numbers of descriptors say nothing of what was opened when: all is found by the files themselves.
void Looking::look_for_files() {
    files_.clear();
    rings_ = tracing_->ring_addresses();
    std::vector<std::uint64_t> sought;
    tracker_.each_in_flight([&](const model::Request& request) {
        if (const std::uint64_t file = tracing_->file_of(request); file != 0) {
            files_[request.kernel_address] = file;
            sought.push_back(file);
        }
    });
    std::ranges::sort(sought);
    const auto again = std::ranges::unique(sought);
    sought.erase(again.begin(), again.end());
    const probe::Held held = tracing_->held();
    auto found = held.files(sought);
    files_known_ = found.has_value();
    open_files_ = model::OpenFiles();
    if (!found) {
        return;
    }
    if (const auto tasks = held.tasks()) {
        found->insert(found->end(), tasks->begin(), tasks->end());
    }
    open_files_ = model::OpenFiles(*found);
}

std::uint64_t Looking::ring_address(std::uint64_t context_id) const {
    const auto ring = rings_.find(context_id);
    return ring == rings_.end() ? 0 : ring->second;
}

model::FileNow Looking::file_now(const model::Request& request) const {
    const auto file = files_.find(request.kernel_address);
    if (!files_known_ || file == files_.end()) {
        return {};
    }
    model::FileNow now = open_files_.of(request.pid, file->second);
    const bool numbered = request.fd >= 0 && !(request.uring && request.uring->fixed_file);
    if (numbered && std::ranges::find(now.fds, request.fd) == now.fds.end()) {
        std::error_code ignored;
        const auto there = fmt::format("/proc/{}/fd/{}", request.pid, request.fd);
        now.number_reused = std::filesystem::is_symlink(std::filesystem::symlink_status(there, ignored));
    }
    return now;
}

std::vector<model::InFlight> Looking::everything_in_flight(std::uint64_t now_ns) const {
    auto list = model::list_in_flight(tracker_, tracing_->info().start_ns, now_ns);
    for (model::InFlight& each : list) {
        each.file_now = file_now(each.request);
        each.ring_address = ring_address(each.request.context_id);
        if (each.ring && files_known_) {
            each.ring->fd = open_files_.descriptor_of(each.ring_address, each.request.pid).value_or(-1);
            if (each.ring->fd < 0 && each.cancellable.means != model::CancelMeans::none) {
                each.cancellable = {.means = model::CancelMeans::none,
                                    .why = "its process has no descriptor of the ring, by which it could be reached"};
            }
        }
    }
    return list;
}

std::vector<model::InFlight> Looking::in_flight(std::uint64_t now_ns) const {
    auto list = everything_in_flight(now_ns);
    std::erase_if(list, [this](const model::InFlight& each) { return !selection_.selects(each.request); });
    return list;
}

std::vector<model::Context> Looking::contexts() const {
    std::vector<model::Context> found;
    tracker_.each_context([&](const model::Context& context) {
        if (!selection_.selects(context)) {
            return;
        }
        found.push_back(context);
        if (auto& ring = found.back().ring; ring && files_known_) {
            ring->fd = open_files_.descriptor_of(ring_address(context.context_id), context.pid).value_or(-1);
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

std::vector<model::Closing> Looking::closing() const {
    // What an exiting thread waits for, by the function that it sleeps in. Sources: fs/aio.c, io_uring/cancel.c and
    // io_uring/io-wq.c of Linux 6.1 to 7.3.
    static constexpr std::array waits{
        std::pair{std::string_view("exit_aio"), model::Family::aio},
        std::pair{std::string_view("io_uring_cancel_generic"), model::Family::uring},
        std::pair{std::string_view("io_wq_put_and_exit"), model::Family::uring},
    };
    std::vector<model::Closing> list;
    for (model::Closing each : open_files_.closing()) {
        if (!each.family) {
            const auto functions = probe::kernel_functions_of(each.tid);
            const auto wait = std::ranges::find_if(
                waits, [&](const auto& row) { return std::ranges::find(functions, row.first) != functions.end(); });
            if (wait == waits.end()) {
                continue;
            }
            each.family = wait->second;
        }
        each.comm = probe::comm_of_thread(each.tid);
        if (selection_.selects_family(*each.family)) {
            list.push_back(std::move(each));
        }
    }
    return list;
}

std::vector<std::string> Looking::notes() const {
    std::vector<std::string> notes;
    for (const auto& each : tracing_->info().lost) {
        notes.push_back(each.sentence());
    }
    if (!files_known_) {
        notes.emplace_back(
            "the kernel's tables of open files could not be read: descriptors are as they were at the submission, and "
            "may be closed or other files by now");
    }
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

std::expected<TracingEnd, int> look(Looking& looking, const LookSchedule& schedule, const Looking::OnLook& on_look,
                                    const std::function<bool()>& done) {
    std::uint64_t next_ns = looking.tracing().info().start_ns + schedule.first_ns;
    bool wanted = true;
    bool asked = false;
    return looking.run(
        [&](std::uint64_t now_ns) {
            on_look(now_ns);
            asked = false;
            wanted = schedule.interval_ns != 0;
            next_ns += schedule.interval_ns;
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
