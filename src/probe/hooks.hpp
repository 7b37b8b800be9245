// SPDX-License-Identifier: Apache-2.0
// The hooks as a table, and the choice of a tier for each. No I/O: what the kernel has is given.
#pragma once

#include "base/result.hpp"
#include "contract/records.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::probe {

enum class Tier : std::uint8_t {
    none = IFL_TIER_NONE,
    fentry = IFL_TIER_FENTRY,
    kprobe = IFL_TIER_KPROBE,
    tracepoint = IFL_TIER_TRACEPOINT
};

[[nodiscard]] std::string_view name(Tier tier);
[[nodiscard]] std::optional<Tier> tier_by_name(std::string_view text);

enum class HookKind : std::uint8_t {
    call,     // a system call: its entry and return
    request,  // a function of fs/aio.c; all of them or, instead, the slab tracepoints
    process,  // a tracepoint or iterator of its own, in every tier
    extra,    // a function that shows what no tracepoint does: fentry, kprobe or not at all
    uring,    // the same, for io_uring: absent where the kernel has no io_uring
};

struct HookSpec {
    std::string_view name;  // "io_cancel": what doctor prints and --without-hook takes
    HookKind kind;
    std::string_view function;  // the kernel function, of the native ABI; of `uring` a tracepoint that must exist
    std::optional<ifl_syscall> syscall;
    std::string_view purpose;
    bool returns;  // needs the function's return too
};
[[nodiscard]] std::span<const HookSpec> hook_specs();

// Why a tier is not available for a hook, or ("*") for all.
struct Refusal {
    std::string hook;
    Tier tier = Tier::none;
    std::string reason;
    bool given_up = false;  // the hook is done without when no tier is left
};

struct HookChoice {
    const HookSpec* spec = nullptr;
    Tier tier = Tier::none;
    std::vector<std::string> refused;  // "fentry: EPERM (...)", best tier first
    std::string lost;                  // what this tier does not give, a sentence; empty: nothing
};

struct Plan {
    std::vector<HookChoice> hooks;
    std::uint32_t calls_by_tracepoint = 0;  // bit per ifl_syscall
    bool requests_by_tracepoint = false;

    [[nodiscard]] bool degraded() const;
    [[nodiscard]] std::string tiers() const;  // "fentry", "fentry and tracepoint"
};

// Whether this kernel knows the function, for a tier; the reason when it does not.
using Possible = std::function<std::optional<std::string>(Tier, std::string_view function)>;

// Fails when `forced`, or every tier, is not available for a call or request hook.
[[nodiscard]] Result<Plan> plan_hooks(std::optional<Tier> forced, const std::vector<Refusal>& refusals,
                                      const Possible& why_not);

}  // namespace inflight::probe
