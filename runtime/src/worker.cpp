// SPDX-License-Identifier: Apache-2.0
#include "worker.hpp"

#include "cancel.hpp"
#include "direct.hpp"
#include "futex.hpp"
#include "requests.hpp"
#include "sys.hpp"
#include "transfer.hpp"

#include <poll.h>

#include <iterator>

namespace inflight::aio {

namespace {

constexpr unsigned sq_entries = 256;
constexpr unsigned most_cq_entries = 16384;

// Completions of no request. `ignored_data` is the next.
constexpr std::uint64_t wakeup_data = ~std::uint64_t{0};
constexpr std::uint64_t direct_data = ~std::uint64_t{0} - 1;
constexpr std::uint64_t order_data = ~std::uint64_t{0} - 3;

constexpr std::uint32_t ready_to_work = UINT32_MAX;

io_uring_sqe* some_sqe(Context& context) {
    io_uring_sqe* sqe = context.ring.next_sqe();
    if (sqe == nullptr) {
        (void)context.ring.submit();
        sqe = context.ring.next_sqe();
    }
    return sqe;
}

// Watches the direct ring's eventfd, which is only ever raised: each time it is, one completion.
void watch_direct(Context& context) {
    if (io_uring_sqe* sqe = some_sqe(context)) {
        sqe->opcode = IORING_OP_POLL_ADD;
        sqe->flags = IOSQE_FIXED_FILE;
        sqe->fd = direct_signal_place;
        sqe->poll32_events = POLLIN;
        sqe->len = IORING_POLL_ADD_MULTI;
        sqe->user_data = direct_data;
    }
}

void signal_eventfd(Context& context, std::int32_t pin) {
    io_uring_sqe* sqe = some_sqe(context);
    if (sqe != nullptr) {
        sqe->opcode = IORING_OP_WRITE;
        sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        sqe->fd = pin;
        sqe->addr = address_of(&context.signals_owed);
        sqe->len = sizeof context.signals_owed;
        sqe->off = ~std::uint64_t{0};
        sqe->user_data = ignored_data;
    }
}

// Ends that are to be told.
struct Ends {
    std::uint32_t places[64];
    unsigned count = 0;
};

// Files are let go before the events are queued, so that who sees an event finds its file closed.
void tell(Context& context, Ends& ends) {
    std::int32_t signals[64];
    unsigned signal_count = 0;
    {
        Guard guard{context};
        for (unsigned i = 0; i < ends.count; ++i) {
            Slot& slot = context.slots[ends.places[i]];
            unpin_file(context, slot.pin);
            slot.pin = -1;
        }
        for (unsigned i = 0; i < ends.count; ++i) {
            Slot& slot = context.slots[ends.places[i]];
            const std::int32_t signal = slot.signal;
            slot.signal = -1;
            if (end_request(context, ends.places[i]) && signal >= 0) {
                signals[signal_count++] = signal;
            } else {
                unpin_file(context, signal);
            }
        }
    }
    ends.count = 0;
    wake_waiters(context);
    // An eventfd is raised after its event is in the ring: who is woken by it reads the ring.
    for (unsigned i = 0; i < signal_count; ++i) {
        signal_eventfd(context, signals[i]);
    }
    if (signal_count != 0) {
        (void)context.ring.submit();
        Guard guard{context};
        for (unsigned i = 0; i < signal_count; ++i) {
            unpin_file(context, signals[i]);
        }
    }
}

// The file of a request whose thread could not hand it to the ring itself.
void fill_owed(Context& context, Slot& slot) {
    if (slot.signal_owed) {
        fill_place(context, slot.signal, slot.signal_file);
    }
    if (!slot.pin_owed) {
        return;
    }
    const long second = slot.reopened ? open_nonblocking(slot.file, slot.operation) : -1;
    if (second < 0) {
        slot.nonblocking_works = slot.nonblocking_works && !slot.reopened;
        slot.reopened = false;
        fill_place(context, slot.pin, slot.file);
        return;
    }
    const auto descriptor = static_cast<std::int32_t>(second);
    fill_place(context, slot.pin, descriptor);
    (void)context.ring.submit();
    close_if_is(descriptor, identify(slot.file));
}

// Takes requests from the queue as long as the ring has room for them. How many of them were owed their files.
std::uint32_t start_queued(Context& context, Ends& ends) {
    constexpr unsigned entries_each = 3;  // two files and the request
    std::uint32_t owed = 0;
    while (context.queue_first != no_slot && ends.count < std::size(ends.places)) {
        const std::uint32_t index = context.queue_first;
        Slot& slot = context.slots[index];
        const bool over = slot.state == State::cancelled && slot.kernel_done;
        if (!over && context.ring.room() < entries_each) {
            break;
        }
        context.queue_first = slot.queue_next;
        slot.in_queue = false;
        if (slot.pin_owed || slot.signal_owed) {
            ++owed;
            if (!over) {
                fill_owed(context, slot);
            }
            slot.pin_owed = false;
            slot.signal_owed = false;
        }
        if (!over) {
            prepare(context, index, *context.ring.next_sqe());
        } else if (after_cancel(context, index)) {
            ends.places[ends.count++] = index;
        }
    }
    return owed;
}

// Counts requests whose files the kernel holds.
void note_filled(Context& context, std::uint32_t owed) {
    if (owed != 0) {
        (void)context.ring.submit();
        context.pins.filled.fetch_add(owed);
        context.unfilled.fetch_sub(owed);
        futex_wake(context.pins.filled);
    }
}

void end_order(CancelOrder& order, long result) {
    order.result = result;
    // It stands on the stack of who waits, who goes on as soon as this is seen.
    order.done.store(1);
    futex_wake(order.done);
}

// One at a time, so that a completion says whose it is.
void submit_order(Context& context) {
    CancelOrder* order = context.orders;
    if (order == nullptr || order->submitted) {
        return;
    }
    if (io_uring_sqe* sqe = some_sqe(context)) {
        sqe->opcode = IORING_OP_ASYNC_CANCEL;
        sqe->addr = order->user_data;
        sqe->user_data = order_data;
        order->submitted = true;
    }
}

// What threads without a way to the ring have left to be done.
void do_chores(Context& context) {
    empty_stale_places(context);
    submit_order(context);
    if (context.abandons) {
        context.abandons = false;
        for (std::uint32_t i = 0; i < context.slots.size(); ++i) {
            if (is_stuck(context.slots[i])) {
                if (io_uring_sqe* sqe = some_sqe(context)) {
                    sqe->opcode = IORING_OP_ASYNC_CANCEL;
                    sqe->addr = context.slots.user_data_of(i);
                    sqe->user_data = ignored_data;
                }
            }
        }
    }
    if (const std::uint32_t count = context.kicks.exchange(0)) {
        kick_direct_watcher(context, count);
    }
    if (context.adoption == Adoption::wanted) {
        const bool reached = context.direct.attach();
        fill_place(context, direct_signal_place, context.direct_signal);
        watch_direct(context);
        (void)context.ring.submit();
        context.adoption = reached ? Adoption::done : Adoption::failed;
        publish_nothing(context);
        futex_wake(context.sequence);
    }
}

void take_completion(Context& context, const io_uring_cqe& cqe, Ends& ends) {
    switch (cqe.user_data) {
        case wakeup_data:
            context.bell.heard(cqe.flags);
            return;
        case direct_data:
            harvest_direct(context);
            context.direct_ticks = true;
            silence_direct(context);
            if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
                watch_direct(context);
            }
            return;
        case order_data: {
            CancelOrder* order = context.orders;
            context.orders = order->next;
            end_order(*order, cqe.res);
            return;
        }
        case ignored_data:
            return;
        default:
            break;
    }
    const std::uint32_t index = context.slots.place_of(cqe.user_data);
    if (after_completion(context, index, cqe.res)) {
        ends.places[ends.count++] = index;
    }
}

// By the worker itself, so that no moment passes in which it needs a descriptor that the program may close.
long make_ring(Context& context) {
    const std::uint32_t wanted = context.slots.size() < most_cq_entries ? context.slots.size() : most_cq_entries;
    long result = context.ring.create(sq_entries, wanted, IORING_SETUP_SUBMIT_ALL);
    if (result >= 0) {
        result = create_pins(context);
    }
    return result < 0 ? result : context.bell.create(context.ring, bell_place);
}

void* work(void* argument) {
    auto& context = *static_cast<Context*>(argument);
    context.worker_thread = this_thread();
    const long refusal = make_ring(context);
    context.ready = refusal == 0 ? ready_to_work : static_cast<std::uint32_t>(-refusal);
    futex_wake(context.ready);
    if (refusal != 0) {
        return nullptr;
    }
    Ends ends;
    bool was_busy = false;
    const __kernel_timespec tick{0, look_every_ns};
    for (;;) {
        bool idle = false;
        std::uint32_t owed = 0;
        Look look{};
        {
            Guard guard{context};
            if (context.stop) {
                return nullptr;
            }
            const std::uint32_t strokes = context.bell.strokes();
            do_chores(context);
            look = look_at_direct(context);
            was_busy = was_busy || context.queue_first != no_slot;
            owed = start_queued(context, ends);
            if (context.ring.room() == 0) {
                (void)context.ring.submit();
            }
            context.bell.listen(context.ring, strokes, wakeup_data);
            idle = context.queue_first == no_slot && ends.count == 0;
            context.has_work = !idle;
            context.asleep = idle;
            context.looks_soon = idle && was_busy;
        }
        note_filled(context, owed);
        if (ends.count != 0) {
            tell(context, ends);
        } else if (look.found) {
            wake_waiters(context);
        }
        if ((look.again || was_busy) && idle) {
            (void)context.ring.submit();
            // Who holds the lock when it is only time to look again is a thread that is about to look itself, and would
            // have to wake us from the wait for the lock.
            while (context.ring.wait(1, &tick) == -ETIME && !context.has_work.load() && context.lock.is_locked()) {
            }
        } else {
            (void)context.ring.submit_and_wait(idle ? 1 : 0);
        }
        context.asleep = false;
        was_busy = false;
        io_uring_cqe cqes[std::size(ends.places)];
        while (const unsigned count = context.ring.take(cqes, std::size(cqes))) {
            was_busy = true;
            {
                Guard guard{context};
                for (unsigned i = 0; i < count; ++i) {
                    take_completion(context, cqes[i], ends);
                }
            }
            tell(context, ends);
        }
    }
}

// Waits until it has its ring.
long start_worker(Context& context) {
    context.ready = 0;
    const long result = start_quiet_thread(context.worker, work, &context, "inflight-aio");
    if (result < 0) {
        return result;
    }
    while (context.ready.load() == 0) {
        (void)futex_wait(context.ready, 0, nullptr);
    }
    if (context.ready.load() == ready_to_work) {
        return 0;
    }
    pthread_join(context.worker, nullptr);
    return -static_cast<long>(context.ready.load());
}

void give_back(Context& context) {
    context.bell.destroy();
    context.ring.destroy();
    destroy_pins(context);
    context.worker_thread = 0;
}

}  // namespace

