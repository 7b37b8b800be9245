// SPDX-License-Identifier: Apache-2.0
#include "cli/stat_run.hpp"

#include "catalog/uring.hpp"
#include "cli/child.hpp"
#include "cli/command.hpp"
#include "cli/printing.hpp"
#include "cli/session.hpp"
#include "model/files.hpp"
#include "probe/stat_loader.hpp"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <langinfo.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <expected>

namespace inflight::cli {

namespace {

// 32-bit counters must be read before they wrap: at ten million requests a second that takes minutes.
constexpr std::uint64_t look_ns = 60'000'000'000;
constexpr std::uint64_t longest_interval_ns = 300'000'000'000;
// What a command leaves in flight ends soon after it, or with its memory.
constexpr std::uint64_t settle_ns = 100'000'000;
// The kernel ends the requests of a process that ends; those that began longer ago and are still there it has
// forgotten.
constexpr std::uint64_t dead_for_ns = 1'000'000'000;
constexpr std::uint64_t settle_step_ns = 5'000'000;
constexpr std::size_t row_memory_bytes = 64U << 20U;
constexpr std::uint32_t most_keys = 65'536;

std::uint64_t monotonic_now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint32_t rows_for(model::StatBy by, std::uint32_t keys) {
    if (by == model::StatBy::op || by == model::StatBy::outcome) {
        return IFL_STAT_FIXED_ROWS;
    }
    if (keys != 0) {
        return std::min(keys, most_keys) + IFL_STAT_FIRST_KEY_ROW;
    }
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    const auto fit = row_memory_bytes / (sizeof(ifl_stat_row) * IFL_STAT_LANES * cpus);
    return static_cast<std::uint32_t>(std::clamp<std::size_t>(fit, 64, 1024)) + IFL_STAT_FIRST_KEY_ROW;
}

ifl_op_set ops_with_bytes() {
    ifl_op_set ops{};
    for (const auto& op : catalog::uring_ops()) {
        if (op.transfers_bytes) {
            ifl_add_op(&ops, op.opcode);
        }
    }
    return ops;
}

// What is asked for by --op; everything if it is not there.
void choose_ops(const std::vector<model::SelectionOptions::Operation>& operations, ifl_stat_config& stat) {
    constexpr std::uint64_t all = ~std::uint64_t{0};
    if (operations.empty()) {
        stat.uring_ops_wanted = {.words = {all, all}};
        stat.aio_ops_wanted = all;
        return;
    }
    for (const auto& operation : operations) {
        if (operation.family == model::Family::aio) {
            stat.aio_ops_wanted |= std::uint64_t{1} << std::min<unsigned>(operation.opcode, 63);
        } else {
            ifl_add_op(&stat.uring_ops_wanted, static_cast<std::uint8_t>(operation.opcode));
        }
    }
}

Result<std::uint32_t> outcome_mask(const std::vector<model::Outcome>& outcomes) {
    constexpr std::uint32_t all = (1U << IFL_STAT_OUTCOMES) - 1;
    std::uint32_t mask = 0;
    for (const auto outcome : outcomes) {
        switch (outcome) {
            case model::Outcome::completed:
                mask |= 1U << IFL_STAT_COMPLETED;
                break;
            case model::Outcome::failed:
                mask |= 1U << IFL_STAT_FAILED;
                break;
            case model::Outcome::cancelled:
                mask |= 1U << IFL_STAT_CANCELLED;
                break;
            default:
                return failure(fmt::format("--outcome {}", name(outcome)), "the counters in the kernel cannot tell it",
                               "choose completed, failed or cancelled, or use `inflight trace`");
        }
    }
    return outcomes.empty() ? all : mask;
}

// What is asked for, for the programs in the kernel.
Result<probe::StatOptions> probe_options(const StatRunOptions& options, const Child* child) {
    probe::StatOptions probes;
    if (!options.filters.events.empty()) {
        return failure("--event", "requests are counted here, not system calls", "use `inflight trace`");
    }
    if (auto applied = apply_hooks(options.hooks, probes.common); !applied) {
        return std::unexpected(applied.error());
    }
    if (auto applied = apply_filters(options.filters, probes.common); !applied) {
        return std::unexpected(applied.error());
    }
    const auto selection = selection_from(options.filters);
    if (!selection) {
        return std::unexpected(selection.error());
    }
    const auto outcomes = outcome_mask(selection->outcomes);
    if (!outcomes) {
        return std::unexpected(outcomes.error());
    }
    if (child != nullptr) {
        probes.common.config.by_pid = 1;
        probes.common.config.follow_children = 1;
        probes.common.pids.push_back(static_cast<std::uint32_t>(child->pid()));
    }
    auto& stat = probes.stat;
    const auto by = model::stat_by_name(options.by).value_or(model::StatBy::op);
    stat.by = static_cast<std::uint32_t>(by);
    stat.rows = rows_for(by, options.keys);
    stat.outcomes_wanted = *outcomes;
    stat.min_latency_ns = selection->min_latency_ns;
    stat.uring_ops_with_bytes = ops_with_bytes();
    choose_ops(selection->operations, stat);
    const auto family_wanted = [&](model::Family family) {
        return selection->families.empty() ||
               std::ranges::find(selection->families, family) != selection->families.end();
    };
    // Nothing is loaded for a family that nobody asked about.
    probes.uring =
        family_wanted(model::Family::uring) && (stat.uring_ops_wanted.words[0] | stat.uring_ops_wanted.words[1]) != 0;
    probes.aio = family_wanted(model::Family::aio) && stat.aio_ops_wanted != 0;
    if (!probes.uring && !probes.aio) {
        return failure("--family and --op", "no family has both", "leave one of them out");
    }
    return probes;
}

class Counting {
public:
    explicit Counting(const StatRunOptions& options) : options_(options), signals_(Signals::block()) {}

