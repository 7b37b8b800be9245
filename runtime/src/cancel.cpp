// SPDX-License-Identifier: Apache-2.0
#include "cancel.hpp"

#include "futex.hpp"
#include "requests.hpp"
#include "sys.hpp"
#include "worker.hpp"

#include <ctime>

namespace inflight::aio {

namespace {

// How long a thread that cancels waits to learn what became of a request that was interrupted while it ran.
constexpr long patience_ns = 10'000'000;

// Stops what has not begun: nothing but a poll is in the kernel, and what that finds no longer matters.
void stop_unbegun(Context& context, std::uint32_t index, bool queued_event) {
    Slot& slot = context.slots[index];
    slot.hidden = true;
    leave_inside(context, slot);
    slot.kernel_done = slot.state == State::queued;
    slot.state = State::cancelled;
    slot.still_told = queued_event;
    if (!slot.in_queue) {
        enqueue(context, index);
    }
    if (!queued_event) {
        --context.in_flight;
        publish_nothing(context);
    }
}

io_event event_of(const Slot& slot) {
    return {slot.data, slot.iocb, slot.done_bytes != 0 ? static_cast<std::int64_t>(slot.done_bytes) : -ECANCELED, 0};
}

// Before 6.3, and for a thread that came after the program had closed the ring's descriptor, the worker asks.
long order_from_worker(Context& context, std::uint64_t user_data) {
    CancelOrder order{user_data, 0, false, {0}, nullptr};
    {
        Guard guard{context};
        CancelOrder** last = &context.orders;
        while (*last != nullptr) {
            last = &(*last)->next;
        }
        *last = &order;
        context.has_work = true;
    }
    nudge_worker(context);
    while (order.done.load() == 0) {
        (void)futex_wait(order.done, 0, nullptr);
    }
    return order.result;
}

bool can_ask(const Context& context) {
    return registers_by_index() && context.ring.attach();
}

long cancel_by_register(Context& context, std::uint64_t user_data) {
    io_uring_sync_cancel_reg request{};
    request.addr = user_data;
    request.fd = -1;
    const long result = context.ring.register_(IORING_REGISTER_SYNC_CANCEL, &request, 1);
    // It waited for no time at all.
    return result == -ETIME ? -EALREADY : result;
}

// Asks the kernel to stop it. 0: it was stopped. -EALREADY: it was interrupted. -ENOENT: it is not in the kernel's
// hands, or out of reach. Without the lock.
long ask_kernel(Context& context, std::uint64_t user_data) {
    const long result = can_ask(context) ? cancel_by_register(context, user_data) : Uring::unreachable;
    return result == Uring::unreachable ? order_from_worker(context, user_data) : result;
}

void wait_for_end(const std::uint32_t& word, bool for_ever) {
    timespec limit{0, patience_ns};
    while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == cancel_waits) {
        const long result = sys(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, cancel_waits,
                                for_ever ? nullptr : &limit, nullptr, 0);
        if (result == -ETIMEDOUT) {
            return;
        }
    }
}

long cancel_running(Context& context, std::uint32_t index, io_event& event) {
    Slot& slot = context.slots[index];
    if (slot.canceller != 0 || slot.must_go_on) {
        return -EAGAIN;
    }
    slot.canceller = cancel_waits;
    const std::uint64_t user_data = context.slots.user_data_of(index);
    const bool may_wait = slot.stream;
    context.lock.unlock();
    const long result = ask_kernel(context, user_data);
    if (result >= 0 || may_wait) {
        wait_for_end(slot.canceller, result >= 0);
    }
    context.lock.lock();
    const std::uint32_t outcome = slot.canceller;
    slot.canceller = 0;
    if (outcome == cancel_waits) {
        slot.must_go_on = true;
        return -EAGAIN;
    }
    event = event_of(slot);
    if (outcome == cancel_won) {
        --context.in_flight;
        publish_nothing(context);
    }
    free_request(context, index);
    return outcome == cancel_won ? 0 : -EAGAIN;
}

}  // namespace

long cancel_place(Context& context, std::uint32_t index, bool queued_event, io_event& event) {
    Slot& slot = context.slots[index];
    switch (slot.state) {
        case State::queued:
        case State::armed:
            event = event_of(slot);
            stop_unbegun(context, index, queued_event);
            return queued_event ? -EINPROGRESS : 0;
        case State::running:
            return queued_event ? -EINVAL : cancel_running(context, index, event);
        default:
            return queued_event ? -EINVAL : -EAGAIN;
    }
}

long cancel_request(Context& context, std::uint64_t iocb, bool queued_event, io_event& event) {
    long result = -EINVAL;
    bool looks_soon = false;
    {
        Guard guard{context};
        const std::uint32_t index = context.slots.find(iocb);
        if (index != no_slot) {
            result = cancel_place(context, index, queued_event, event);
        }
        looks_soon = context.looks_soon;
    }
    // To wake it costs more than all else here, and what it has to do, to take a poll from the kernel, can wait a
    // moment.
    if (!looks_soon || queued_event) {
        wake_worker(context);
    }
    wake_waiters(context);
    return result;
}

void abandon(Context& context, std::uint32_t index) {
    const Slot& slot = context.slots[index];
    if (!slot.stream && slot.operation != Operation::poll) {
        return;
    }
    if (slot.state == State::queued || slot.state == State::armed) {
        stop_unbegun(context, index, false);
    } else if (is_stuck(slot) && can_ask(context)) {
        (void)cancel_by_register(context, context.slots.user_data_of(index));
    } else if (is_stuck(slot)) {
        context.abandons = true;
        context.has_work = true;
    }
}

bool is_stuck(const Slot& slot) {
    return slot.state == State::running && slot.stream && !slot.nonblocking_works;
}

}  // namespace inflight::aio
