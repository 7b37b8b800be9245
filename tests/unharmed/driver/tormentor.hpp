// SPDX-License-Identifier: Apache-2.0
// Sends signals to a target at random moments.
#pragma once

#include "unharmed/driver/target_program.hpp"

#include <atomic>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace inflight::unharmed {

struct Torments {
    std::atomic<std::uint64_t> stops = 0;  // SIGSTOP or SIGTSTP, each with its SIGCONT
    std::atomic<std::uint64_t> signals = 0;
};

class Tormentor {
public:
    // `names`: of stop, tstp, cont, usr1, usr2, alrm, queued. All stay until this goes.
    Tormentor(TargetProgram& target, const TargetKind& kind, const std::vector<std::string>& names, Torments& torments,
              std::uint64_t seed);
    ~Tormentor() = default;
    Tormentor(const Tormentor&) = delete;
    Tormentor& operator=(const Tormentor&) = delete;

    // While it is held nothing is sent, and the target was told to continue.
    [[nodiscard]] std::unique_lock<std::mutex> pause() { return std::unique_lock(quiet_); }

private:
    void run(const std::stop_token& stop);
    void torment();
    void send(int number) const;
    void queue();

    TargetProgram& target_;
    const TargetKind& kind_;
    std::vector<std::string> names_;
    Torments& torments_;
    std::mt19937_64 random_;
    std::mutex quiet_;
    std::jthread thread_;  // the last: it ends first
};

// The time in which the target's calls may end with EINTR.
class Excused {
public:
    explicit Excused(board& its) : its_(its) { increase(its_.torments_begun); }
    ~Excused();
    Excused(const Excused&) = delete;
    Excused& operator=(const Excused&) = delete;

private:
    board& its_;
};

}  // namespace inflight::unharmed
