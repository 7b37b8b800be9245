// SPDX-License-Identifier: Apache-2.0
// How a live source ends: the last looks, and what is left is handed over.
#include "capture/live_source.hpp"

#include <algorithm>
#include <ctime>

namespace inflight::capture {

namespace {

// The kernel goes on cancelling what a program has left in its rings, in workers and one tick of its timer later.
constexpr std::uint64_t dying_rings_ns = 500'000'000;
constexpr long dying_rings_step_ns = 1'000'000;
// Of very many rings not all are looked at a last time.
constexpr std::uint64_t last_surveys_ns = 500'000'000;
constexpr std::size_t clock_interval = 64;  // records between two looks at the clock
// However slow the machine is: what an ordinary trace has left when a signal ends it.
constexpr std::size_t least_handed_over = 4'096;

}  // namespace

Result<void> LiveSource::finish(Consumer& consumer, Ending ending) {
    std::unordered_map<std::uint64_t, ifl_ring> rings;
    if (ending == Ending::before_the_programs) {
        read_contexts();
        uring_.for_each_ring([&rings](const ifl_ring& ring) { rings.emplace(ring.context_id, ring); });
        // See LateRequests. What is counted while hooks are missing says nothing.
        end_ns_ = monotonic_ns();
        counters_at_end_ = read_counters();
    }
    if (ending == Ending::with_the_program && rings_seen_) {
        if (auto waited = wait_for_dying_rings(); !waited) {
            return waited;
        }
    }
    detaching_ = ending == Ending::before_the_programs;
    probes_.detach();
    drain();
    detaching_ = false;
    if (ending == Ending::with_the_program) {
        read_contexts();
    }
    // Twice: the first finds what the second makes sure of.
    for (int look = 0; look < 2 && rings_seen_; look++) {
        if (auto surveyed = survey_to_the_end(); !surveyed) {
            return surveyed;
        }
    }
    drain();
    bury_rings(~std::uint64_t{0});
    read_rings(rings);
    auto taken = take_snapshot(true);
    finished_ = true;
    const std::uint64_t look_ns = monotonic_ns();
    tell_of_losses(consumer, true);
    hand_over_the_rest(consumer);
    consumer.finish(look_ns);
    return taken;
}

// Each ring once; of very many, those that the time suffices for.
Result<void> LiveSource::survey_to_the_end() {
    const std::uint64_t stop_ns = monotonic_ns() + last_surveys_ns;
    probes_.begin_last_survey();
    for (;;) {
        const auto left = probes_.go_on_with_last_survey();
        if (!left) {
            return std::unexpected(left.error());
        }
        rings_not_looked_at_ = *left;
        if (*left == 0 || hurry_.is_over() || monotonic_ns() >= stop_ns) {
            return {};
        }
        drain_some();
    }
}

Result<void> LiveSource::wait_for_dying_rings() {
    const std::uint64_t stop_ns = monotonic_ns() + dying_rings_ns;
    // Where no function of io_uring can be hooked, only a look at the ring tells that it was closed.
    if (auto surveyed = survey_to_the_end(); !surveyed) {
        return surveyed;
    }
    drain();
    const auto ends_soon = [this](const ClosedRing& closed) {
        return closed.buried_ns == 0 && uring_.awaits_ends(closed.ring);
    };
    while (std::ranges::any_of(rings_to_bury_, ends_soon) && monotonic_ns() < stop_ns && !hurry_.is_over()) {
        const timespec step{.tv_sec = 0, .tv_nsec = dying_rings_step_ns};
        ::nanosleep(&step, nullptr);
        drain();
    }
    return {};
}

void LiveSource::hand_over_the_rest(Consumer& consumer) {
    std::size_t handed_over = 0;
    std::uint64_t requests_shown = 0;
    const auto deliver = [&](const ifl_header& record) {
        consumer.on_record(record);
        const bool in_flight = (record.kind == IFL_REQUEST &&
                                reinterpret_cast<const ifl_request&>(record).state == IFL_REQUEST_IN_FLIGHT) ||
                               (record.kind == IFL_URING_REQUEST &&
                                reinterpret_cast<const ifl_uring_request&>(record).state == IFL_UREQ_IN_FLIGHT);
        requests_shown = record.kind == IFL_SNAPSHOT ? 0 : requests_shown + (in_flight ? 1 : 0);
    };
    const auto go_on = [&] {
        handed_over++;
        return handed_over < least_handed_over || handed_over % clock_interval != 0 || !hurry_.is_over();
    };
    if (sorter_.release(~std::uint64_t{0}, deliver, go_on)) {
        return;
    }
    consumer.note_losses();
    // The consumer knows what is in flight when it has got all of a look at it.
    requests_not_told_ += requests_shown;
    sorter_.discard([this](const ifl_header& record, Sorter::Maker maker) {
        const bool is_request = record.kind == IFL_REQUEST || record.kind == IFL_URING_REQUEST;
        if (maker == Sorter::Maker::kernel_side) {
            delivered_[record.cpu].at(record.kind)--;
        } else if (is_request) {
            requests_not_told_++;
        }
    });
}

}  // namespace inflight::capture
