// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include "cancel.hpp"
#include "direct.hpp"
#include "futex.hpp"
#include "memory.hpp"
#include "process.hpp"
#include "registry.hpp"
#include "sys.hpp"
#include "worker.hpp"

#include <ctime>

namespace inflight::aio {

namespace {

// Requests that were cancelled keep their place until the worker has taken their poll from the kernel.
constexpr std::uint32_t spare_slots = 1024;
// The number of a place and the address of an iocb share one user_data.
constexpr std::uint32_t most_slots = (1U << 17) - 2;

void pause_us(long microseconds) {
    const timespec time{0, microseconds * 1000};
    (void)sys(SYS_nanosleep, &time, nullptr);
}

void reset(Context& context) {
    context.in_flight = 0;
    context.block_page = 0;
    for (auto& hint : context.hints) {
        hint.forget();
        hint.forget_counts();
    }
    context.waiters = 0;
    context.slots = SlotTable{};
    context.masked = Uring{};
    context.masked_taken = false;
    context.signals.reset();
    context.ring = Uring{};
    context.bell.reset();
    context.has_worker = false;
    context.worker_thread = 0;
    context.stop = false;
    context.ready = 0;
    context.asleep = false;
    context.has_work = false;
    context.looks_soon = false;
    context.queue_first = no_slot;
    context.queue_last = no_slot;
    context.signals_owed = 1;
    context.pins.free_places = nullptr;
    context.pins.count = 0;
    context.pins.free_count = 0;
    context.pins.stale_count = 0;
    context.pins.owed = 0;
    context.pins.filled = 0;
    context.orders = nullptr;
    context.abandons = false;
    context.kicks = 0;
    context.adoption = Adoption::none;
    context.inside_in_flight = 0;
    context.unfilled = 0;
    context.direct = Uring{};
    context.direct_signal = -1;
    context.direct_in_flight = 0;
    context.direct_watched = false;
    context.direct_vain = 0;
    context.direct_wanted = 0;
    context.direct_doubted = no_slot;
    context.direct_ticks = false;
    context.direct_seen = 0;
    context.direct_ended = 0;
    context.direct_listens = true;
    context.last_waiter = 0;
}

void release(Context& context) {
    stop_worker(context);
    context.direct.destroy();
    context.masked.destroy();
    context.signals.destroy();
    context.slots.destroy();
    context.events.destroy();
}

}  // namespace

[[gnu::hot]] ContextRef::ContextRef(std::uint64_t handle) {
    if (handle == 0 || !is_this_process()) {
        return;
    }
    Context* context = find_registered(handle);
    if (context == nullptr) {
        return;
    }
    context->users.fetch_add(1);
    // It may have been taken down, even made anew for another handle, before it was held.
    if (context->handle.load() != handle || context->closing.load()) {
        context->users.fetch_sub(1);
        return;
    }
    context_ = context;
}

[[gnu::hot]] ContextRef::~ContextRef() {
    if (context_ != nullptr) {
        context_->users.fetch_sub(1);
    }
}

[[gnu::noinline, gnu::cold]] long create_context(unsigned max_events, std::uint64_t* handle) {
    RegistryLock lock;
    Context* context = unused_context();
    if (context == nullptr) {
        return -ENOMEM;
    }
    reset(*context);
    if (!context->events.create(max_events, registered_count())) {
        give_context(context);
        return -ENOMEM;
    }
    context->closing = false;
    const std::uint64_t address = address_of(context->events.header());
    context->handle = address;
    if (!register_context(address, context)) {
        context->handle = 0;
        release(*context);
        give_context(context);
        return -ENOMEM;
    }
    *handle = address;
    return 0;
}

bool create_slots(Context& context) {
    const std::uint32_t slots = context.events.capacity() + spare_slots;
    return context.slots.create(slots < most_slots ? slots : most_slots);
}

[[gnu::noinline, gnu::cold]] long destroy_context(std::uint64_t handle) {
    Context* context = nullptr;
    {
        ContextRef found{handle};
        if (!found || found->closing.exchange(true)) {
            return -EINVAL;
        }
        context = &*found;
        Guard guard{*context};
        for (std::uint32_t i = 0; i < context->slots.size(); ++i) {
            abandon(*context, i);
        }
        call_off(*context);
    }
    wake_worker(*context);
    wake_waiters(*context);
    // Those inside io_submit and io_getevents leave; then what the kernel still works at ends.
    for (;;) {
        {
            Guard guard{*context};
            harvest_direct(*context);
            call_off(*context);
            if (context->in_flight == 0 && context->users.load() == 0) {
                break;
            }
            for (std::uint32_t i = 0; i < context->slots.size(); ++i) {
                abandon(*context, i);
            }
        }
        wake_worker(*context);
        wake_waiters(*context);
        pause_us(50);
    }
    RegistryLock lock;
    context->handle = 0;
    unregister_context(handle);
    release(*context);
    give_context(context);
    return 0;
}

void forget_all_contexts() {
    for_each_registered([](std::uint64_t, Context& context) {
        context.ring.forget();
        context.direct.forget();
        context.masked.forget();
        context.signals.forget();
    });
    clear_registry();
    renew_ring_lock();
}

void publish(Context& context, std::uint64_t data, std::uint64_t iocb, std::int64_t result) {
    context.events.push(io_event{data, iocb, result, 0});
    --context.in_flight;
    publish_nothing(context);
    kick_direct_watcher(context, 1);
}

void publish_nothing(Context& context) {
    // The lock orders it for who waits, and a waiter has taken the lock to look.
    context.sequence.store(context.sequence.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void call_off(Context& context) {
    publish_nothing(context);
    kick_direct_watcher(context, context.direct_wanted);
    context.direct_wanted = 0;
}

void wake_waiters(Context& context) {
    if (context.waiters.load() != 0) {
        futex_wake(context.sequence);
    }
    if (context.kicks.load() != 0) {
        wake_worker(context);
    }
}

}  // namespace inflight::aio
