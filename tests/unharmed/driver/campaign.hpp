// SPDX-License-Identifier: Apache-2.0
// What is done to one target.
#pragma once

#include "unharmed/driver/target_program.hpp"
#include "unharmed/driver/tormentor.hpp"

#include <chrono>
#include <random>
#include <string>
#include <vector>

namespace inflight::unharmed {

struct Plan {
    std::string programs;  // the folder of the driver, the targets, the canceller and inflight
    std::string folder;    // for boards and outputs
    std::vector<std::string> torments;
    std::vector<std::string> ways;  // ring, inject, no-stop
    bool inflight = true;           // `inflight cancel` is run, too
    bool debugger = true;           // gdb is there
    bool control = false;           // nothing is cancelled: what the targets see of the torments alone
    bool kills = false;             // whoever cancels is killed
    std::uint64_t cancels_most = 0;
};

struct Tally {
    std::uint64_t begun = 0;         // by the canceller; some are killed in the middle, or refused
    std::uint64_t by_canceller = 0;  // ... and made to the end
    std::uint64_t ended = 0;
    std::uint64_t refused = 0;
    std::uint64_t by_inflight = 0;
    std::uint64_t kills = 0;
    std::uint64_t kills_while_tracing = 0;
    std::uint64_t debugger_attached = 0;
    std::uint64_t targets_killed = 0;
    std::uint64_t targets_started = 0;
    std::string refusal;  // the last
    Torments torments;
    Deviations deviations;

    [[nodiscard]] std::uint64_t cancels() const { return by_canceller + by_inflight; }
};

class Campaign {
public:
    Campaign(const Plan& plan, const TargetKind& kind, Tally& tally, std::uint64_t seed)
        : plan_(plan), kind_(kind), tally_(tally), random_(seed) {}

    // The error is of the harness itself.
    [[nodiscard]] Result<void> run(std::chrono::steady_clock::time_point end);

private:
    // One target, until it is gone or the time is over.
    [[nodiscard]] Result<void> run_once(std::chrono::steady_clock::time_point end);
    [[nodiscard]] Result<void> act(TargetProgram& target, Tormentor& tormentor, unsigned step);
    [[nodiscard]] Result<Child> start_canceller(TargetProgram& target, unsigned count);
    [[nodiscard]] Result<void> cancel_by_canceller(TargetProgram& target);
    [[nodiscard]] Result<void> cancel_by_inflight(TargetProgram& target);
    [[nodiscard]] Result<void> attach_debugger(TargetProgram& target, Tormentor& tormentor);
    // The target ends while it is cancelled in, and its parent learns of it.
    [[nodiscard]] Result<void> kill_target();
    void kill_at_random(TargetProgram& target, Child& canceller, std::chrono::microseconds at_most);
    void count(const board& its);
    [[nodiscard]] std::string file(const std::string& name) const { return plan_.folder + "/" + name; }

    const Plan& plan_;
    const TargetKind& kind_;
    Tally& tally_;
    std::mt19937_64 random_;
};

}  // namespace inflight::unharmed
