// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include "cancel.hpp"
#include "direct.hpp"
#include "memory.hpp"
#include "process.hpp"
#include "registry.hpp"
#include "sys.hpp"
#include "worker.hpp"

#include <linux/futex.h>

#include <climits>
#include <ctime>

namespace inflight::aio {

namespace {

// Requests that were cancelled keep their place until the worker has taken their poll from the kernel.
constexpr std::uint32_t spare_slots = 1024;
// The number of a place and the address of an iocb share one user_data.
constexpr std::uint32_t most_slots = (1U << 17) - 2;

long futex(const void* word, int operation, std::uint32_t value, const timespec* deadline) {
    return sys(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void pause_us(long microseconds) {
    const timespec time{0, microseconds * 1000};
    (void)sys(SYS_nanosleep, &time, nullptr);
}

void reset(Context& context) {
    context.in_flight = 0;
    context.block_page = 0;
    for (auto& hint : context.hints) {
        hint.forget();
        hint.count(Operation::read, true);
        hint.count(Operation::write, true);
    }
    context.waiters = 0;
    context.masked_waiters = 0;
    context.masked_wakeup = -1;
    context.ring = Uring{};
    context.has_worker = false;
    context.stop = false;
    context.wakeup = -1;
    context.asleep = false;
    context.has_work = false;
    context.looks_soon = false;
    context.queue_first = no_slot;
    context.queue_last = no_slot;
    context.signals_owed = 1;
    context.pins_free = nullptr;
    context.pin_count = 0;
    context.pin_never_used = 0;
    context.pins_free_count = 0;
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

void close_descriptor(int& descriptor) {
    if (descriptor >= 0) {
        (void)sys(SYS_close, descriptor);
    }
    descriptor = -1;
}

void release(Context& context) {
    stop_worker(context);
    context.direct.destroy();
    close_descriptor(context.direct_signal);
    close_descriptor(context.masked_wakeup);
    context.slots.destroy();
    context.events.destroy();
}

// Whether the request ends though nobody does anything: a file's, unlike a pipe's.
bool ends_by_itself(const Slot& slot) {
    return slot.state != State::unused && slot.state != State::cancelled && !slot.stream &&
           slot.operation != Operation::poll;
}

void drain(Context& context) {
    for (;;) {
        // A signal handler may end the process when it has interrupted its own thread in here, which then holds the
        // lock and does not go on: what is in flight cannot be known. The owner is noted a moment after the lock is
        // taken, and crossed out a moment before it is let go; nobody else holds it for a second.
        timespec deadline{};
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += 1;
        if (!context.lock.lock_until(deadline)) {
            return;
        }
        // Also when a thread waits for these: it may be ours, and never go on.
        if (context.direct.is_open()) {
            Taker nobody;
            harvest_direct_watched(context, nobody);
        }
        bool busy = false;
        for (std::uint32_t i = 0; i < context.slots.size() && !busy; ++i) {
            busy = ends_by_itself(context.slots[i]);
        }
        context.lock.unlock();
        if (!busy) {
            return;
        }
        // In the same way that thread may have been about to do this.
        nudge_worker(context);
        pause_us(200);
    }
}

}  // namespace

long futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t value, const timespec* deadline) {
    return futex(&word, FUTEX_WAIT_BITSET, value, deadline);
}
void futex_wake(const std::atomic<std::uint32_t>& word) {
    (void)futex(&word, FUTEX_WAKE_BITSET, INT_MAX, nullptr);
}

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
    const std::uint32_t slots = context->events.capacity() + spare_slots;
    if (!context->slots.create(slots < most_slots ? slots : most_slots)) {
        context->events.destroy();
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
        return -EAGAIN;
    }
    *handle = address;
    return 0;
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

void drain_all_contexts() {
    if (is_this_process()) {
        for_each_registered([](Context& context) { drain(context); });
    }
}

void forget_all_contexts(bool close_descriptors) {
    for_each_registered([close_descriptors](Context& context) {
        if (close_descriptors) {
            context.ring.forget();
            context.direct.forget();
            close_descriptor(context.wakeup);
            close_descriptor(context.direct_signal);
            close_descriptor(context.masked_wakeup);
        }
    });
    clear_registry();
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
    if (context.masked_waiters.load() != 0) {
        const std::uint64_t one = 1;
        (void)sys(SYS_write, context.masked_wakeup, &one, sizeof one);
    }
}

}  // namespace inflight::aio
