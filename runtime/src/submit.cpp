// SPDX-License-Identifier: Apache-2.0
#include "submit.hpp"

#include "backend.hpp"
#include "buffered.hpp"
#include "direct.hpp"
#include "memory.hpp"
#include "process.hpp"
#include "requests.hpp"
#include "sys.hpp"
#include "transfer.hpp"
#include "worker.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>

#include <climits>
#include <cstring>

namespace inflight::aio {

namespace {

constexpr std::uint32_t most_vectors = 1024;  // UIO_MAXIOV
constexpr std::uint16_t command_pread = 0, command_pwrite = 1, command_fsync = 2, command_fdsync = 3, command_poll = 5,
                        command_preadv = 7, command_pwritev = 8;

// One iocb on its way in. It holds a place among the requests until it is accepted, ends or is refused.
class Submission {
public:
    Submission(Context& context, const iocb& block, std::uint64_t address)
        : context_(context), block_(block), address_(address) {}

    [[nodiscard]] long run();

private:
    [[nodiscard]] long reserve();
    void refuse();
    [[nodiscard]] long start();
    [[nodiscard]] long start_transfer(Operation operation, bool vectored);
    [[nodiscard]] long start_device(const Transfer& transfer, const FileFacts& facts, bool believed);
    [[nodiscard]] long start_stream(Transfer& transfer, const FileFacts& facts);
    [[nodiscard]] long start_fsync(Operation operation);
    [[nodiscard]] long start_poll();
    [[nodiscard]] long take_vectors(Transfer& transfer, bool vectored);
    // It is over already: its event is queued.
    [[nodiscard]] long end_at_once(std::int64_t result);
    [[nodiscard]] long do_in_child(const Slot& slot);
    // The rest is the worker's.
    [[nodiscard]] long hand_over(const Slot& like);
    [[nodiscard]] Slot slot_for(Operation operation) const;
    [[nodiscard]] Slot slot_for(const Transfer& transfer, std::uint64_t done) const;
    [[nodiscard]] bool wants_signal() const { return (block_.aio_flags & IOCB_FLAG_RESFD) != 0; }

