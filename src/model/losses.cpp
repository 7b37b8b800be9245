// SPDX-License-Identifier: Apache-2.0
#include "model/losses.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace inflight::model {

namespace {

constexpr std::array counts{&Losses::requests_untracked, &Losses::calls_untracked,  &Losses::contexts_untracked,
                            &Losses::exits_missed,       &Losses::programs_skipped, &Losses::completions_unseen,
                            &Losses::submissions_unseen, &Losses::out_of_order};
constexpr std::array kind_counts{&KindLoss::generated, &KindLoss::delivered, &KindLoss::lost};

// Records without which no verdict changes.
constexpr std::array<std::string_view, 6> only_shown{"iocbs", "file", "cgroup", "unmap", "tally", "unreaped"};

const KindLoss* find(const Losses& losses, std::uint32_t cpu, const std::string& kind) {
    const auto found = std::ranges::find(losses.cpus, cpu, &CpuLoss::cpu);
    if (found == losses.cpus.end()) {
        return nullptr;
    }
    const auto same = std::ranges::find(found->kinds, kind, &KindLoss::kind);
    return same == found->kinds.end() ? nullptr : &*same;
}

}  // namespace

Losses losses_since(const Losses& before, const Losses& now) {
    Losses since = now;
    for (const auto count : counts) {
        since.*count -= std::min(before.*count, now.*count);
    }
    for (auto& cpu : since.cpus) {
        for (auto& kind : cpu.kinds) {
            if (const KindLoss* was = find(before, cpu.cpu, kind.kind)) {
                for (const auto count : kind_counts) {
                    kind.*count -= std::min(was->*count, kind.*count);
                }
            }
        }
    }
    return since;
}

bool hide_requests(const Losses& losses) {
    const auto hides = [](const KindLoss& kind) {
        return kind.lost != 0 && std::ranges::find(only_shown, kind.kind) == only_shown.end();
    };
    return std::ranges::any_of(counts, [&losses](const auto count) { return losses.*count != 0; }) ||
           std::ranges::any_of(losses.cpus, [&](const CpuLoss& cpu) { return std::ranges::any_of(cpu.kinds, hides); });
}

void add_part(Losses& to, const Losses& part) {
    for (const auto count : counts) {
        to.*count += part.*count;
    }
    for (const auto& cpu : part.cpus) {
        auto found = std::ranges::find(to.cpus, cpu.cpu, &CpuLoss::cpu);
        if (found == to.cpus.end()) {
            to.cpus.push_back(cpu);
            continue;
        }
        for (const auto& kind : cpu.kinds) {
            auto same = std::ranges::find(found->kinds, kind.kind, &KindLoss::kind);
            if (same == found->kinds.end()) {
                found->kinds.push_back(kind);
                continue;
            }
            for (const auto count : kind_counts) {
                (*same).*count += kind.*count;
            }
        }
    }
}

}  // namespace inflight::model
