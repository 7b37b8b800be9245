// SPDX-License-Identifier: Apache-2.0
#include "direct.hpp"

#include "requests.hpp"
#include "sys.hpp"
#include "transfer.hpp"
#include "worker.hpp"

#include <linux/fs.h>
#include <sys/eventfd.h>

namespace inflight::aio {

namespace {

constexpr unsigned direct_entries = 64;
constexpr std::uint64_t kick_data = ~std::uint64_t{0};

// The file would have made the submission wait: the worker's ring takes it, with the file as it is now.
void hand_over(Context& context, std::uint32_t index, std::int32_t result) {
    Slot& slot = context.slots[index];
    const bool held = slot.pin >= 0;
    const long pin = held ? slot.pin : pin_file(context, slot.file);
    if (pin < 0) {
        slot.result = result;
        (void)end_request(context, index);
        return;
    }
    slot.pin = static_cast<std::int32_t>(pin);
    slot.at_device = false;
    // It was taken for a file by its number alone. (When it was held from the start the number may mean another by
    // now.)
    slot.stream = !held && !is_file(slot.file);
    slot.nonblocking_works = slot.stream;
    slot.state = State::queued;
    enqueue(context, index);
}

void end(Context& context, const io_uring_cqe& cqe) {
    if (cqe.user_data == kick_data) {
        return;
    }
    const std::uint32_t index = context.slots.place_of(cqe.user_data);
    Slot& slot = context.slots[index];
    --context.direct_in_flight;
    ++context.direct_ended;
    const bool refused = cqe.res == -EAGAIN || cqe.res == -EOPNOTSUPP;
    if (refused && (slot.rw_flags & RWF_NOWAIT) == 0) {
        hand_over(context, index, cqe.res);
        return;
    }
    const bool odd = cqe.res == -EBADF || cqe.res == -EINVAL || cqe.res == -ESPIPE || cqe.res == -EISDIR;
    if (odd && index == context.direct_doubted) {
        context.direct_doubted = no_slot;
        free_request(context, index);
        return;
    }
    slot.result = is_interruption(cqe.res) ? -EINTR : cqe.res;
    // Before the event is seen, so that nothing holds the file then.
    unpin_file(context, slot.pin);
    slot.pin = -1;
    (void)end_request(context, index);
}

}  // namespace

long ensure_direct(Context& context) {
    if (context.direct.is_open()) {
        return 0;
    }
    long result = ensure_worker(context);
    if (result < 0) {
        return result;
    }
    const std::uint32_t wanted = context.slots.size() < 16384 ? context.slots.size() : 16384;
    result = context.direct.create(direct_entries, wanted, IORING_SETUP_SUBMIT_ALL);
    if (result < 0) {
        return result;
    }
    context.direct_signal = static_cast<int>(sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    result = context.direct_signal < 0 ? context.direct_signal
                                       : context.direct.register_(IORING_REGISTER_EVENTFD, &context.direct_signal, 1);
    if (result < 0) {
        context.direct.destroy();
        if (context.direct_signal >= 0) {
            (void)sys(SYS_close, context.direct_signal);
        }
        context.direct_signal = -1;
        return result;
    }
    // The worker is to watch the eventfd.
    context.has_work = true;
    wake_worker(context);
    return 0;
}

long submit_direct(Context& context, std::uint32_t index, bool believed) {
    Slot& slot = context.slots[index];
    if (slot.operation == Operation::write) {
        // A file system may refuse it later, out of a queue of its own, when the program has closed the file.
        const long pin = pin_file(context, slot.file);
        if (pin < 0) {
            free_request(context, index);
            return believed && pin == -EBADF ? look_again : pin;
        }
        slot.pin = static_cast<std::int32_t>(pin);
        if (believed && !is_file(slot.file)) {
            free_request(context, index);
            return look_again;
        }
    }
    io_uring_sqe* sqe = nullptr;
    while ((sqe = context.direct.next_sqe()) == nullptr) {
        (void)context.direct.submit();
    }
    const bool reads = slot.operation == Operation::read;
    sqe->fd = slot.file;
    sqe->ioprio = slot.priority;
    sqe->off = static_cast<std::uint64_t>(slot.offset);
    sqe->rw_flags = static_cast<int>(slot.rw_flags | RWF_NOWAIT);
    if (slot.vector_count == 1) {
        constexpr std::size_t most = 0x7ffff000;
        sqe->opcode = reads ? IORING_OP_READ : IORING_OP_WRITE;
        sqe->addr = address_of(slot.vector.iov_base);
        sqe->len = static_cast<std::uint32_t>(slot.vector.iov_len < most ? slot.vector.iov_len : most);
    } else {
        sqe->opcode = reads ? IORING_OP_READV : IORING_OP_WRITEV;
        sqe->addr = address_of(slot.vectors);
        sqe->len = slot.vector_count;
    }
    sqe->user_data = context.slots.user_data_of(index);
    slot.state = State::direct;
    ++context.direct_in_flight;
    long taken = context.direct.submit();
    while (taken == -EINTR || taken == -EAGAIN || taken == -EBUSY) {
        taken = context.direct.submit();
    }
    context.direct_doubted = believed ? index : no_slot;
    harvest_direct(context);
    const bool refused = believed && context.direct_doubted == no_slot;
    context.direct_doubted = no_slot;
    return refused ? look_again : 0;
}

void harvest_direct_watched(Context& context) {
    io_uring_cqe cqes[32];
    while (const unsigned count = context.direct.take(cqes, 32)) {
        for (unsigned i = 0; i < count; ++i) {
            end(context, cqes[i]);
        }
    }
}

void harvest_direct(Context& context) {
    if (context.direct.is_open() && !context.direct_watched) {
        harvest_direct_watched(context);
    }
}

Look look_at_direct(Context& context) {
    if (!context.direct_ticks) {
        return {false, false};
    }
    // Each look costs their thread a little, which may just then hold the lock. When it has long taken all of them in
    // time, as it does when it waits for each, the eventfd is hardly ever raised.
    constexpr std::uint32_t vain_looks = 16;
    const std::uint32_t before = context.direct_ended;
    harvest_direct(context);
    context.direct_vain = context.direct_ended == before ? context.direct_vain + 1 : 0;
    if (context.direct_ended == context.direct_seen || context.direct_vain >= vain_looks) {
        context.direct_ticks = false;
        context.direct_vain = 0;
        listen_to_direct(context);
    }
    const bool found = context.direct_ended != context.direct_seen;
    context.direct_seen = context.direct_ended;
    return {context.direct_ticks, found};
}

void listen_to_direct(Context& context) {
    if (context.direct_ticks || context.direct_watched) {
        return;
    }
    context.direct.signal_eventfd(true);
    // What completed before has told nobody.
    harvest_direct(context);
}

void kick_direct_watcher(Context& context, unsigned count) {
    if (!context.direct_watched) {
        return;
    }
    for (unsigned i = 0; i < count; ++i) {
        io_uring_sqe* sqe = context.direct.next_sqe();
        if (sqe == nullptr) {
            (void)context.direct.submit();
            sqe = context.direct.next_sqe();
        }
        if (sqe != nullptr) {
            sqe->opcode = IORING_OP_NOP;
            sqe->user_data = kick_data;
        }
    }
    (void)context.direct.submit();
}

}  // namespace inflight::aio
