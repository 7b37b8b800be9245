// SPDX-License-Identifier: Apache-2.0
#include "direct.hpp"

#include "futex.hpp"
#include "memory.hpp"
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
    bool owed = false;
    const long pin = held ? slot.pin : pin_file(context, slot.file, owed);
    if (pin < 0) {
        slot.result = result;
        (void)end_request(context, index);
        return;
    }
    slot.pin = static_cast<std::int32_t>(pin);
    slot.pin_owed = owed;
    if (owed) {
        note_owed(context);
    }
    slot.at_device = false;
    // It was taken for a file by its number alone. (When it was held from the start the number may mean another by
    // now.)
    slot.stream = !held && !is_file(slot.file);
    slot.nonblocking_works = slot.stream;
    slot.state = State::queued;
    enqueue(context, index);
}

// What a file that is another one than it was believed to be may say.
bool is_odd(std::int32_t result) {
    return result == -EBADF || result == -EINVAL || result == -ESPIPE || result == -EISDIR;
}

[[gnu::hot]] void end(Context& context, const io_uring_cqe& cqe, Taker& taker) {
    if (cqe.user_data == kick_data) {
        return;
    }
    const std::uint32_t index = context.slots.place_of(cqe.user_data);
    Slot& slot = context.slots[index];
    --context.direct_in_flight;
    ++context.direct_ended;
    const bool refused = (cqe.res == -EAGAIN || cqe.res == -EOPNOTSUPP) && (slot.rw_flags & RWF_NOWAIT) == 0;
    if (index == context.direct_doubted && (is_odd(cqe.res) || (refused && !is_file(slot.file)))) {
        context.direct_doubted = no_slot;
        free_request(context, index);
        return;
    }
    if (refused) {
        hand_over(context, index, cqe.res);
        return;
    }
    slot.result = is_interruption(cqe.res) ? -EINTR : cqe.res;
    // Before the event is seen, so that nothing holds the file then.
    unpin_file(context, slot.pin);
    slot.pin = -1;
    if (taker.taken < taker.room && context.events.is_empty()) {
        taker.to[taker.taken++] = io_event{slot.data, slot.iocb, slot.result, 0};
        --context.in_flight;
        free_request(context, index);
        return;
    }
    (void)end_request(context, index);
}

[[gnu::hot]] void harvest(Context& context, Taker& taker) {
    io_uring_cqe cqes[32];
    while (const unsigned count = context.direct.take(cqes, 32)) {
        for (unsigned i = 0; i < count; ++i) {
            end(context, cqes[i], taker);
        }
    }
}

// Without the lock.
bool waited_last(const Context& context) {
    return context.last_waiter.load(std::memory_order_relaxed) == this_thread();
}

[[gnu::hot]] void fill(io_uring_sqe& sqe, const Slot& slot) {
    const bool reads = slot.operation == Operation::read;
    sqe.fd = slot.file;
    sqe.ioprio = slot.priority;
    sqe.off = static_cast<std::uint64_t>(slot.offset);
    sqe.rw_flags = static_cast<int>(slot.rw_flags | RWF_NOWAIT);
    if (slot.vector_count == 1) {
        constexpr std::size_t most = 0x7ffff000;
        sqe.opcode = reads ? IORING_OP_READ : IORING_OP_WRITE;
        sqe.addr = address_of(slot.vector.iov_base);
        sqe.len = static_cast<std::uint32_t>(slot.vector.iov_len < most ? slot.vector.iov_len : most);
    } else {
        sqe.opcode = reads ? IORING_OP_READV : IORING_OP_WRITEV;
        sqe.addr = address_of(slot.vectors);
        sqe.len = slot.vector_count;
    }
}

// Hands the kernel what stands in the queue, as the request at `place`. What does not have to be known before is done
// after, while the disk works. 0, look_again, or not_plain when the kernel does not take it.
[[gnu::hot]] long kick(Context& context, const SlotTable::Place& place, const Slot& like, bool believed) {
    long taken = context.direct.submit();
    while (taken == -EINTR || taken == -EAGAIN || taken == -EBUSY) {
        taken = context.direct.submit();
    }
    if (taken < 0) {
        context.direct.take_back();
        return not_plain;
    }
    context.slots.take(place, like);
    context.slots[place.index].state = State::direct;
    ++context.direct_in_flight;
    context.direct_doubted = believed ? place.index : no_slot;
    if (!context.direct_ticks && !context.direct_listens) {
        context.direct.signal_eventfd(true);
        context.direct_listens = true;
    }
    harvest_direct(context);
    const bool refused = believed && context.direct_doubted == no_slot;
    context.direct_doubted = no_slot;
    return refused ? look_again : 0;
}

[[gnu::hot]] bool is_ready(const Context& context) {
    return context.adoption == Adoption::done && context.direct.attach();
}

// 0, not_plain or look_again; then nothing has happened.
[[gnu::hot]] long start_read(Context& context, const iocb& block, std::uint64_t address) {
    Guard guard{context};
    const SlotTable::Place place = context.slots.next(address);
    if (context.closing.load() || !waits_itself(context) || !is_ready(context) || place.index == no_slot ||
        !context.events.has_room(context.in_flight)) {
        return not_plain;
    }
    io_uring_sqe* sqe = context.direct.next_sqe();
    if (sqe == nullptr) {
        return not_plain;
    }
    Slot slot{};
    slot.operation = Operation::read;
    slot.iocb = address;
    slot.data = block.aio_data;
    slot.file = static_cast<std::int32_t>(block.aio_fildes);
    slot.pin = -1;
    slot.signal = -1;
    slot.offset = block.aio_offset;
    slot.vector = {pointer_to<void>(block.aio_buf), block.aio_nbytes};
    slot.vector_count = 1;
    slot.total_bytes = block.aio_nbytes;
    slot.at_device = true;
    fill(*sqe, slot);
    sqe->user_data = place.user_data;
    ++context.in_flight;
    const long result = kick(context, place, slot, true);
    context.in_flight -= result == 0 ? 0 : 1;
    return result;
}

