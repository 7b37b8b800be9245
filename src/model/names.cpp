// SPDX-License-Identifier: Apache-2.0
#include "model/summary.hpp"
#include "model/types.hpp"

#include <algorithm>
#include <iterator>

namespace inflight::model {
namespace {

// In the order of their enums.
constexpr std::string_view family_names[] = {"aio", "uring"};
constexpr std::string_view tier_names[] = {"none", "fentry", "kprobe", "tracepoint"};
constexpr std::string_view outcome_names[] = {"in-flight", "completed", "failed", "cancelled", "abandoned"};
constexpr std::string_view verdict_names[] = {
    "cancelled",   "completed-first", "already-cancelled", "not-cancellable", "unknown-request",
    "bad-context", "bad-key",         "bad-pointer",       "running",         "bad-argument"};
constexpr std::string_view severity_names[] = {"info", "warn", "critical"};
constexpr std::string_view change_names[] = {"created", "found", "destroyed", "at-end", "observed"};
constexpr std::string_view cause_names[] = {
    "none",      "cancel",      "link-failed", "link-timeout",     "target-ended",
    "task-exit", "ring-closed", "unknown",     "denied-by-filter", "denied-by-restriction"};
constexpr std::string_view way_names[] = {"io_cancel",   "async-cancel",   "sync-cancel",
                                          "poll-remove", "timeout-remove", "link-timeout"};

static_assert(std::size(outcome_names) == outcome_count && std::size(verdict_names) == verdict_count);

template <std::size_t count, typename Enum>
std::string_view lookup(const std::string_view (&names)[count], Enum value) {
    const auto index = static_cast<std::size_t>(value);
    return index < count ? names[index] : "?";
}

}  // namespace

std::string_view name(Family family) {
    return lookup(family_names, family);
}

std::string_view name(Tier tier) {
    return lookup(tier_names, tier);
}

std::string_view name(Outcome outcome) {
    return lookup(outcome_names, outcome);
}

std::string_view name(Verdict verdict) {
    return lookup(verdict_names, verdict);
}

std::string_view name(Severity severity) {
    return lookup(severity_names, severity);
}

std::string_view name(ContextChange change) {
    return lookup(change_names, change);
}

std::string_view name(EndCause cause) {
    return lookup(cause_names, cause);
}

std::string_view name(CancelWay way) {
    return lookup(way_names, way);
}

std::optional<Outcome> outcome_by_name(std::string_view name) {
    const auto* found = std::ranges::find(outcome_names, name);
    if (found == std::end(outcome_names)) {
        return std::nullopt;
    }
    return static_cast<Outcome>(found - std::begin(outcome_names));
}

std::uint64_t Losses::records_lost() const {
    std::uint64_t lost = 0;
    for (const CpuLoss& cpu : cpus) {
        for (const KindLoss& kind : cpu.kinds) {
            lost += kind.lost;
        }
    }
    return lost;
}

std::uint64_t Losses::total() const {
    return records_lost() + requests_untracked + calls_untracked + contexts_untracked + exits_missed +
           programs_skipped + completions_unseen + submissions_unseen + out_of_order;
}

}  // namespace inflight::model