    Context& context_;
    const iocb& block_;
    std::uint64_t address_;
    static constexpr unsigned vectors_here = 8;
    iovec vectors_[vectors_here];
    iovec* many_vectors_ = nullptr;
    std::size_t many_bytes_ = 0;
};

// The vectors that the program gave are its own, and may change when io_submit has returned.
long own_vectors(Slot& slot) {
    const iovec* given = slot.vectors;
    slot.vectors = nullptr;
    if (slot.vector_count > 1) {
        slot.vectors = static_cast<iovec*>(take_pages(vectors_bytes(slot)));
        if (slot.vectors == nullptr) {
            return -ENOMEM;
        }
        std::memcpy(slot.vectors, given, vectors_bytes(slot));
    }
    return 0;
}

[[gnu::noinline]] long Submission::run() {
    constexpr std::uint64_t most_bytes = INT64_MAX;
    if (block_.aio_reserved2 != 0 || block_.aio_nbytes > most_bytes) {
        return -EINVAL;
    }
    long result = reserve();
    if (result < 0) {
        return result;
    }
    result = start();
    if (result < 0) {
        refuse();
        // The kernel looks for the file before all else.
        result = is_open_file(static_cast<int>(block_.aio_fildes)) ? result : -EBADF;
    }
    give_pages(many_vectors_, many_bytes_);
    return result;
}

long Submission::reserve() {
    Guard guard{context_};
    if (context_.closing.load()) {
        return -EINVAL;
    }
    if (!context_.events.has_room(context_.in_flight)) {
        return -EAGAIN;
    }
    ++context_.in_flight;
    return 0;
}

void Submission::refuse() {
    Guard guard{context_};
    --context_.in_flight;
}

long Submission::start() {
    if (wants_signal()) {
        const long result = check_eventfd(static_cast<int>(block_.aio_resfd));
        if (result < 0) {
            return result;
        }
    }
    if (block_.aio_key != 0) {
        auto* program = pointer_to<iocb>(address_);
        if (!writable(program, sizeof *program)) {
            return -EFAULT;
        }
        program->aio_key = 0;
    }
    switch (block_.aio_lio_opcode) {
        case command_pread:
            return start_transfer(Operation::read, false);
        case command_pwrite:
            return start_transfer(Operation::write, false);
        case command_preadv:
            return start_transfer(Operation::read, true);
        case command_pwritev:
            return start_transfer(Operation::write, true);
        case command_fsync:
            return start_fsync(Operation::fsync);
        case command_fdsync:
            return start_fsync(Operation::fdatasync);
        case command_poll:
            return start_poll();
        default:
            return -EINVAL;
    }
}

long Submission::take_vectors(Transfer& transfer, bool vectored) {
    transfer.vectors = vectors_;
    transfer.vector_count = 1;
    vectors_[0] = {pointer_to<void>(block_.aio_buf), block_.aio_nbytes};
    if (vectored) {
        if (block_.aio_nbytes > most_vectors) {
            return -EINVAL;
        }
        transfer.vector_count = static_cast<std::uint32_t>(block_.aio_nbytes);
        const std::size_t bytes = transfer.vector_count * sizeof(iovec);
        if (transfer.vector_count > vectors_here) {
            many_bytes_ = bytes;
            many_vectors_ = static_cast<iovec*>(take_pages(bytes));
            transfer.vectors = many_vectors_;
            if (many_vectors_ == nullptr) {
                return -ENOMEM;
            }
        }
        if (!copy_in(transfer.vectors, pointer_to<const void>(block_.aio_buf), bytes)) {
            return -EFAULT;
        }
    }
    transfer.total_bytes = 0;
    for (std::uint32_t i = 0; i < transfer.vector_count; ++i) {
        const std::uint64_t begin = address_of(transfer.vectors[i].iov_base);
        const std::uint64_t length = transfer.vectors[i].iov_len;
        if (length > INT64_MAX) {
            return -EINVAL;
        }
        if (!is_program_memory(begin, length)) {
            return -EFAULT;
        }
        transfer.total_bytes += length;
    }
    constexpr std::uint64_t most_bytes = 0x7ffff000;  // MAX_RW_COUNT
    transfer.total_bytes = transfer.total_bytes < most_bytes ? transfer.total_bytes : most_bytes;
    return 0;
}

long Submission::start_transfer(Operation operation, bool vectored) {
    Transfer transfer{};
    transfer.operation = operation;
    transfer.file = static_cast<int>(block_.aio_fildes);
    transfer.offset = block_.aio_offset;
    // The kernel's AIO takes RWF_HIPRI and ignores it.
    transfer.rw_flags = static_cast<std::uint32_t>(block_.aio_rw_flags) & ~static_cast<std::uint32_t>(RWF_HIPRI);
    transfer.priority =
        (block_.aio_flags & IOCB_FLAG_IOPRIO) != 0 ? static_cast<std::uint16_t>(block_.aio_reqprio) : std::uint16_t{0};

    FileHint& hint = context_.hints[static_cast<unsigned>(transfer.file) % hints_per_context];
    FileFacts facts = hint.recall(transfer.file);
    const bool shown = observed() && !wants_no_wait(transfer);
    // If it has become another file meanwhile, what is tried at once is still right, or refused and then looked at: at
    // worst it is done here and waits. What is handed over must be known.
    if (!allows(facts, operation)) {
        facts.kind = FileKind::unknown;
    }
    const bool believed = facts.kind != FileKind::unknown;
    long result = believed ? 0 : look_at(transfer.file, facts);
    if (result == 0) {
        result = check_priority(block_);
    }
    if (result == 0) {
        result = check_flags(transfer, facts.kind);
    }
    if (result == 0 && !allows(facts, operation)) {
        result = -EBADF;
    }
    if (result == 0 && facts.kind == FileKind::directory) {
        result = -EINVAL;
    }
    if (result == 0) {
        result = take_vectors(transfer, vectored);
    }
    if (result == 0 && transfer.offset < 0) {
        result = -EINVAL;
    }
    if (result < 0) {
        return result;
    }
    if (!believed) {
        hint.keep(transfer.file, facts);
    }
    if (facts.kind == FileKind::device) {
        result = start_device(transfer, facts, believed);
        if (result != look_again) {
            return result;
        }
        hint.forget();
        return start_transfer(operation, vectored);
    }
    if (facts.kind == FileKind::stream) {
        return start_stream(transfer, facts);
    }
    std::uint64_t done = 0;
    bool complete = true;
    if (shown) {
        complete = false;
    } else if (facts.kind == FileKind::memory) {
        result = do_transfer(transfer, transfer.offset, true);
    } else {
        complete = do_buffered(transfer, facts, hint, done, result);
    }
    const bool odd = complete ? result == -ESPIPE || result == -EISDIR || result == -EBADF || result == -EINVAL
                              : done == 0 && believed && !is_still(transfer.file, facts);
    if (believed && odd) {
        hint.forget();
        return start_transfer(operation, vectored);
    }
    if (complete) {
        return end_at_once(result);
    }
    Slot slot = slot_for(transfer, done);
    // A read that is not cached, and a write that waits: the kernel's AIO waits too, within io_submit.
    slot.inside = true;
    return hand_over(slot);
}

long Submission::start_device(const Transfer& transfer, const FileFacts& facts, bool believed) {
    Slot slot = slot_for(transfer, 0);
    slot.at_device = true;
    bool is_direct = false;
    {
        Guard guard{context_};
        if (!wants_signal() && waits_itself(context_) && ensure_direct(context_) == 0) {
            long result = own_vectors(slot);
            if (result == 0) {
                result = submit_direct(context_, slot, believed);
            }
            if (result != 0 && result != not_plain) {
                return result;
            }
            is_direct = result == 0;
            if (!is_direct && slot.vectors != nullptr) {
                give_pages(slot.vectors, vectors_bytes(slot));
                slot.vectors = transfer.vectors;
            }
        }
    }
    if (is_direct) {
        return 0;
    }
    return believed && !is_still(transfer.file, facts) ? look_again : hand_over(slot);
}

long Submission::start_stream(Transfer& transfer, const FileFacts& facts) {
    const bool impatient = facts.nonblocking || wants_no_wait(transfer);
    const long moved = observed() && !impatient ? -EAGAIN : do_transfer(transfer, -1, facts.nonblocking);
    const bool waits = moved == -EAGAIN || moved == -EOPNOTSUPP;
    const bool rest =
        moved > 0 && transfer.operation == Operation::write && static_cast<std::uint64_t>(moved) < transfer.total_bytes;
    if (moved == -EOPNOTSUPP && wants_no_wait(transfer)) {
        return moved;
    }
    if (impatient || (!waits && !rest)) {
        return end_at_once(moved);
    }
    if (rest) {
        advance(transfer.vectors, transfer.vector_count, static_cast<std::size_t>(moved));
    }
    Slot slot = slot_for(transfer, rest ? static_cast<std::uint64_t>(moved) : 0);
    slot.stream = true;
    slot.nonblocking_works = moved != -EOPNOTSUPP || facts.pipe;
    slot.reopened = moved == -EOPNOTSUPP && facts.pipe;
    return hand_over(slot);
}

long Submission::start_fsync(Operation operation) {
    if (block_.aio_buf != 0 || block_.aio_offset != 0 || block_.aio_nbytes != 0 || block_.aio_rw_flags != 0) {
        return -EINVAL;
    }
    const long result = look_at_synced(static_cast<int>(block_.aio_fildes));
    if (result < 0) {
        return result;
    }
    return hand_over(slot_for(operation));
}

long Submission::start_poll() {
    constexpr std::uint64_t all_events = 0xffff;
    if (block_.aio_buf > all_events || block_.aio_offset != 0 || block_.aio_nbytes != 0 || block_.aio_rw_flags != 0) {
        return -EINVAL;
    }
    pollfd about{static_cast<int>(block_.aio_fildes), static_cast<short>(block_.aio_buf), 0};
    const timespec now{};
    const long ready = about.fd < 0 ? 0 : sys(SYS_ppoll, &about, 1, &now, nullptr, 8);
    if (about.fd < 0 || (about.revents & POLLNVAL) != 0) {
        return -EBADF;
    }
    if (ready > 0 && !(observed() && can_be_polled(about.fd))) {
        return end_at_once(static_cast<std::uint16_t>(about.revents));
    }
    if (ready <= 0 && !can_be_polled(about.fd)) {
        return -EINVAL;
    }
    Slot slot = slot_for(Operation::poll);
    slot.poll_mask = static_cast<std::uint16_t>(block_.aio_buf);
    return hand_over(slot);
}

long Submission::end_at_once(std::int64_t result) {
    // The event comes before its signal; and who has the event may close the eventfd, so that its number means another.
    const auto eventfd = static_cast<int>(block_.aio_resfd);
    long duplicate = -1;
    {
        Guard guard{context_};
        const bool held = wants_signal() && context_.signals.hold(eventfd);
        if (wants_signal() && !held) {
            duplicate = sys(SYS_fcntl, eventfd, F_DUPFD_CLOEXEC, 0);
        }
        publish(context_, block_.aio_data, address_, result);
        if (held) {
            context_.signals.raise();
        }
    }
    wake_waiters(context_);
    if (duplicate >= 0) {
        const std::uint64_t one = 1;
        (void)sys(SYS_write, duplicate, &one, sizeof one);
        close_if_anonymous(static_cast<int>(duplicate));
    }
    return 0;
}

Slot Submission::slot_for(Operation operation) const {
    Slot slot{};
    slot.operation = operation;
    slot.iocb = address_;
    slot.data = block_.aio_data;
    slot.file = static_cast<std::int32_t>(block_.aio_fildes);
    slot.pin = -1;
    slot.signal = -1;
    return slot;
}

Slot Submission::slot_for(const Transfer& transfer, std::uint64_t done) const {
    Slot slot = slot_for(transfer.operation);
    slot.offset = transfer.offset;
    slot.rw_flags = transfer.rw_flags;
    slot.priority = transfer.priority;
    slot.done_bytes = done;
    slot.total_bytes = transfer.total_bytes;
    slot.vector_count = transfer.vector_count;
    slot.vector = transfer.vector_count == 1 ? transfer.vectors[0] : iovec{};
    slot.vectors = transfer.vectors;
    return slot;
}

// `owed` is set when the worker has to do it.
long pin_what_is_meant(Context& context, Slot& slot) {
    if (!slot.reopened || !registers_by_index()) {
        return pin_file(context, slot.file, slot.pin_owed);
    }
    const long second = open_nonblocking(slot.file, slot.operation);
    if (second < 0) {
        slot.nonblocking_works = false;
        slot.reopened = false;
        return pin_file(context, slot.file, slot.pin_owed);
    }
    const long result = pin_file(context, static_cast<int>(second), slot.pin_owed);
    close_if_is(static_cast<int>(second), identify(slot.file));
    return result;
}

// A child of vfork() has its parent's contexts and descriptors of its own: what its numbers mean, the worker, which is
// its parent's, does not know.
long Submission::do_in_child(const Slot& slot) {
    if (slot.operation == Operation::fsync || slot.operation == Operation::fdatasync) {
        return end_at_once(sys(slot.operation == Operation::fsync ? SYS_fsync : SYS_fdatasync, block_.aio_fildes));
    }
    if (slot.operation == Operation::poll || slot.stream || slot.vector_count == 0) {
        return -EINVAL;
    }
    const bool reads = slot.operation == Operation::read;
    const iovec* vectors = slot.vector_count == 1 ? &slot.vector : slot.vectors;
    const long moved = sys(reads ? SYS_preadv2 : SYS_pwritev2, block_.aio_fildes, vectors, slot.vector_count,
                           slot.offset, 0, slot.rw_flags);
    const auto done = static_cast<std::int64_t>(slot.done_bytes);
    return end_at_once(done == 0 ? moved : done + (moved > 0 ? moved : 0));
}

long Submission::hand_over(const Slot& like) {
    if (!is_owner_process()) {
        return do_in_child(like);
    }
    Slot slot = like;
    long result = own_vectors(slot);
    if (result < 0) {
        return result;
    }
    Guard guard{context_};
    result = ensure_worker(context_);
    if (result == 0) {
        result = pin_what_is_meant(context_, slot);
        slot.pin = static_cast<std::int32_t>(result < 0 ? -1 : result);
    }
    if (result >= 0 && wants_signal()) {
        slot.signal_file = static_cast<std::int32_t>(block_.aio_resfd);
        result = pin_file(context_, slot.signal_file, slot.signal_owed);
        slot.signal = static_cast<std::int32_t>(result < 0 ? -1 : result);
    }
    std::uint32_t index = no_slot;
    if (result >= 0) {
        slot.state = State::queued;
        index = context_.slots.take(slot);
        result = index == no_slot ? -EAGAIN : 0;
    }
    if (result < 0) {
        let_go(context_, slot);
        return result;
    }
    if (slot.pin_owed || slot.signal_owed) {
        note_owed(context_);
    }
    context_.inside_in_flight += slot.inside ? 1 : 0;
    enqueue(context_, index);
    return 0;
}

}  // namespace

long submit_one(Context& context, const iocb& block, std::uint64_t address) {
    return Submission{context, block, address}.run();
}

}  // namespace inflight::aio
