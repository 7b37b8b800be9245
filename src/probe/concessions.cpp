// SPDX-License-Identifier: Apache-2.0
#include "probe/concessions.hpp"

#include "probe/bpf.hpp"
#include "probe/programs.hpp"

#include <algorithm>
#include <array>

namespace inflight::probe {

std::vector<Refusal> refusals_for(const std::vector<std::string>& without) {
    std::vector<Refusal> refusals;
    for (const auto& text : without) {
        const auto colon = text.rfind(':');
        const auto tier = colon == std::string::npos ? std::nullopt : tier_by_name(text.substr(colon + 1));
        const std::string hook = tier ? text.substr(0, colon) : text;
        for (const Tier each : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
            if (!tier || *tier == each) {
                refusals.push_back({.hook = hook, .tier = each, .reason = "left out with --without-hook"});
            }
        }
    }
    return refusals;
}

Result<void> check_hook_names(const std::vector<std::string>& without) {
    for (const auto& refusal : refusals_for(without)) {
        const auto known = [&](const HookSpec& spec) { return spec.name == refusal.hook; };
        if (refusal.hook != "*" && std::ranges::none_of(hook_specs(), known)) {
            return failure("--without-hook " + refusal.hook, "there is no such hook", "`inflight doctor` lists them");
        }
    }
    return {};
}

bool Concessions::after_load(const Plan& plan, const KernelTypes& types, const Symbols& symbols) {
    const auto refused = refused_program();
    if (!refused) {
        return false;
    }
    if (auto path = verbose_ ? write_verifier_log() : Result<std::string>(std::string()); path && !path->empty()) {
        verifier_logs_.push_back(*path);
    }
    bool of_a_tier = false;
    for (const auto& hook : plan.hooks) {
        const auto list = attachments(hook, types, symbols);
        if (std::ranges::find(list, refused->program, &Attachment::program) != list.end()) {
            refuse({.hook = std::string(hook.spec->name), .tier = hook.tier, .reason = refused->reason});
            of_a_tier = true;
        }
    }
    return of_a_tier || give_up(*refused);
}

bool Concessions::give_up(const RefusedProgram& refused) {
    if (!given_up_.give_up(refused)) {
        return false;
    }
    // Hooks that have no other tier left.
    struct Row {
        std::string_view feature;
        HookKind kind;
    };
    constexpr std::array rows{Row{"io_uring", HookKind::uring}, Row{"calls", HookKind::call},
                              Row{"aio", HookKind::request}};
    for (const auto& row : rows) {
        for (const auto& spec : hook_specs()) {
            if (row.feature == given_up_.lost().back().name && spec.kind == row.kind) {
                refuse({.hook = std::string(spec.name),
                        .tier = Tier::tracepoint,
                        .reason = refused.reason,
                        .given_up = true});
            }
        }
    }
    return true;
}

}  // namespace inflight::probe
