// SPDX-License-Identifier: Apache-2.0
#include "drain.hpp"

#include "clock.hpp"
#include "context.hpp"
#include "direct.hpp"
#include "process.hpp"
#include "registry.hpp"
#include "sys.hpp"
#include "worker.hpp"

namespace inflight::aio {

namespace {

// A signal handler may end the process when it has interrupted its own thread in here, which then holds the lock and
// does not go on: what is in flight cannot be known. Its owner is noted a moment after the lock is taken, and crossed
// out a moment before it is let go; nobody else holds it for a second.
bool lock_for_a_second(Context& context) {
    const timespec deadline = time_of(now_ns() + second_ns);
    return context.lock.lock_until(deadline);
}

// Whether something would be missing on a disk if it were not done. A read ends with the process, as its memory does; a
// pipe's request might never end.
bool leaves_something(const Slot& slot) {
    return slot.state != State::unused && slot.state != State::cancelled && !slot.stream &&
           slot.operation != Operation::poll && slot.operation != Operation::read;
}

// Whether any was marked.
bool mark_what_is_in_flight(Context& context) {
    bool any = false;
    for (std::uint32_t i = 0; i < context.slots.size(); ++i) {
        Slot& slot = context.slots[i];
        slot.awaited = leaves_something(slot);
        any = any || slot.awaited;
    }
    return any;
}

bool is_any_left(Context& context) {
    for (std::uint32_t i = 0; i < context.slots.size(); ++i) {
        const Slot& slot = context.slots[i];
        if (slot.awaited && leaves_something(slot)) {
            return true;
        }
    }
    return false;
}

void drain(Context& context) {
    bool first = true;
    for (;;) {
        if (!lock_for_a_second(context)) {
            return;
        }
        // Also when a thread waits for these: it may be ours, and never go on.
        if (context.adoption == Adoption::done) {
            Taker nobody;
            harvest_direct_watched(context, nobody);
        }
        const bool busy = first ? mark_what_is_in_flight(context) : is_any_left(context);
        first = false;
        context.lock.unlock();
        if (!busy) {
            return;
        }
        // In the same way that thread may have been about to do this.
        nudge_worker(context);
        const timespec moment{0, 200'000};
        (void)sys(SYS_nanosleep, &moment, nullptr);
    }
}

// One that is being taken down by another thread has its requests waited for there.
void wait_for_destroyer(const Context& context, std::uint64_t handle) {
    const std::uint64_t deadline_ns = now_ns() + second_ns;
    while (context.handle.load() == handle && now_ns() < deadline_ns) {
        const timespec moment{0, 200'000};
        (void)sys(SYS_nanosleep, &moment, nullptr);
    }
}

}  // namespace

void drain_all_contexts() {
    if (!is_this_process()) {
        return;
    }
    for_each_registered([](std::uint64_t handle, Context& context) {
        ContextRef held{handle};
        if (held) {
            drain(*held);
        } else {
            wait_for_destroyer(context, handle);
        }
    });
}

}  // namespace inflight::aio