// What the descriptor is now. Before the disk is told this would take longer than all else.
void look_while_it_works(FileHint& hint, int file) {
    FileFacts facts{};
    if (look_at(file, facts) == 0) {
        hint.keep(file, facts);
    } else {
        hint.forget();
    }
}

}  // namespace

bool waits_itself(const Context& context) {
    return !context.direct_watched && waited_last(context);
}

bool reaches_direct(const Context& context) {
    return is_ready(context);
}

namespace {

long make_direct(Context& context) {
    const std::uint32_t wanted = context.slots.size() < 16384 ? context.slots.size() : 16384;
    long result = context.direct.create(direct_entries, wanted, IORING_SETUP_SUBMIT_ALL);
    if (result < 0) {
        return result;
    }
    const long signal = sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    context.direct_signal = static_cast<int>(signal);
    result = signal < 0 ? signal : context.direct.register_new(IORING_REGISTER_EVENTFD, &context.direct_signal, 1);
    if (result < 0) {
        close_if_anonymous(context.direct_signal);
        context.direct.destroy();
    }
    return result;
}

}  // namespace

long ensure_direct(Context& context) {
    if (context.adoption != Adoption::none) {
        return reaches_direct(context) ? 0 : -EBUSY;
    }
    long result = ensure_worker(context);
    if (result >= 0) {
        result = make_direct(context);
    }
    if (result < 0) {
        return result;
    }
    context.direct_listens = true;
    // The worker takes the eventfd and the ring now, while nothing else can be at their descriptors.
    context.adoption = Adoption::wanted;
    context.has_work = true;
    while (context.adoption == Adoption::wanted) {
        const std::uint32_t sequence = context.sequence.load();
        context.lock.unlock();
        nudge_worker(context);
        (void)futex_wait(context.sequence, sequence, nullptr);
        context.lock.lock();
    }
    close_if_anonymous(context.direct_signal);
    return reaches_direct(context) ? 0 : -EBUSY;
}

long submit_direct(Context& context, Slot& like, bool believed) {
    if (like.operation == Operation::write) {
        // A file system may refuse it later, out of a queue of its own, when the program has closed the file.
        bool owed = false;
        const long pin = pin_file(context, like.file, owed);
        if (owed) {
            unpin_file(context, static_cast<std::int32_t>(pin));
            return not_plain;
        }
        like.pin = static_cast<std::int32_t>(pin < 0 ? -1 : pin);
        const bool other = pin < 0 ? pin == -EBADF : believed && !is_file(like.file);
        if (pin < 0 || other) {
            let_go(context, like);
            return believed && other ? look_again : pin;
        }
    }
    const SlotTable::Place place = context.slots.next(like.iocb);
    if (place.index == no_slot) {
        let_go(context, like);
        return -EAGAIN;
    }
    io_uring_sqe* sqe = nullptr;
    while ((sqe = context.direct.next_sqe()) == nullptr) {
        (void)context.direct.submit();
    }
    fill(*sqe, like);
    sqe->user_data = place.user_data;
    const long result = kick(context, place, like, believed);
    if (result == not_plain) {
        unpin_file(context, like.pin);
        like.pin = -1;
    }
    return result;
}

[[gnu::hot]] long read_direct(Context& context, const iocb& block, std::uint64_t address) {
    const bool plain = block.aio_lio_opcode == IOCB_CMD_PREAD && block.aio_flags == 0 && block.aio_rw_flags == 0 &&
                       block.aio_key == 0 && block.aio_reserved2 == 0 && block.aio_offset >= 0 &&
                       is_program_memory(block.aio_buf, block.aio_nbytes);
    const int file = static_cast<int>(block.aio_fildes);
    FileHint& hint = context.hints[static_cast<unsigned>(file) % hints_per_context];
    const FileFacts facts = hint.peek(file);
    if (!plain || facts.kind != FileKind::device || !allows(facts, Operation::read) || !waited_last(context)) {
        return not_plain;
    }
    const long result = start_read(context, block, address);
    if (result == look_again) {
        hint.forget();
        return not_plain;
    }
    if (result == 0 && hint.recall(file).kind == FileKind::unknown) {
        look_while_it_works(hint, file);
    }
    return result;
}

[[gnu::hot]] void harvest_direct_watched(Context& context, Taker& taker) {
    harvest(context, taker);
}

[[gnu::hot]] void harvest_direct(Context& context) {
    if (context.adoption == Adoption::done && !context.direct_watched) {
        Taker nobody;
        harvest(context, nobody);
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
    if (context.direct_ticks || context.direct_watched || context.direct_listens) {
        return;
    }
    context.direct.signal_eventfd(true);
    context.direct_listens = true;
    // What completed before has told nobody.
    harvest_direct(context);
}

[[gnu::hot]] void silence_direct(Context& context) {
    if (context.direct_listens) {
        context.direct.signal_eventfd(false);
        context.direct_listens = false;
    }
}

void kick_direct_watcher(Context& context, unsigned count) {
    if (!context.direct_watched || count == 0) {
        return;
    }
    // The waiting thread and the worker have a way to the ring; another may have none.
    if (context.worker_thread != this_thread()) {
        context.kicks.fetch_add(count);
        context.has_work = true;
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
