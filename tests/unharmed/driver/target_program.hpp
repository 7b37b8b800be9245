// SPDX-License-Identifier: Apache-2.0
// A target that runs, and what it is to be after each cancel.
#pragma once

#include "unharmed/driver/child.hpp"
#include "unharmed/shared_board.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace inflight::unharmed {

// Which target, and what is done to it.
struct TargetKind {
    const char* name;     // of the driver's option
    const char* program;  // beside the driver
    const char* argument;
    bool queued_signals;             // it counts them
    unsigned torments_each_ms_most;  // the longest pause between two
};

struct Deviation {
    std::uint64_t count = 0;
    std::string example;
};
// By what has deviated.
using Deviations = std::map<std::string, Deviation>;
void note(Deviations& deviations, const std::string& text, std::uint64_t count = 1);

class TargetProgram {
public:
    // Waits until its requests are in flight.
    [[nodiscard]] static Result<TargetProgram> start(const TargetKind& kind, const std::string& programs,
                                                     const std::string& folder);

    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    [[nodiscard]] board& its() const { return board_.get(); }
    [[nodiscard]] const std::string& board_path() const { return board_path_; }
    [[nodiscard]] Child& child() { return child_; }
    // 0: nobody traces it.
    [[nodiscard]] pid_t tracer() const;

    // After a cancel: it lives, nobody traces it, no thread of it is stopped. False: it is gone.
    [[nodiscard]] bool check(Deviations& deviations);
    // Lets it end, and takes its own count.
    void finish(Deviations& deviations);
    // What it found so far, when it has ended.
    void collect(Deviations& deviations) const;

private:
    TargetProgram(const TargetKind& kind, Child child, SharedBoard shared, std::string path)
        : kind_(kind), child_(std::move(child)), board_(std::move(shared)), board_path_(std::move(path)) {}
    [[nodiscard]] std::string stopped_threads() const;
    void remove_system_v() const;

    TargetKind kind_;
    Child child_;
    SharedBoard board_;
    std::string board_path_;
};

}  // namespace inflight::unharmed
