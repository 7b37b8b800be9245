// SPDX-License-Identifier: Apache-2.0
// The live source's part that tells the consumer of losses, so that no verdict is more certain than what it rests on.
#include "capture/live_source.hpp"
#include "model/losses.hpp"

#include <numeric>

namespace inflight::capture {

namespace {

std::uint64_t lost_of(const ifl_counters& counters) {
    return std::accumulate(std::begin(counters.lost), std::end(counters.lost), std::uint64_t{0}) +
           counters.requests_untracked + counters.calls_untracked + counters.contexts_untracked + counters.exits_missed;
}

}  // namespace

void LiveSource::tell_of_losses(Consumer& consumer, bool all) {
    std::uint64_t counted = sorter_.out_of_order();
    for (const ifl_counters& counters : read_counters()) {
        counted += lost_of(counters);
    }
    // Most looks end here: the full account is long on a machine of many CPUs.
    if (counted == counted_lost_ && !all) {
        return;
    }
    counted_lost_ = counted;
    model::Losses now = losses();
    if (model::hide_requests(model::losses_since(losses_told_, now))) {
        losses_told_ = std::move(now);
        consumer.note_losses();
    }
}

}  // namespace inflight::capture
