// SPDX-License-Identifier: Apache-2.0
#include "uring.hpp"

#include "lock.hpp"
#include "process.hpp"
#include "sys.hpp"

#include <linux/futex.h>
#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <new>

namespace inflight::aio {

namespace {

template <typename T>
T* at(void* base, unsigned offset) {
    return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

void* map_ring(std::size_t bytes, int fd, std::uint64_t offset) {
    const long memory = sys(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
    if (memory < 0 && memory > -4096) {
        return nullptr;
    }
    // A child of fork() that touched it would speak for its parent.
    (void)sys(SYS_madvise, memory, bytes, MADV_DONTFORK);
    return pointer_to<void>(static_cast<std::uint64_t>(memory));
}

// The rings that the calling thread has registered with itself. A task of the kernel has 16 places for that. We use the
// upper ones, because liburing takes the lowest that is free.
constexpr unsigned seats = 8;
constexpr unsigned first_seat = 8;
struct alignas(64) Attached {
    std::uint64_t serials[seats];  // 0: none
    long thread;
    unsigned next;  // the one to be taken next when none is free
};
[[gnu::tls_model("initial-exec")]] thread_local Attached attached;

std::atomic<std::uint64_t> next_serial{1};
Lock creating;
std::atomic<bool> can_register_by_index{false};
std::atomic<bool> can_wait_for_futex{false};

// Not yet in the header that we are compiled with.
constexpr unsigned use_registered_ring = 1U << 31;
constexpr std::uint8_t operation_futex_wait = 51;

// `descriptor` is any ring's. When it is none by now, the place is ours still, and is emptied by who needs it next.
constexpr std::uint64_t left_behind = UINT64_MAX;
void unregister_seat(int descriptor, unsigned place) {
    io_uring_rsrc_update update{};
    update.offset = first_seat + place;
    const long result = sys(SYS_io_uring_register, descriptor, IORING_UNREGISTER_RING_FDS, &update, 1);
    attached.serials[place] = result == 1 ? 0 : left_behind;
}

// A place that the program uses, for a ring of its own.
constexpr std::uint64_t not_ours = UINT64_MAX - 1;

// The oldest is given up when none is free. `descriptor` is any ring's. -1: all are the program's.
int free_place(int descriptor) {
    for (unsigned place = 0; place < seats; ++place) {
        if (attached.serials[place] == 0) {
            return static_cast<int>(place);
        }
    }
    for (unsigned i = 0; i < seats; ++i) {
        const unsigned place = attached.next;
        attached.next = (place + 1) % seats;
        if (attached.serials[place] != not_ours) {
            unregister_seat(descriptor, place);
            return static_cast<int>(place);
        }
    }
    return -1;
}

// The place, or -1.
int register_somewhere(int descriptor) {
    for (unsigned i = 0; i < seats; ++i) {
        const int place = free_place(descriptor);
        if (place < 0) {
            return -1;
        }
        io_uring_rsrc_update update{};
        update.offset = first_seat + static_cast<unsigned>(place);
        update.data = static_cast<std::uint64_t>(descriptor);
        const long result = sys(SYS_io_uring_register, descriptor, IORING_REGISTER_RING_FDS, &update, 1);
        if (result == 1) {
            return place;
        }
        if (result != -EBUSY) {
            return -1;
        }
        attached.serials[place] = not_ours;
    }
    return -1;
}

}  // namespace

void renew_ring_lock() {
    new (&creating) Lock;
}

void prepare_word_wait(io_uring_sqe& sqe, const std::atomic<std::uint32_t>& word, std::uint32_t value,
                       std::uint64_t user_data) {
    // Not yet in the headers that we are compiled with.
    constexpr int private_and_32_bits = 0x80 | 0x02;
    sqe.opcode = operation_futex_wait;
    sqe.fd = private_and_32_bits;
    sqe.addr = address_of(&word);
    sqe.addr2 = value;
    sqe.addr3 = FUTEX_BITSET_MATCH_ANY;
    sqe.user_data = user_data;
}

bool registers_by_index() {
    return can_register_by_index.load(std::memory_order_relaxed);
}

bool waits_for_futex() {
    return can_wait_for_futex.load(std::memory_order_relaxed);
}

void learn_abilities(const Uring& fresh_ring) {
    constexpr unsigned most_operations = 256;
    alignas(io_uring_probe) char memory[sizeof(io_uring_probe) + most_operations * sizeof(io_uring_probe_op)] = {};
    auto* probe = reinterpret_cast<io_uring_probe*>(memory);
    can_register_by_index.store(fresh_ring.register_(IORING_REGISTER_PROBE, probe, most_operations) == 0);
    can_wait_for_futex.store(can_register_by_index.load() && probe->last_op >= operation_futex_wait &&
                             (probe->ops[operation_futex_wait].flags & IO_URING_OP_SUPPORTED) != 0);
}

bool Uring::is_at_descriptor() const {
    return fd_ >= 0 && identify(fd_) == identity_;
}

[[gnu::hot]] int Uring::index() const {
    if (serial_ != 0) {
        for (unsigned place = 0; place < seats; ++place) {
            if (attached.serials[place] == serial_) {
                return static_cast<int>(first_seat + place);
            }
        }
    }
    return -1;
}

[[gnu::cold]] bool Uring::attach_now() const {
    // A child of vfork() shares this memory with its parent, and the kernel's places not.
    if (serial_ == 0 || !is_owner_process() || !is_at_descriptor()) {
        return false;
    }
    const long thread = sys(SYS_gettid);
    if (attached.thread != thread) {
        attached = Attached{};
        attached.thread = thread;
    }
    const int place = register_somewhere(fd_);
    if (place < 0) {
        return false;
    }
    // Had the descriptor become another ring before that call, it would be another still.
    if (!is_at_descriptor()) {
        unregister_seat(fd_, static_cast<unsigned>(place));
        return false;
    }
    attached.serials[place] = serial_;
    return true;
}

[[gnu::hot]] long Uring::enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument,
                               std::size_t bytes) const {
    const int ring = index();
    return ring < 0 ? -EBADF
                    : sys(SYS_io_uring_enter, ring, to_submit, min_complete, flags | IORING_ENTER_REGISTERED_RING,
                          argument, bytes);
}

long Uring::create(unsigned sq_entries, unsigned cq_entries, unsigned flags) {
    io_uring_params wanted{};
    wanted.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    wanted.cq_entries = cq_entries < sq_entries ? sq_entries : cq_entries;
    // Another thread may just be closing all descriptors, again and again.
    constexpr int attempts = 1000;
    long result = -EBUSY;
    for (int i = 0; i < attempts && result == -EBUSY; ++i) {
        creating.lock();
        result = create_once(sq_entries, wanted);
        creating.unlock();
    }
    return result;
}

long Uring::create_once(unsigned sq_entries, const io_uring_params& wanted) {
    io_uring_params params = wanted;
    const long fd = sys(SYS_io_uring_setup, sq_entries, &params);
    if (fd < 0) {
        return fd;
    }
    fd_ = static_cast<int>(fd);
    long result = prove_ownership();
    if (result < 0) {
        // What stands there is not ours to close.
        *this = Uring{};
        return result;
    }
    constexpr unsigned needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
    result = (params.features & needed) == needed ? map(params) : -ENOSYS;
    if (result < 0) {
        destroy();
    }
    return result;
}

// Another thread may have put a file of the program's at the descriptor already. Ours is a ring that can be enabled,
// which every other in this process has been.
long Uring::prove_ownership() {
    identity_ = identify(fd_);
    serial_ = next_serial.fetch_add(1);
    if (!attach()) {
        return -EBUSY;
    }
    const long result = sys(SYS_io_uring_register, fd_, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    return result < 0 || !is_at_descriptor() ? -EBUSY : 0;
}

long Uring::map(const io_uring_params& params) {
    const std::size_t sq_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    const std::size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
    rings_bytes_ = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    rings_ = map_ring(rings_bytes_, fd_, IORING_OFF_SQ_RING);
    sqes_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
    sqes_ = static_cast<io_uring_sqe*>(map_ring(sqes_bytes_, fd_, IORING_OFF_SQES));
    // Another thread may have closed it meanwhile, or put a file of the program's there, which then is what was mapped.
    if (!is_at_descriptor()) {
        return -EBUSY;
    }
    if (rings_ == nullptr || sqes_ == nullptr) {
        return -ENOMEM;
    }
    sq_head_ = at<unsigned>(rings_, params.sq_off.head);
    sq_tail_ = at<unsigned>(rings_, params.sq_off.tail);
    sq_flags_ = at<unsigned>(rings_, params.sq_off.flags);
    sq_mask_ = *at<unsigned>(rings_, params.sq_off.ring_mask);
    sq_entries_ = params.sq_entries;
    cq_head_ = at<unsigned>(rings_, params.cq_off.head);
    cq_tail_ = at<unsigned>(rings_, params.cq_off.tail);
    cq_flags_ = at<unsigned>(rings_, params.cq_off.flags);
    cq_mask_ = *at<unsigned>(rings_, params.cq_off.ring_mask);
    cqes_ = at<io_uring_cqe>(rings_, params.cq_off.cqes);
    auto* array = at<unsigned>(rings_, params.sq_off.array);
    for (unsigned i = 0; i < params.sq_entries; ++i) {
        array[i] = i;
    }
    return 0;
}

void Uring::destroy() {
    if (const int seat = index(); seat >= 0 && is_at_descriptor()) {
        unregister_seat(fd_, static_cast<unsigned>(seat) - first_seat);
    }
    if (rings_ != nullptr) {
        (void)sys(SYS_munmap, rings_, rings_bytes_);
    }
    if (sqes_ != nullptr) {
        (void)sys(SYS_munmap, sqes_, sqes_bytes_);
    }
    close_descriptor();
    *this = Uring{};
}

void Uring::forget() {
    close_descriptor();
    *this = Uring{};
}

// What stands there may be the program's.
void Uring::close_descriptor() const {
    close_if_is(fd_, identity_);
}

unsigned Uring::room() const {
    return sq_entries_ - (sq_local_tail_ - __atomic_load_n(sq_head_, __ATOMIC_ACQUIRE));
}

void Uring::take_back() {
    --sq_local_tail_;
    __atomic_store_n(sq_tail_, sq_local_tail_, __ATOMIC_RELEASE);
}

[[gnu::hot]] io_uring_sqe* Uring::next_sqe() {
    if (sq_local_tail_ - __atomic_load_n(sq_head_, __ATOMIC_ACQUIRE) >= sq_entries_) {
        return nullptr;
    }
    io_uring_sqe* sqe = &sqes_[sq_local_tail_++ & sq_mask_];
    std::memset(sqe, 0, sizeof *sqe);
    return sqe;
}

[[gnu::hot]] long Uring::submit() {
    const unsigned count = unsubmitted();
    if (count == 0) {
        return 0;
    }
    __atomic_store_n(sq_tail_, sq_local_tail_, __ATOMIC_RELEASE);
    const long taken = enter(count, 0, 0, nullptr, 0);
    if (taken > 0) {
        submitted_ += static_cast<unsigned>(taken);
    }
    return taken;
}

long Uring::submit_and_wait(unsigned min_complete) {
    const unsigned count = unsubmitted();
    __atomic_store_n(sq_tail_, sq_local_tail_, __ATOMIC_RELEASE);
    const long taken = enter(count, min_complete, IORING_ENTER_GETEVENTS, nullptr, _NSIG / 8);
    if (taken > 0) {
        submitted_ += static_cast<unsigned>(taken);
    }
    return taken;
}

[[gnu::hot]] long Uring::wait(unsigned min_complete, const __kernel_timespec* timeout,
                              const std::uint64_t* mask) const {
    if (timeout == nullptr) {
        const long taken = enter(0, min_complete, IORING_ENTER_GETEVENTS, nullptr, _NSIG / 8);
        return taken < 0 ? taken : 0;
    }
    io_uring_getevents_arg argument{};
    argument.ts = address_of(timeout);
    argument.sigmask = address_of(mask);
    argument.sigmask_sz = mask == nullptr ? 0 : sizeof *mask;
    const long result =
        enter(0, min_complete, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
    return result < 0 ? result : 0;
}

long Uring::register_(unsigned operation, const void* argument, unsigned count) const {
    const int ring = index();
    const long result =
        ring < 0 ? unreachable : sys(SYS_io_uring_register, ring, operation | use_registered_ring, argument, count);
    const bool odd = result == -EINVAL || result == -EBADF;
    return odd && !is_owner_process() ? unreachable : result;
}

long Uring::register_new(unsigned operation, const void* argument, unsigned count) const {
    if (registers_by_index()) {
        return register_(operation, argument, count);
    }
    return is_at_descriptor() ? sys(SYS_io_uring_register, fd_, operation, argument, count) : -EBUSY;
}

void Uring::signal_eventfd(bool wanted) {
    __atomic_store_n(cq_flags_, wanted ? 0U : IORING_CQ_EVENTFD_DISABLED, __ATOMIC_SEQ_CST);
}

[[gnu::hot]] unsigned Uring::take(io_uring_cqe* to, unsigned room) {
    const unsigned head = *cq_head_;
    const unsigned tail = __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE);
    unsigned count = 0;
    for (; head + count != tail && count < room; ++count) {
        to[count] = cqes_[(head + count) & cq_mask_];
    }
    if (count != 0) {
        __atomic_store_n(cq_head_, head + count, __ATOMIC_RELEASE);
    }
    return count;
}

bool Uring::overflowed() const {
    return (__atomic_load_n(sq_flags_, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW) != 0;
}

}  // namespace inflight::aio
