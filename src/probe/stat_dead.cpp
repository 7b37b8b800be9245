// SPDX-License-Identifier: Apache-2.0
// What programs leave in the tables of `inflight stat` when they end.
#include "probe/processes.hpp"
#include "probe/stat_loader.hpp"

#include <bpf/bpf.h>

#include <map>

namespace inflight::probe {

namespace {

constexpr ifl_u64 slot_open = 1;

}  // namespace

void StatProbes::end_those_of_dead(std::uint64_t begun_before_ns) {
    std::map<std::uint32_t, bool> dead;
    const auto is_dead = [&](const ifl_stat_slot& slot) {
        if ((slot.tag & slot_open) == 0 || slot.pid == 0 || IFL_IS_ELSEWHERE(slot.pid) ||
            slot.start_ns >= begun_before_ns) {
            return false;
        }
        const auto [known, first] = dead.try_emplace(slot.pid, false);
        if (first) {
            known->second = has_ended(slot.pid);
        }
        return known->second;
    };
    for (ifl_stat_slot& slot : writable_slots()) {
        const ifl_stat_slot seen = slot;
        if (!is_dead(seen)) {
            continue;
        }
        ifl_u64 expected = seen.tag;
        if (__atomic_compare_exchange_n(&slot.tag, &expected, seen.tag & ~slot_open, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            count_unseen(seen);
        }
    }
    if (shared().collided == 0) {
        return;
    }
    for (const ifl_stat_slot& slot : collided()) {
        if (is_dead(slot)) {
            const ifl_u64 id = slot.tag & ~slot_open;
            if (remove_collided(id)) {
                count_unseen(slot);
            }
        }
    }
}

}  // namespace inflight::probe
