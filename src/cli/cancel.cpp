// SPDX-License-Identifier: Apache-2.0
// Cancels chosen requests of running processes, and says what became of them.
#include "base/new_file.hpp"
#include "base/waiting.hpp"
#include "cli/cancelling.hpp"
#include "cli/command.hpp"
#include "cli/looking.hpp"
#include "cli/printing.hpp"
#include "view/cancelled.hpp"
#include "view/in_flight.hpp"

#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <limits>
#include <string_view>

namespace inflight::cli {

namespace {

std::string who_asks() {
    // Whoever starts us can put any text there: only a number is taken for one.
    const char* const sudo = std::getenv("SUDO_UID");
    std::uint32_t uid = 0;
    const std::string_view text = sudo != nullptr ? sudo : "";
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), uid);
    const bool known = bad == std::errc{} && end == text.data() + text.size() && !text.empty();
    return fmt::format("uid {}{}", ::getuid(), known ? fmt::format(" (sudo by uid {})", uid) : std::string());
}

// Where each cancel is written down: the system's log always, a file where one is named.
class Audit {
public:
    [[nodiscard]] Result<void> open(const std::string& path) {
        ::openlog("inflight", LOG_PID, LOG_AUTHPRIV);
        if (path.empty()) {
            return {};
        }
        auto file = open_for_writing(path, Existing::append);
        if (!file) {
            return failure("--audit " + path, file.error().why, "nothing was cancelled");
        }
        file_ = std::move(file->fd);
        return {};
    }
    // False: the file did not take it.
    [[nodiscard]] bool write(const view::CancelReport& report) {
        const std::string text = view::audit_line(report, who_asks());
        ::syslog(LOG_NOTICE, "%s", text.c_str());
        if (!file_.valid()) {
            return true;
        }
        const std::time_t now = std::time(nullptr);
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        std::array<char, 32> stamp{};
        std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%SZ ", &utc);
        const std::string line = stamp.data() + text + "\n";
        return write_all(file_.get(), line).bytes == line.size();
    }

private:
    UniqueFd file_;
};

// What others submitted to the rings of the chosen process is left alone.
constexpr ExtraRecords chosen_by{.submitter_only = true};

class Cancel final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] Result<void> settle();
    [[nodiscard]] std::vector<model::InFlight> choose(const std::vector<model::InFlight>& all) const;
    [[nodiscard]] std::vector<std::string> missing(const std::vector<model::InFlight>& chosen) const;
    // What fits now; shown, with nothing done. The error is the exit status.
    [[nodiscard]] std::expected<std::vector<model::InFlight>, int> preview();
    [[nodiscard]] bool confirmed(std::size_t count) const;
    [[nodiscard]] int carry_out(Audit& audit);
    [[nodiscard]] int tell(Looking& looking, const Cancelling& cancelling, Audit& audit) const;
    void print_list(Looking& looking, const std::vector<model::InFlight>& list) const;

    TracingOptions tracing_;
    CancellingOptions cancelling_{.way = {}, .timeout_ns = 1'000'000'000, .stop = true};
    std::vector<std::string> ids_;
    std::optional<int> fd_;
    std::uint64_t older_than_ns_ = 0;
    bool all_ = false;
    bool dry_run_ = false;
    bool yes_ = false;
    std::string way_ = "auto";
    std::string format_ = "text";
    std::string audit_;
};