long ensure_worker(Context& context) {
    if (context.has_worker) {
        return 0;
    }
    long result = context.slots.size() != 0 || create_slots(context) ? 0 : -ENOMEM;
    if (result >= 0) {
        result = start_worker(context);
    }
    if (result < 0) {
        give_back(context);
        // Descriptors that are closed by another thread again and again.
        return result == -EBUSY ? -EAGAIN : result;
    }
    context.has_worker = true;
    return 0;
}

void stop_worker(Context& context) {
    if (!context.has_worker) {
        return;
    }
    {
        Guard guard{context};
        context.stop = true;
        context.has_work = true;
        context.asleep = true;
    }
    wake_worker(context);
    pthread_join(context.worker, nullptr);
    give_back(context);
    context.has_worker = false;
}

void enqueue(Context& context, std::uint32_t index) {
    Slot& slot = context.slots[index];
    context.has_work = true;
    slot.in_queue = true;
    slot.queue_next = no_slot;
    if (context.queue_first == no_slot) {
        context.queue_first = index;
    } else {
        context.slots[context.queue_last].queue_next = index;
    }
    context.queue_last = index;
}

void wake_worker(Context& context) {
    if (context.has_work.load() && context.asleep.exchange(false)) {
        nudge_worker(context);
    }
}

void nudge_worker(Context& context) {
    if (context.has_worker) {
        context.bell.strike();
    }
}

void wait_until_filled(Context& context, std::uint32_t owed) {
    std::uint32_t filled = 0;
    while (static_cast<std::int32_t>(owed - (filled = context.pins.filled.load())) > 0) {
        (void)futex_wait(context.pins.filled, filled, nullptr);
    }
}

}  // namespace inflight::aio