    [[nodiscard]] std::expected<void, int> begin();
    [[nodiscard]] view::StatTextOptions text_options() const;
    [[nodiscard]] int count(view::StatView& view);
    [[nodiscard]] FdOutput& output() { return *output_; }

private:
    [[nodiscard]] model::StatTables read() const;
    // A look at the counters; only every interval it is shown.
    // What began longer ago than `grace_ns`, by a process that has ended, has ended too.
    model::StatFrame look(std::uint64_t grace_ns = dead_for_ns);
    [[nodiscard]] view::StatInfo info(std::uint64_t start_ns) const;
    [[nodiscard]] std::optional<SessionEnd> wait(std::uint64_t until_ns);
    void settle();

    const StatRunOptions& options_;
    Signals signals_;
    std::optional<Child> child_;
    std::optional<probe::StatProbes> probes_;
    std::unique_ptr<FdOutput> output_;
    std::optional<model::StatTally> tally_;
    int signals_seen_ = 0;
};

std::expected<void, int> Counting::begin() {
    if (options_.interval_ns > longest_interval_ns) {
        print_error(
            failure("--interval", "more than 5 minutes", "choose less; the whole run is counted in any case").error());
        return std::unexpected(exit_usage);
    }
    if (!options_.command.empty() && options_.command.front().empty()) {
        print_error("the command's name is empty");
        return std::unexpected(exit_usage);
    }
    if (!options_.command.empty()) {
        auto prepared = Child::prepare(options_.command);
        if (!prepared) {
            return stop(prepared.error(), exit_failed);
        }
        child_.emplace(std::move(*prepared));
    }
    const auto settings = probe_options(options_, child_ ? &*child_ : nullptr);
    if (!settings) {
        return stop(settings.error(), exit_usage);
    }
    auto probes = [&settings] {
        // It may take a second, in which there is nothing to be finished.
        const Signals::LetThrough end_at_once;
        return probe::StatProbes::attach(*settings);
    }();
    if (!probes) {
        return stop(probes.error(), exit_cannot_trace);
    }
    probes_.emplace(std::move(*probes));
    tell_of_verifier_logs(probes_->report().verifier_logs);
    auto output = open_output(options_.output);
    if (!output) {
        return stop(output.error(), exit_failed);
    }
    output_ = std::move(*output);
    return {};
}

view::StatTextOptions Counting::text_options() const {
    view::StatTextOptions text;
    text.top = options_.top;
    // Without a locale nothing is said about the terminal: UTF-8 is what there is today.
    std::setlocale(LC_CTYPE, "");
    const std::string_view codeset = ::nl_langinfo(CODESET);
    const char* const locale = std::setlocale(LC_CTYPE, nullptr);
    text.utf8 = codeset == "UTF-8" ||
                (locale != nullptr && std::string_view(locale) == "C" && std::getenv("LC_ALL") == nullptr);
    if (const auto terminal = terminal_at(options_.output)) {
        text.in_place = options_.interval_ns != 0;
        text.color = terminal->color;
        text.columns = terminal->columns;
        text.rows = terminal->rows;
    }
    return text;
}

model::StatTables Counting::read() const {
    model::StatTables tables;
    tables.shared = probes_->shared();
    tables.rows = probes_->rows();
    tables.slots = probes_->slots();
    tables.labels = probes_->labels();
    tables.collided = tables.shared.collided != 0 ? probes_->collided() : std::vector<ifl_stat_slot>{};
    tables.config = probes_->report().config;
    tables.ops_known_late = probes_->report().ops_known_late;
    tables.programs_skipped = probes_->programs_skipped();
    tables.time_ns = monotonic_now_ns();
    if (tables.config.by == IFL_STAT_BY_FILE) {
        const auto rows = std::min(tables.config.rows, tables.shared.rows_used + IFL_STAT_FIRST_KEY_ROW);
        for (std::uint32_t row = IFL_STAT_FIRST_KEY_ROW; row < rows; row++) {
            if (const auto file = probes_->file(row)) {
                tables.file_names.emplace(row, model::file_from(*file).name);
            }
        }
    }
    return tables;
}

model::StatFrame Counting::look(std::uint64_t grace_ns) {
    const std::uint64_t now_ns = monotonic_now_ns();
    probes_->end_those_of_dead(now_ns - std::min(now_ns, grace_ns));
    const unsigned parity = probes_->turn_maxima();
    auto frame = tally_->look(read(), parity);
    probes_->clear_maxima(parity);
    return frame;
}

view::StatInfo Counting::info(std::uint64_t start_ns) const {
    view::StatInfo info;
    info.version = INFLIGHT_VERSION;
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    info.host_name = host.data();
    const auto& report = probes_->report();
    info.kernel_release = report.kernel_release;
    info.hooks = report.hooks;
    info.limits = report.limits;
    info.lost = report.lost;
    info.command = options_.command;
    info.by = static_cast<model::StatBy>(report.config.by);
    info.interval_ns = options_.interval_ns;
    info.start_ns = start_ns;
    timespec wall{};
    ::clock_gettime(CLOCK_REALTIME, &wall);
    info.wall_offset_ns = static_cast<std::int64_t>(wall.tv_sec) * 1'000'000'000 + wall.tv_nsec -
                          static_cast<std::int64_t>(monotonic_now_ns());
    return info;
}

std::optional<SessionEnd> Counting::wait(std::uint64_t until_ns) {
    for (;;) {
        if (child_) {
            if (const auto status = child_->ended()) {
                return SessionEnd{
                    .reason = WIFSIGNALED(*status)
                                  ? fmt::format("the command was killed by SIG{}", ::sigabbrev_np(WTERMSIG(*status)))
                                  : fmt::format("the command exited with status {}", WEXITSTATUS(*status)),
                    .child_status = status};
            }
        }
        if (const auto signal = signals_.take()) {
            if (!child_ || signals_seen_ > 0) {
                signals_.let_stand(signal->number);
                return SessionEnd{.reason = fmt::format("SIG{}", ::sigabbrev_np(signal->number)), .child_status = {}};
            }
            // The first one is the command's to answer.
            signals_seen_++;
            if (!signal->from_terminal) {
                ::kill(child_->pid(), signal->number);
            }
        }
        const auto now = monotonic_now_ns();
        if (now >= until_ns) {
            return std::nullopt;
        }
        const std::uint64_t left_ns = until_ns - now;
        const timespec timeout{.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000),
                               .tv_nsec = static_cast<long>(left_ns % 1'000'000'000)};
        std::array<pollfd, 2> fds{pollfd{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = child_ ? child_->pidfd() : -1, .events = POLLIN, .revents = 0}};
        ::ppoll(fds.data(), fds.size(), &timeout, nullptr);
    }
}

void Counting::settle() {
    const auto slots = probes_->slots();
    const auto open = [](const ifl_stat_slot& slot) { return (slot.tag & 1U) != 0; };
    const auto end_ns = monotonic_now_ns() + settle_ns;
    while (monotonic_now_ns() < end_ns && std::ranges::any_of(slots, open)) {
        const timespec step{.tv_sec = 0, .tv_nsec = static_cast<long>(settle_step_ns)};
        ::nanosleep(&step, nullptr);
    }
}

int Counting::count(view::StatView& view) {
    const auto begun = read();
    tally_.emplace(begun);
    view.begin(info(begun.time_ns));
    output_->flush();
    if (child_) {
        if (auto released = child_->release(); !released) {
            print_error(released.error());
            return child_->exec_errno() == ENOENT ? exit_not_found : exit_not_executable;
        }
    }
    const auto start_ns = begun.time_ns;
    const auto end_ns = options_.duration_ns == 0 ? ~std::uint64_t{0} : start_ns + options_.duration_ns;
    auto next_ns = start_ns;
    std::optional<SessionEnd> end;
    while (!end) {
        next_ns += options_.interval_ns != 0 ? options_.interval_ns : look_ns;
        end = wait(std::min(next_ns, end_ns));
        if (!end && monotonic_now_ns() >= end_ns) {
            end = SessionEnd{.reason = "the duration is over", .child_status = {}};
        }
        if (!end && options_.interval_ns != 0) {
            view.interval(look());
            output_->flush();
        } else if (!end) {
            static_cast<void>(look());
        }
        if (output_->error()) {
            end = SessionEnd{.reason = "the output failed", .child_status = {}};
        }
    }
    if (child_) {
        settle();
    }
    const auto last = child_ ? look(settle_ns) : look();
    if (options_.interval_ns != 0 && !last.all.counters.empty()) {
        view.interval(last);
    }
    probes_->detach();
    const model::StatFrame whole = tally_->whole();
    view.end(whole, end->reason);
    output_->flush();
    tell_of_nothing_seen(processes_text(options_.filters),
                         whole.all.counters.ended() + whole.all.counters.more + whole.all.in_flight.value_or(0));
    if (output_->error()) {
        print_error(*output_->error());
        return exit_failed;
    }
    if (!end->child_status) {
        return exit_ok;
    }
    constexpr int signal_base = 128;
    const int status = *end->child_status;
    return WIFSIGNALED(status) ? signal_base + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

void declare_stat_run(CLI::App& app, StatRunOptions& options) {
    app.add_option("-o,--format", options.format, "Write text or json (one object per line)")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_option("--by", options.by, "Count by op, pid, comm, file, context or outcome")
        ->check(CLI::IsMember({"op", "pid", "comm", "file", "context", "outcome"}).description(""))
        ->type_name("KEY")
        ->capture_default_str();
    app.add_option("--top", options.top, "Show the N keys with the most requests")
        ->check(positive())
        ->type_name("COUNT")
        ->capture_default_str();
    app.add_option("--keys", options.keys, "Make room for this many keys in the kernel (default: at most 1024)")
        ->check(CLI::Range(1U, most_keys).description(""))
        ->type_name("COUNT");
    app.add_option("--output", options.output, "Write to this file instead of standard output")->type_name("FILE");
    app.add_option("--duration", options.duration_ns, "End after this time")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    declare_filters(app, options.filters);
    declare_hooks(app, options.hooks);
    app.add_option("command", options.command, "Run this command, count it and its children, and exit with its status")
        ->type_name("COMMAND")
        ->option_text("-- COMMAND...");
}

int run_stat(const StatRunOptions& options, const MakeStatView& make_view) {
    Counting run(options);
    if (const auto begun = run.begin(); !begun) {
        return begun.error();
    }
    const auto view = make_view(run.output(), run.text_options());
    return run.count(*view);
}

}  // namespace inflight::cli
