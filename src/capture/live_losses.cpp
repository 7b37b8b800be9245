// SPDX-License-Identifier: Apache-2.0
// The live source's part that tells what was lost, as the kernel side counts it.
#include "capture/live_source.hpp"

#include <bpf/bpf.h>

#include <array>
#include <string_view>

namespace inflight::capture {

namespace {

#define KIND_NAME(id, number, name, least, most, of) std::string_view(#name),
constexpr std::array kind_names{std::string_view(), IFL_FOR_EACH_KIND(KIND_NAME)};
#undef KIND_NAME
static_assert(kind_names.size() == IFL_KIND_COUNT);

}  // namespace

// By CPU; empty: they cannot be read.
std::vector<ifl_counters> LiveSource::read_counters() const {
    std::vector<ifl_counters> counters(delivered_.size());
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(probes_.counters_fd(), &zero, counters.data()) != 0) {
        counters.clear();
    }
    return counters;
}

model::Losses LiveSource::losses() const {
    model::Losses losses;
    const std::vector<ifl_counters> counters = read_counters();
    for (std::size_t cpu = 0; cpu < counters.size(); cpu++) {
        const ifl_counters& counter = counters[cpu];
        model::CpuLoss cpu_loss{.cpu = static_cast<std::uint32_t>(cpu), .kinds = {}};
        for (std::size_t kind = 1; kind < IFL_KIND_COUNT; kind++) {
            if (kind == IFL_SNAPSHOT) {
                continue;  // written by the user side
            }
            cpu_loss.kinds.push_back(
                {.kind = std::string(kind_names.at(kind)),
                 .generated = counter.generated[kind],
                 .delivered = delivered_[cpu].at(kind),
                 .lost = finished_ ? counter.generated[kind] - delivered_[cpu].at(kind) : counter.lost[kind]});
        }
        losses.cpus.push_back(std::move(cpu_loss));
    }
    for (const ifl_counters& counter : counters_at_end_.empty() ? counters : counters_at_end_) {
        losses.requests_untracked += counter.requests_untracked;
        losses.calls_untracked += counter.calls_untracked;
        losses.contexts_untracked += counter.contexts_untracked;
        losses.exits_missed += counter.exits_missed;
    }
    losses.requests_untracked += requests_not_told_;
    losses.contexts_untracked += rings_not_looked_at_;
    losses.programs_skipped = probes_.programs_skipped();
    losses.out_of_order = sorter_.out_of_order();
    return losses;
}

}  // namespace inflight::capture
