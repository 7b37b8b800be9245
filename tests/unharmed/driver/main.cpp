// SPDX-License-Identifier: Apache-2.0
// Shows that programs which requests are cancelled in are not changed by it: while they check themselves they are
// stopped, sent signals, debugged and killed, and (second mode) whoever cancels is killed. Ends with what was done, and
// exit status 0 where nothing has deviated.
#include "unharmed/driver/campaign.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace inflight::unharmed {
namespace {

constexpr std::array target_kinds{
    TargetKind{"registers", "unharmed_registers", "", false, 20},
    TargetKind{"calls", "unharmed_calls", "", false, 3000},
    TargetKind{"sections", "unharmed_sections", "", false, 100},
    TargetKind{"signals", "unharmed_signals", "", true, 10},
    TargetKind{"families", "unharmed_families", "", false, 3000},
    TargetKind{"execs", "unharmed_families", "execs", false, 1000},
    TargetKind{"heap", "unharmed_heap", "", false, 100},
    TargetKind{"submit", "unharmed_calls", "submit", false, 3000},
};

struct Options {
    unsigned seconds = 60;
    std::uint64_t cancels = 0;
    std::uint64_t seed = 1;
    std::string mode = "both";
    std::vector<std::string> targets;
    std::vector<std::string> torments{"stop", "tstp", "cont", "usr1", "usr2", "alrm", "queued"};
    std::vector<std::string> ways{"ring", "inject", "no-stop"};
    bool without_debugger = false;
    bool without_inflight = false;
    bool control = false;
};

class Folder {
public:
    Folder() : path_(std::filesystem::temp_directory_path() / fmt::format("unharmed-{}", ::getpid())) {
        std::filesystem::create_directory(path_);
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

bool has_debugger() {
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (::access((folder + "/gdb").c_str(), X_OK) == 0) {
            return true;
        }
    }
    return false;
}

std::uint64_t print(const std::string& mode, const Tally& tally) {
    fmt::print("unharmed, mode {}:\n", mode);
    fmt::print("  cancels              {} begun by the canceller: {} made ({} ended a request), {} refused\n",
               tally.begun, tally.by_canceller, tally.ended, tally.refused);
    fmt::print("                       {} made by inflight cancel\n", tally.by_inflight);
    if (!tally.refusal.empty()) {
        fmt::print("  last refusal         {}\n", tally.refusal);
    }
    fmt::print("  stops, signals       {}, {}\n", tally.torments.stops.load(), tally.torments.signals.load());
    fmt::print("  kills of cancellers  {}, {} of them seen to trace\n", tally.kills, tally.kills_while_tracing);
    fmt::print("  debugger attached    {}\n", tally.debugger_attached);
    fmt::print("  targets              {} started, {} killed\n", tally.targets_started, tally.targets_killed);
    std::uint64_t sum = 0;
    for (const auto& [kind, deviation] : tally.deviations) {
        sum += deviation.count;
    }
    fmt::print("  deviations           {}\n", sum);
    for (const auto& [kind, deviation] : tally.deviations) {
        fmt::print("{:>8} {}\n", deviation.count, deviation.example);
    }
    return sum;
}

Result<std::uint64_t> run(const Options& options, const std::string& mode, std::chrono::seconds time) {
    const Folder folder;
    std::error_code error;
    Plan plan{.programs = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string(),
              .folder = folder.path(),
              .torments = options.torments,
              .ways = options.ways,
              .inflight = !options.without_inflight,
              .debugger = !options.without_debugger && has_debugger(),
              .control = options.control,
              .kills = mode == "kills",
              .cancels_most = options.cancels};
    if (!options.without_debugger && !plan.debugger) {
        fmt::print("gdb is not installed: no debugger attaches\n");
    }
    std::vector<TargetKind> kinds;
    std::ranges::copy_if(target_kinds, std::back_inserter(kinds), [&](const TargetKind& kind) {
        return options.targets.empty() || std::ranges::find(options.targets, kind.name) != options.targets.end();
    });
    Tally tally;
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < kinds.size(); i++) {
        const auto end = begin + time * (i + 1) / kinds.size();
        Campaign campaign(plan, kinds[i], tally, options.seed + i);
        if (auto ran = campaign.run(end); !ran) {
            return std::unexpected(ran.error());
        }
        const auto took = std::chrono::steady_clock::now() - begin;
        fmt::print("  {:>4} s {}: {} cancels so far, {} kinds of deviations\n",
                   std::chrono::duration_cast<std::chrono::seconds>(took).count(), kinds[i].name, tally.cancels(),
                   tally.deviations.size());
        static_cast<void>(std::fflush(stdout));
    }
    const auto deviations = print(mode, tally);
    if (deviations == 0 && tally.ended == 0 && !plan.control) {
        return failure("unharmed", "no request was ended by a cancel: nothing is shown");
    }
    return deviations;
}

}  // namespace
}  // namespace inflight::unharmed

int main(int argc, char** argv) {
    using namespace inflight::unharmed;
    Options options;
    CLI::App app("Whether programs are harmed by cancels");
    app.add_option("--seconds", options.seconds, "How long at most, all modes together")->capture_default_str();
    app.add_option("--cancels", options.cancels, "End each target earlier once so many cancels were made (0: no limit)")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "Of what is random")->capture_default_str();
    app.add_option("--mode", options.mode, "signals, kills (of whoever cancels) or both")
        ->check(CLI::IsMember({"signals", "kills", "both"}))
        ->capture_default_str();
    app.add_option("--targets", options.targets,
                   "registers, calls, sections, signals, families, execs, heap, submit (default all)")
        ->delimiter(',');
    app.add_option("--torments", options.torments, "Signals to send, `none` for none")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--ways", options.ways, "How to cancel: ring, inject, no-stop")
        ->delimiter(',')
        ->capture_default_str();
    app.add_flag("--without-debugger", options.without_debugger, "Do not attach gdb");
    app.add_flag("--without-inflight", options.without_inflight, "Only the canceller cancels");
    app.add_flag("--control", options.control, "Cancel nothing: there must be no deviation then");
    CLI11_PARSE(app, argc, argv);
    std::erase(options.torments, "none");
    if (::geteuid() != 0) {
        fmt::print("SKIP: unharmed needs root\n");
        return 77;
    }
    const std::vector<std::string> modes =
        options.mode == "both" ? std::vector<std::string>{"signals", "kills"} : std::vector<std::string>{options.mode};
    std::uint64_t deviations = 0;
    for (const std::string& mode : modes) {
        const auto ran = run(options, mode, std::chrono::seconds(options.seconds / modes.size()));
        if (!ran) {
            fmt::print(stderr, "{}\n", ran.error().message());
            return 2;
        }
        deviations += *ran;
    }
    return deviations == 0 ? 0 : 1;
}