CLI::App* Cancel::declare(CLI::App& root) {
    CLI::App* app =
        root.add_subcommand("cancel", "Cancel requests in flight of a running process, and see what becomes of them");
    app->add_option("id", ids_, "Cancel these requests, named as `inflight ls` shows them")
        ->type_name("ID")
        ->option_text("ID...");
    const auto* const group = "Or of one process (-p PID)";
    app->add_option("--fd", fd_, "Cancel the requests on the file that this descriptor is now")
        ->group(group)
        ->check(CLI::Range(0, std::numeric_limits<int>::max()).description(""))
        ->type_name("N");
    app->add_option("--older-than", older_than_ns_, "Cancel the requests that have been in flight for longer than this")
        ->group(group)
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app->add_flag("--all", all_, "Cancel every request that can be cancelled")->group(group);
    app->add_flag("--dry-run", dry_run_, "Show which requests would be cancelled and how, and cancel nothing");
    app->add_flag("-y,--yes", yes_, "Cancel without asking first");
    app->add_option("--timeout", cancelling_.timeout_ns, "Wait at most this long for the requests to end (default 1s)")
        ->transform(as_duration_ns())
        ->type_name("TIME");
    app->add_option("--way", way_,
                    "Choose the way: auto, ring (from outside) or inject (by a call made in the process)")
        ->check(CLI::IsMember({"auto", "ring", "inject"}).description(""))
        ->type_name("WAY")
        ->capture_default_str();
    app->add_flag("--no-stop{false}", cancelling_.stop,
                  "Do not stop the threads; the call may then cancel a later request with the same user_data");
    app->add_option("--audit", audit_,
                    "Append a line for each cancelled request to this file, in addition to the system log")
        ->type_name("FILE");
    app->add_option("-o,--format", format_, "Write text or json (one object per line)")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    declare_looking(*app, tracing_);
    app->footer(
        "Exit status: 0 every chosen request ended cancelled, 1 another end or none chosen, 2 usage, 3 cannot trace "
        "here.\n\n" +
        examples_footer({
            {"inflight cancel 4242-1f3a90c2d7", "one request, after asking"},
            {"inflight cancel -p 4242 --fd 7 --yes", "what waits on one descriptor"},
            {"inflight cancel -p 4242 --older-than 10s --dry-run", "what would be cancelled"},
        }));
    return app;
}

// What was given, as what it means. An error is one of usage.
Result<void> Cancel::settle() {
    const bool by_filter = fd_ || older_than_ns_ != 0 || all_ || !tracing_.filters.operations.empty();
    if (!ids_.empty() && (by_filter || !tracing_.filters.pids.empty())) {
        return failure("cancel", "an id names a request alone", "leave out -p, --fd, --op, --older-than and --all");
    }
    if (ids_.empty() && (tracing_.filters.pids.size() != 1 || !by_filter)) {
        return failure("cancel", "it is not said what",
                       "name ids of `inflight ls`, or -p PID with --fd, --op, --older-than or --all");
    }
    for (const std::string& id : ids_) {
        std::uint32_t pid = 0;
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), pid);
        if (error != std::errc() || pid == 0 || end == id.data() + id.size() || *end != '-') {
            return failure("cancel " + id, "that is no id", "`inflight ls` shows them: 4242-1f3a90c2d7");
        }
        if (std::ranges::find(tracing_.filters.pids, pid) == tracing_.filters.pids.end()) {
            tracing_.filters.pids.push_back(pid);
        }
    }
    if (way_ != "auto") {
        cancelling_.way = way_ == "ring" ? act::Way::ring : act::Way::inject;
    }
    if (!dry_run_ && !yes_ && ::isatty(STDIN_FILENO) == 0) {
        return failure("cancel", "there is no terminal to ask on", "add --yes, or --dry-run to see what it would do");
    }
    return {};
}

std::vector<model::InFlight> Cancel::choose(const std::vector<model::InFlight>& all) const {
    std::vector<model::InFlight> chosen;
    for (const model::InFlight& each : all) {
        if (!ids_.empty()) {
            if (std::ranges::find(ids_, each.id) != ids_.end()) {
                chosen.push_back(each);
            }
            continue;
        }
        // The number may be another file than it was when the request was submitted.
        const bool on_fd = !fd_ || std::ranges::find(each.file_now.fds, *fd_) != each.file_now.fds.end();
        const bool fits = on_fd && each.age_ns >= older_than_ns_;
        if (fits && (!all_ || each.cancellable.means != model::CancelMeans::none)) {
            chosen.push_back(each);
        }
    }
    return chosen;
}

std::vector<std::string> Cancel::missing(const std::vector<model::InFlight>& chosen) const {
    std::vector<std::string> names;
    for (const std::string& id : ids_) {
        if (std::ranges::find(chosen, id, &model::InFlight::id) == chosen.end()) {
            names.push_back(id);
        }
    }
    return names;
}

void Cancel::print_list(Looking& looking, const std::vector<model::InFlight>& list) const {
    const view::InFlightReport report{.requests = list,
                                      .unreaped = {},
                                      .unlisted = {},
                                      .notes = looking.notes(),
                                      .lost = looking.tracing().losses().total()};
    if (format_ == "json") {
        view::write_in_flight(looking.tracing().output(), report);
    } else {
        looking.tracing().output().write(view::in_flight_text(report, text_options("")));
    }
}

