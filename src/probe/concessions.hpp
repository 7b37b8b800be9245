// SPDX-License-Identifier: Apache-2.0
// What is done without while a way is sought in which this kernel takes our programs.
#pragma once

#include "base/result.hpp"
#include "probe/features.hpp"
#include "probe/hooks.hpp"
#include "probe/kernel.hpp"

#include <string>
#include <vector>

namespace inflight::probe {

// --without-hook NAME or NAME:TIER, as if the kernel refused it.
[[nodiscard]] std::vector<Refusal> refusals_for(const std::vector<std::string>& without);
// An error where one of them names no hook.
[[nodiscard]] Result<void> check_hook_names(const std::vector<std::string>& without);

// Takes what a kernel refuses away from what is asked of it: a tier from a hook, or what a program is for from the
// whole. Not thread-safe; used by the thread that loads.
class Concessions {
public:
    // `verbose`: what the kernel says of a refused program is written to a file.
    Concessions(std::vector<Refusal> refusals, bool verbose) : refusals_(std::move(refusals)), verbose_(verbose) {}

    [[nodiscard]] const std::vector<Refusal>& refusals() const { return refusals_; }
    [[nodiscard]] const GivenUp& given_up() const { return given_up_; }
    [[nodiscard]] const std::vector<std::string>& verifier_logs() const { return verifier_logs_; }

    // After a load that failed. False: it is no program's fault, or the program is needed.
    [[nodiscard]] bool after_load(const Plan& plan, const KernelTypes& types, const Symbols& symbols);
    // After a program that could not be attached, or loaded. False: it is needed.
    [[nodiscard]] bool give_up(const RefusedProgram& refused);
    void refuse(Refusal refusal) { refusals_.push_back(std::move(refusal)); }

private:
    std::vector<Refusal> refusals_;
    GivenUp given_up_;
    bool verbose_;
    std::vector<std::string> verifier_logs_;
};

}  // namespace inflight::probe
