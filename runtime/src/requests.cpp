// SPDX-License-Identifier: Apache-2.0
#include "requests.hpp"

#include "memory.hpp"
#include "sys.hpp"
#include "worker.hpp"

#include <linux/fs.h>
#include <linux/futex.h>
#include <poll.h>

#include <climits>

namespace inflight::aio {

namespace {

void prepare_poll(io_uring_sqe& sqe, const Slot& slot, std::uint32_t events) {
    sqe.opcode = IORING_OP_POLL_ADD;
    sqe.flags = IOSQE_FIXED_FILE;
    sqe.fd = slot.pin;
    sqe.poll32_events = events;
}

// The kernel's AIO answers with all that the wakeup said, and who says POLLIN says POLLRDNORM.
std::uint32_t with_twins(std::uint32_t events) {
    return events | ((events & POLLIN) != 0 ? POLLRDNORM : 0) | ((events & POLLOUT) != 0 ? POLLWRNORM : 0);
}

void prepare_transfer(io_uring_sqe& sqe, const Slot& slot) {
    const bool reads = slot.operation == Operation::read;
    sqe.flags = IOSQE_FIXED_FILE;
    sqe.fd = slot.pin;
    sqe.ioprio = slot.priority;
    sqe.off = static_cast<std::uint64_t>(slot.stream ? -1 : slot.offset);
    sqe.rw_flags = static_cast<int>(slot.rw_flags);
    if (slot.vector_count == 1) {
        sqe.opcode = reads ? IORING_OP_READ : IORING_OP_WRITE;
        sqe.addr = address_of(slot.vector.iov_base);
        constexpr std::size_t most = 0x7ffff000;  // MAX_RW_COUNT: what the kernel moves at once anyway
        sqe.len = static_cast<std::uint32_t>(slot.vector.iov_len < most ? slot.vector.iov_len : most);
    } else {
        sqe.opcode = reads ? IORING_OP_READV : IORING_OP_WRITEV;
        sqe.addr = address_of(slot.vectors);
        sqe.len = slot.vector_count;
    }
}

// So much of the vectors is done.
void advance_slot(Slot& slot, std::size_t bytes) {
    slot.done_bytes += bytes;
    iovec* vector = slot.vector_count == 1 ? &slot.vector : slot.vectors;
    while (slot.vector_count > 1 && bytes >= vector->iov_len) {
        bytes -= vector->iov_len;
        vector->iov_len = 0;
        if (vector == &slot.vectors[slot.vector_count - 1]) {
            return;
        }
        ++vector;
    }
    vector->iov_base = static_cast<char*>(vector->iov_base) + bytes;
    vector->iov_len -= bytes;
}

// Ends with what was done before, if anything was.
bool ended(Slot& slot, std::int32_t result) {
    constexpr std::uint64_t most = INT_MAX;
    slot.stopped = is_interruption(result);
    if (slot.done_bytes != 0) {
        const std::uint64_t all = slot.done_bytes + (result > 0 ? static_cast<std::uint64_t>(result) : 0);
        result = static_cast<std::int32_t>(all < most ? all : most);
    }
    slot.result = result;
    slot.state = State::finishing;
    return true;
}

// Another round, unless somebody waits for it to be stopped.
bool again(Context& context, std::uint32_t index) {
    Slot& slot = context.slots[index];
    if (slot.canceller == cancel_waits) {
        return ended(slot, -ECANCELED);
    }
    slot.state = State::queued;
    enqueue(context, index);
    return false;
}

bool after_transfer(Context& context, std::uint32_t index, std::int32_t result) {
    Slot& slot = context.slots[index];
    if (slot.stream && slot.attempted && slot.nonblocking_works) {
        if (result == -EOPNOTSUPP) {
            slot.nonblocking_works = false;
            slot.attempted = false;
            return again(context, index);
        }
        if (result == -EAGAIN) {
            // Another took what there was.
            slot.attempted = false;
            return again(context, index);
        }
    }
    if (is_interruption(result) && slot.must_go_on) {
        return again(context, index);
    }
    if (slot.stream && slot.operation == Operation::write && result > 0 &&
        slot.done_bytes + static_cast<std::uint64_t>(result) < slot.total_bytes) {
        advance_slot(slot, static_cast<std::size_t>(result));
        slot.attempted = false;
        return again(context, index);
    }
    return ended(slot, is_interruption(result) && result != -ECANCELED ? -EINTR : result);
}

}  // namespace

bool is_interruption(std::int32_t result) {
    // -512 to -516: how the kernel says "again" to itself; a ring shows it.
    return result == -ECANCELED || result == -EINTR || (result <= -512 && result >= -516);
}

void prepare(Context& context, std::uint32_t index, io_uring_sqe& sqe) {
    Slot& slot = context.slots[index];
    sqe.user_data = context.slots.user_data_of(index);
    if (slot.state == State::cancelled) {
        sqe.opcode = IORING_OP_POLL_REMOVE;
        sqe.flags = IOSQE_CQE_SKIP_SUCCESS;
        sqe.addr = sqe.user_data;
        sqe.user_data = ignored_data;
        return;
    }
    if (slot.operation == Operation::poll) {
        prepare_poll(sqe, slot, with_twins(slot.poll_mask));
        slot.state = State::armed;
    } else if (slot.operation == Operation::fsync || slot.operation == Operation::fdatasync) {
        sqe.opcode = IORING_OP_FSYNC;
        sqe.flags = IOSQE_FIXED_FILE;
        sqe.fd = slot.pin;
        sqe.fsync_flags = slot.operation == Operation::fdatasync ? IORING_FSYNC_DATASYNC : 0;
        slot.state = State::running;
    } else if (slot.stream && !slot.attempted) {
        prepare_poll(sqe, slot, slot.operation == Operation::read ? POLLIN : POLLOUT);
        slot.state = State::armed;
    } else {
        prepare_transfer(sqe, slot);
        if (slot.stream && slot.nonblocking_works) {
            sqe.rw_flags |= slot.reopened ? 0 : RWF_NOWAIT;
        } else if (!slot.at_device && !slot.stream) {
            // The ring's lock is not to be held while a file system works: others need it to submit. Not for streams:
            // on 6.1 a pipe that is forced into io-wq is polled and retried for ever, in the worker's task work.
            sqe.flags |= IOSQE_ASYNC;
        }
        slot.state = State::running;
    }
}

bool after_completion(Context& context, std::uint32_t index, std::int32_t result) {
    Slot& slot = context.slots[index];
    if (slot.state == State::cancelled) {
        slot.kernel_done = true;
        return !slot.in_queue && after_cancel(context, index);
    }
    if (slot.state == State::armed && slot.operation != Operation::poll) {
        slot.attempted = true;
        return again(context, index);
    }
    if (slot.operation == Operation::read || slot.operation == Operation::write) {
        return after_transfer(context, index, result);
    }
    if (is_interruption(result) && slot.must_go_on) {
        return again(context, index);
    }
    return ended(slot, result);
}

bool after_cancel(Context& context, std::uint32_t index) {
    Slot& slot = context.slots[index];
    if (!slot.still_told) {
        free_request(context, index);
        return false;
    }
    slot.result = slot.operation == Operation::poll ? 0 : -ECANCELED;
    slot.state = State::finishing;
    return true;
}

void leave_inside(Context& context, Slot& slot) {
    context.inside_in_flight -= slot.inside ? 1 : 0;
    slot.inside = false;
}

bool end_request(Context& context, std::uint32_t index) {
    Slot& slot = context.slots[index];
    slot.hidden = true;
    leave_inside(context, slot);
    if (slot.canceller == cancel_waits) {
        const bool stopped = slot.stopped;
        if (!stopped) {
            publish(context, slot.data, slot.iocb, slot.result);
        }
        // The place is the canceller's now.
        __atomic_store_n(&slot.canceller, stopped ? cancel_won : cancel_lost, __ATOMIC_RELEASE);
        (void)sys(SYS_futex, &slot.canceller, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr);
        return !stopped;
    }
    publish(context, slot.data, slot.iocb, slot.result);
    free_request(context, index);
    return true;
}

[[gnu::hot]] void let_go(Context& context, const Slot& slot) {
    unpin_file(context, slot.pin);
    unpin_file(context, slot.signal);
    if (slot.vectors != nullptr) {
        give_pages(slot.vectors, vectors_bytes(slot));
    }
}

[[gnu::hot]] void free_request(Context& context, std::uint32_t index) {
    leave_inside(context, context.slots[index]);
    let_go(context, context.slots[index]);
    context.slots.give(index);
}

}  // namespace inflight::aio
