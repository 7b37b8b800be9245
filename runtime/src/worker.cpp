// SPDX-License-Identifier: Apache-2.0
#include "worker.hpp"

#include "direct.hpp"
#include "memory.hpp"
#include "requests.hpp"
#include "sys.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <csignal>
#include <iterator>

namespace inflight::aio {

namespace {

constexpr unsigned sq_entries = 256;
constexpr unsigned most_cq_entries = 16384;
constexpr std::uint32_t most_pins = 32768;

// Places that are no request.
constexpr std::uint64_t wakeup_data = ~std::uint64_t{0};
constexpr std::uint64_t direct_data = ~std::uint64_t{0} - 1;

io_uring_sqe* some_sqe(Context& context) {
    io_uring_sqe* sqe = context.ring.next_sqe();
    if (sqe == nullptr) {
        (void)context.ring.submit();
        sqe = context.ring.next_sqe();
    }
    return sqe;
}

// Watches an eventfd that is only ever raised: each time it is, one completion.
void watch(Context& context, int descriptor, std::uint64_t user_data) {
    if (io_uring_sqe* sqe = some_sqe(context)) {
        sqe->opcode = IORING_OP_POLL_ADD;
        sqe->fd = descriptor;
        sqe->poll32_events = POLLIN;
        sqe->len = IORING_POLL_ADD_MULTI;
        sqe->user_data = user_data;
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

// Takes requests from the queue as long as the ring has room for them.
void start_queued(Context& context, Ends& ends) {
    while (context.queue_first != no_slot && ends.count < std::size(ends.places)) {
        const std::uint32_t index = context.queue_first;
        Slot& slot = context.slots[index];
        const bool over = slot.state == State::cancelled && slot.kernel_done;
        io_uring_sqe* sqe = over ? nullptr : context.ring.next_sqe();
        if (!over && sqe == nullptr) {
            return;
        }
        context.queue_first = slot.queue_next;
        slot.in_queue = false;
        if (!over) {
            prepare(context, index, *sqe);
        } else if (after_cancel(context, index)) {
            ends.places[ends.count++] = index;
        }
    }
}

void take_completion(Context& context, const io_uring_cqe& cqe, Ends& ends) {
    if (cqe.user_data == direct_data || cqe.user_data == wakeup_data) {
        const bool direct = cqe.user_data == direct_data;
        if (direct) {
            harvest_direct(context);
            context.direct_ticks = true;
            silence_direct(context);
        }
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
            watch(context, direct ? context.direct_signal : context.wakeup, cqe.user_data);
        }
    } else if (cqe.user_data != ignored_data) {
        const std::uint32_t index = context.slots.place_of(cqe.user_data);
        if (after_completion(context, index, cqe.res)) {
            ends.places[ends.count++] = index;
        }
    }
}

void* work(void* argument) {
    auto& context = *static_cast<Context*>(argument);
    Ends ends;
    bool watches_direct = false;
    bool was_busy = false;
    const __kernel_timespec tick{0, look_every_ns};
    watch(context, context.wakeup, wakeup_data);
    for (;;) {
        bool idle = false;
        Look look{};
        {
            Guard guard{context};
            if (context.stop) {
                return nullptr;
            }
            if (!watches_direct && context.direct.is_open()) {
                watch(context, context.direct_signal, direct_data);
                watches_direct = true;
            }
            look = look_at_direct(context);
            was_busy = was_busy || context.queue_first != no_slot;
            start_queued(context, ends);
            idle = context.queue_first == no_slot && ends.count == 0;
            context.has_work = !idle;
            context.asleep = idle;
            context.looks_soon = idle && was_busy;
        }
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

long make_ring(Context& context) {
    const std::uint32_t wanted = context.slots.size() < most_cq_entries ? context.slots.size() : most_cq_entries;
    long result = context.ring.create(sq_entries, wanted, IORING_SETUP_SUBMIT_ALL);
    if (result < 0) {
        return result;
    }
    rlimit limit{};
    (void)sys(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
    std::uint32_t pins = 2 * context.slots.size();
    pins = pins < most_pins ? pins : most_pins;
    pins = pins < limit.rlim_cur ? pins : static_cast<std::uint32_t>(limit.rlim_cur);
    io_uring_rsrc_register files{};
    files.nr = pins;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    result = context.ring.register_(IORING_REGISTER_FILES2, &files, sizeof files);
    context.pins_free = static_cast<std::int32_t*>(take_pages(pins * sizeof(std::int32_t)));
    context.pin_count = pins;
    context.pin_never_used = 0;
    context.pins_free_count = 0;
    if (result >= 0 && context.pins_free == nullptr) {
        result = -ENOMEM;
    }
    return result;
}

long start_thread(Context& context) {
    // The program's signals are the program's: none is ever handled in this thread.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    const int result = pthread_create(&context.worker, &attributes, work, &context);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (result == 0) {
        pthread_setname_np(context.worker, "inflight-aio");
    }
    return -result;
}

void give_back(Context& context) {
    context.ring.destroy();
    if (context.wakeup >= 0) {
        (void)sys(SYS_close, context.wakeup);
    }
    context.wakeup = -1;
    give_pages(context.pins_free, context.pin_count * sizeof(std::int32_t));
    context.pins_free = nullptr;
}

}  // namespace

long ensure_worker(Context& context) {
    if (context.has_worker) {
        return 0;
    }
    long result = make_ring(context);
    if (result >= 0) {
        result = sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
        context.wakeup = result < 0 ? -1 : static_cast<int>(result);
    }
    if (result >= 0) {
        result = start_thread(context);
    }
    if (result < 0) {
        give_back(context);
        return result;
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
        const std::uint64_t one = 1;
        (void)sys(SYS_write, context.wakeup, &one, sizeof one);
    }
}

long pin_file(Context& context, int descriptor) {
    const bool again = context.pins_free_count != 0;
    if (!again && context.pin_never_used == context.pin_count) {
        return -EAGAIN;
    }
    const auto index =
        again ? context.pins_free[context.pins_free_count - 1] : static_cast<std::int32_t>(context.pin_never_used);
    io_uring_files_update update{};
    update.offset = static_cast<std::uint32_t>(index);
    update.fds = address_of(&descriptor);
    const long result = context.ring.register_(IORING_REGISTER_FILES_UPDATE, &update, 1);
    if (result < 0) {
        return result;
    }
    if (again) {
        --context.pins_free_count;
    } else {
        ++context.pin_never_used;
    }
    return index;
}

void unpin_file(Context& context, std::int32_t index) {
    if (index < 0) {
        return;
    }
    const int none = -1;
    io_uring_files_update update{};
    update.offset = static_cast<std::uint32_t>(index);
    update.fds = address_of(&none);
    (void)context.ring.register_(IORING_REGISTER_FILES_UPDATE, &update, 1);
    context.pins_free[context.pins_free_count++] = index;
}

}  // namespace inflight::aio
