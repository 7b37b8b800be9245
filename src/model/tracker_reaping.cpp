// SPDX-License-Identifier: Apache-2.0
// The tracker's part between a completion and its reaping: a request is handed out when its event has been reaped, or
// when that cannot or need not be waited for.
#include "model/tracker.hpp"

#include <algorithm>
#include <cstddef>

namespace inflight::model {

namespace {

constexpr std::size_t early_reaps_limit = 1U << 16U;  // of one context

void take_reaping(Request& request, const aio::EarlyReap& reap) {
    const ifl_io_event& event = reap.event;
    const std::uint64_t reaped_ns = reap.time_ns;
    request.reap_ns = reaped_ns;
    request.reap_call_ns = reap.call_ns;
    request.reap_call_id = reap.call_id;
    if (*request.complete_ns > reaped_ns) {
        request.complete_ns = reaped_ns;
        request.completion_exact = false;
    }
    if (!request.result_known) {
        request.result = event.res;
        request.result2 = event.res2;
        request.result_known = true;
    }
}

}  // namespace

void Tracker::forget_oldest_unreaped(ContextState& context) {
    while (!context.completed_order.empty()) {
        const TrackedPtr tracked = context.completed_order.take_front();
        if (context.unreaped.remove(*tracked)) {
            unreaped_--;
            hand_out(*tracked);
            hand_out_waiting(context, 0);
            return;
        }
    }
}

void Tracker::hand_out_waiting(ContextState& context, std::uint64_t completed_before_ns) {
    auto& waiting = context.waiting;
    while (!waiting.empty() &&
           (waiting.front()->handed_out || *waiting.front()->request->complete_ns < completed_before_ns)) {
        hand_out(*waiting.front());
        waiting.pop_front();
    }
}

void Tracker::hand_out(Tracked& tracked) {
    if (!tracked.handed_out) {
        tracked.handed_out = true;
        sink_.on_request(*tracked.request);
    }
}

// The event of a request may have been reaped before its record came: it was on its way, or no hook saw the end.
bool Tracker::take_early_reap(ContextState& context, Request& request) {
    const auto early = context.early_reaps.take(request);
    if (!early) {
        return false;
    }
    take_reaping(request, *early);
    // Whoever got its event was not abandoned; its context went away between the event and the end of the request.
    request.context_dead = false;
    return true;
}

void Tracker::reap(ContextState& context, const EarlyReap& reap) {
    const TrackedPtr tracked = context.unreaped.take(reap.event, reap.time_ns);
    if (!tracked) {
        if (context.early_reaps.size() >= early_reaps_limit) {
            resolve_early_reaps(context, now_ns_);
        }
        context.early_reaps.add(reap);
        return;
    }
    unreaped_--;
    take_reaping(*tracked->request, reap);
    if (!tracked->handed_out) {
        decide_outcome(*tracked);
    }
    hand_out(*tracked);
    // One that was reaped in user space stays at the front: now and then those behind it that are done with are
    // removed.
    const std::size_t many = 2 * context.unreaped.size() + 64;
    if (context.completed_order.size() > many) {
        context.completed_order.erase_if([](const TrackedPtr& each) { return each->request->reap_ns.has_value(); });
    }
    if (context.waiting.size() > many) {
        context.waiting.erase_if([](const TrackedPtr& each) { return each->handed_out; });
    }
    hand_out_waiting(context, 0);
}

void Tracker::on_io_events(const ifl_io_events& record) {
    const std::size_t room = (record.header.size_bytes - offsetof(ifl_io_events, events)) / sizeof(ifl_io_event);
    const std::size_t count = std::min({std::size_t{record.count}, room, std::size_t{IFL_IO_EVENTS_PER_RECORD}});
    constexpr std::uint64_t ns_per_us = 1000;
    const std::uint64_t time_ns = record.header.time_ns;
    const std::uint64_t call_ns = time_ns - std::min(time_ns, record.header.span_us * ns_per_us);
    if (record.context_id != 0) {
        ContextState* const context = context_of(record.context_id);
        for (std::size_t i = 0; i < count && context != nullptr; i++) {
            reap(*context, {.time_ns = time_ns,
                            .call_ns = call_ns,
                            .call_id = record.call_id,
                            .event = record.events[i],
                            .pid = record.pid});
        }
    }
    if ((options_.events_wanted & (1U << IFL_IO_GETEVENTS | 1U << IFL_IO_PGETEVENTS)) != 0) {
        auto& partial = partial_of(record.call_id, record.header.time_ns);
        partial_parts_ += count;
        partial.returned.insert(partial.returned.end(), &record.events[0], &record.events[count]);
    }
}

// Events that io_getevents returned of requests whose completion no hook has shown.
void Tracker::resolve_early_reaps(ContextState& context, std::uint64_t older_than_ns) {
    // Of several events and requests of one iocb the oldest belong together.
    for (const EarlyReap& early : context.early_reaps.take_until(older_than_ns)) {
        TrackedPtr tracked = context.in_flight.take(early.event, early.time_ns);
        if (!tracked && context.existed) {
            // It completed before the trace began, or its submission is older: not ours to report.
            continue;
        }
        if (!tracked) {
            submissions_unseen_++;
            tracked = std::make_shared<Tracked>();
            tracked->request = std::make_shared<Request>();
            tracked->request->unpaired = true;
            tracked->request->context_id = context.context.context_id;
            tracked->request->ctx_id = context.context.ctx_id;
            tracked->request->address = early.event.obj;
            tracked->request->user_data = early.event.data;
            tracked->request->user_data_known = true;
            tracked->request->pid = context.context.pid;
            tracked->request->uid = context.context.uid;
            tracked->request->comm = context.context.comm;
        }
        completions_unseen_++;
        Request& request = *tracked->request;
        request.completion_seen = false;
        request.completion_exact = false;
        request.complete_ns = early.time_ns;
        request.reap_ns = early.time_ns;
        request.reap_call_ns = early.call_ns;
        request.reap_call_id = early.call_id;
        request.result = early.event.res;
        request.result2 = early.event.res2;
        decide_outcome(*tracked);
        remember(context, tracked);
        hand_out(*tracked);
    }
}

}  // namespace inflight::model
