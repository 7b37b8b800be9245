// SPDX-License-Identifier: Apache-2.0
#include "unharmed/driver/campaign.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

namespace inflight::unharmed {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr unsigned batch = 40;
// Of each kind of step one, on however busy a machine.
constexpr unsigned steps_least = 3;
constexpr unsigned endless = 1'000'000;

}  // namespace

Result<Child> Campaign::start_canceller(TargetProgram& target, unsigned count) {
    std::vector<std::string> command{plan_.programs + "/unharmed_canceller", target.board_path(),
                                     std::to_string(target.pid()), std::to_string(count), std::to_string(random_())};
    command.insert(command.end(), plan_.ways.begin(), plan_.ways.end());
    return Child::start(command, file("canceller.out"));
}

// Half of them right after it was seen to trace the target, half whenever.
void Campaign::kill_at_random(TargetProgram& target, Child& canceller, std::chrono::microseconds at_most) {
    const auto give_up = Clock::now() + 300ms;
    bool tracing = false;
    if (random_() % 2 == 0) {
        sleep_for(std::chrono::microseconds(random_() % 20'000));
        while (!tracing && !canceller.ended() && Clock::now() < give_up) {
            tracing = target.tracer() != 0;
        }
        const auto moment = Clock::now() + std::chrono::microseconds(random_() % 1'500);
        while (Clock::now() < moment) {
        }
    } else {
        sleep_for(std::chrono::microseconds(random_() % static_cast<std::uint64_t>(at_most.count())));
    }
    if (!canceller.ended()) {
        canceller.kill();
        tally_.kills++;
        tally_.kills_while_tracing += tracing ? 1 : 0;
    }
}

Result<void> Campaign::cancel_by_canceller(TargetProgram& target) {
    auto canceller = start_canceller(target, plan_.kills ? endless : batch);
    if (!canceller) {
        return std::unexpected(canceller.error());
    }
    if (plan_.kills) {
        kill_at_random(target, *canceller, 60ms);
        return {};
    }
    const auto status = canceller->wait(30s);
    if (!status) {
        note(tally_.deviations, fmt::format("{}: a cancel expected to end within 30 s", kind_.name));
        canceller->kill();
    } else if (*status != 0) {
        note(tally_.deviations, fmt::format("{}: the canceller {} expected 0", kind_.name, describe_status(*status)));
    }
    return {};
}

Result<void> Campaign::cancel_by_inflight(TargetProgram& target) {
    const std::string out = file("inflight.out");
    auto child = Child::start({plan_.programs + "/inflight", "cancel", "-p", std::to_string(target.pid()), "--all",
                               "--yes", "--timeout", "100ms", "-o", "json"},
                              out);
    if (!child) {
        return std::unexpected(child.error());
    }
    if (plan_.kills) {
        kill_at_random(target, *child, 900ms);
        return {};
    }
    if (!child->wait(60s)) {
        note(tally_.deviations, fmt::format("{}: inflight cancel expected to end within 60 s", kind_.name));
        child->kill();
    }
    std::ifstream lines(out);
    for (std::string line; std::getline(lines, line);) {
        const bool made = line.find("\"call_start_ns\":") != std::string::npos;
        tally_.by_inflight += made && line.find("\"type\":\"cancelled\"") != std::string::npos ? 1 : 0;
    }
    return {};
}

Result<void> Campaign::attach_debugger(TargetProgram& target, Tormentor& tormentor) {
    const auto quiet = tormentor.pause();
    const Excused excused(target.its());
    auto debugger = Child::start({"gdb", "-nx", "-batch", "-p", std::to_string(target.pid())}, file("gdb.out"));
    if (!debugger) {
        return std::unexpected(debugger.error());
    }
    if (debugger->wait(30s)) {
        tally_.debugger_attached++;
    }
    return {};
}

Result<void> Campaign::act(TargetProgram& target, Tormentor& tormentor, unsigned step) {
    constexpr unsigned each_inflight = 24;
    constexpr unsigned each_debugger = 64;
    if (plan_.debugger && step % each_debugger == 2) {
        if (auto attached = attach_debugger(target, tormentor); !attached) {
            return attached;
        }
    }
    if (plan_.control) {
        sleep_for(50ms);
        return {};
    }
    if (plan_.inflight && step % each_inflight == 1) {
        return cancel_by_inflight(target);
    }
    if (auto cancelled = cancel_by_canceller(target); !cancelled) {
        return cancelled;
    }
    return plan_.debugger && step % each_debugger == 33 ? attach_debugger(target, tormentor) : Result<void>{};
}

void Campaign::count(const board& its) {
    auto& counted = const_cast<board&>(its);
    tally_.by_canceller += load(counted.cancels_made);
    tally_.begun += load(counted.cancels_begun);
    tally_.ended += load(counted.cancels_ended);
    tally_.refused += load(counted.cancels_refused);
    if (its.last_refusal[0] != '\0') {
        tally_.refusal = fmt::format("{}: {}", kind_.name, &its.last_refusal[0]);
    }
}

Result<void> Campaign::run_once(Clock::time_point end) {
    auto target = TargetProgram::start(kind_, plan_.programs, plan_.folder);
    if (!target) {
        return std::unexpected(target.error());
    }
    tally_.targets_started++;
    const auto before = tally_.cancels();
    bool lives = true;
    {
        Tormentor tormentor(*target, kind_, plan_.torments, tally_.torments, random_());
        for (unsigned step = 0; lives && (step < steps_least || Clock::now() < end); step++) {
            if (auto acted = act(*target, tormentor, step); !acted) {
                return acted;
            }
            const auto quiet = tormentor.pause();
            lives = target->check(tally_.deviations);
            if (plan_.cancels_most != 0 && before + load(target->its().cancels_made) >= plan_.cancels_most) {
                break;
            }
        }
    }
    if (lives) {
        target->finish(tally_.deviations);
    } else {
        target->collect(tally_.deviations);
    }
    count(target->its());
    return {};
}

Result<void> Campaign::kill_target() {
    auto target = TargetProgram::start(kind_, plan_.programs, plan_.folder);
    if (!target) {
        return std::unexpected(target.error());
    }
    auto canceller = start_canceller(*target, endless);
    if (!canceller) {
        return std::unexpected(canceller.error());
    }
    sleep_for(std::chrono::microseconds(5'000 + random_() % 30'000));
    target->child().signal(SIGKILL);
    const auto status = target->child().wait(10s);
    if (!status || !WIFSIGNALED(*status) || WTERMSIG(*status) != SIGKILL) {
        note(tally_.deviations,
             fmt::format("{}: killed while it is cancelled in, expected its parent to learn of it, got {}", kind_.name,
                         status ? describe_status(*status) : "nothing in 10 s"));
    }
    canceller->kill();
    tally_.targets_killed++;
    target->collect(tally_.deviations);
    count(target->its());
    return {};
}

Result<void> Campaign::run(Clock::time_point end) {
    // One that is harmed is started anew.
    do {
        if (auto ran = run_once(end); !ran) {
            return ran;
        }
    } while (Clock::now() < end && (plan_.cancels_most == 0 || tally_.cancels() < plan_.cancels_most));
    for (int i = 0; i < 2 && !plan_.control; i++) {
        if (auto killed = kill_target(); !killed) {
            return killed;
        }
    }
    return {};
}

}  // namespace inflight::unharmed