std::expected<std::vector<model::InFlight>, int> Cancel::preview() {
    Cancelling nothing(cancelling_);
    auto looking = Looking::begin(tracing_, nothing, chosen_by);
    if (!looking) {
        return std::unexpected(looking.error());
    }
    std::vector<model::InFlight> chosen;
    const auto looked = look(**looking, {.first_ns = older_than_ns_}, [&](std::uint64_t now_ns) {
        chosen = choose((*looking)->in_flight(now_ns));
        print_list(**looking, chosen);
    });
    if (!looked) {
        return std::unexpected(looked.error());
    }
    if (const int status = (*looking)->tracing().finish(*looked); status != exit_ok) {
        return std::unexpected(status);
    }
    for (const std::string& id : missing(chosen)) {
        print_error(fmt::format("{}: it has ended, or never was", id));
    }
    return chosen;
}

bool Cancel::confirmed(std::size_t count) const {
    ask(fmt::format("Cancel {}? [y/N] ", count == 1 ? "it" : fmt::format("these {}", count)));
    Signals::let_through();
    std::string answer;
    return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

int Cancel::tell(Looking& looking, const Cancelling& cancelling, Audit& audit) const {
    FdOutput& output = looking.tracing().output();
    bool written = true;
    view::CancelledEnd sums{.trace_start_ns = looking.tracing().info().start_ns,
                            .lost = looking.tracing().losses().total()};
    const auto reports = cancelling.reports();
    for (const view::CancelReport& report : reports) {
        if (format_ == "json") {
            view::write_cancelled(output, report);
        } else {
            output.write(view::cancelled_text(report, text_options("")));
        }
        written = audit.write(report) && written;
        sums.chosen++;
        sums.cancelled += report.result.end == model::CancelEnd::cancelled ? 1 : 0;
    }
    if (format_ == "json") {
        view::write_cancelled_end(output, sums);
    }
    if (!written) {
        print_error("--audit " + audit_ + ": not all was written there");
    }
    return sums.cancelled == sums.chosen && sums.chosen != 0 && written ? exit_ok : exit_failed;
}

int Cancel::carry_out(Audit& audit) {
    Cancelling cancelling(cancelling_);
    auto looking = Looking::begin(tracing_, cancelling, chosen_by);
    if (!looking) {
        return looking.error();
    }
    bool acted = false;
    std::vector<std::string> gone;
    const auto end = look(
        **looking, {.first_ns = older_than_ns_},
        [&](std::uint64_t now_ns) {
            const auto all = (*looking)->everything_in_flight(now_ns);
            const auto chosen = choose((*looking)->in_flight(now_ns));
            gone = missing(chosen);
            acted = !chosen.empty();
            cancelling.act(**looking, chosen, all);
        },
        [&] { return cancelling.settled(); });
    if (!end) {
        return end.error();
    }
    int status = tell(**looking, cancelling, audit);
    for (const std::string& id : gone) {
        print_error(fmt::format("{}: it has ended, or never was", id));
        status = exit_failed;
    }
    if (!acted && ids_.empty()) {
        print_error("nothing in flight fits");
    }
    const int finished = (*looking)->tracing().finish(*end);
    return finished != exit_ok ? finished : status;
}

int Cancel::run() {
    if (const auto settled = settle(); !settled) {
        print_error(settled.error());
        return exit_usage;
    }
    Audit audit;
    if (!dry_run_) {
        if (const auto opened = audit.open(audit_); !opened) {
            print_error(opened.error());
            return exit_failed;
        }
    }
    if (dry_run_ || !yes_) {
        const auto chosen = preview();
        if (!chosen) {
            return chosen.error();
        }
        const bool whole = !chosen->empty() && missing(*chosen).empty();
        if (dry_run_) {
            return whole ? exit_ok : exit_failed;
        }
        if (chosen->empty() || !confirmed(chosen->size())) {
            print_error("nothing was cancelled");
            return exit_failed;
        }
        // What was shown, and no other.
        ids_.clear();
        for (const model::InFlight& each : *chosen) {
            ids_.push_back(each.id);
        }
        fd_.reset();
        all_ = false;
        older_than_ns_ = 0;
    }
    return carry_out(audit);
}

}  // namespace

std::unique_ptr<Command> make_cancel() {
    return std::make_unique<Cancel>();
}

}  // namespace inflight::cli
