// SPDX-License-Identifier: Apache-2.0
#include "uring.hpp"

#include "sys.hpp"

#include <sys/mman.h>

#include <csignal>
#include <cstring>

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

}  // namespace

long Uring::create(unsigned sq_entries, unsigned cq_entries, unsigned flags) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = cq_entries < sq_entries ? sq_entries : cq_entries;
    const long fd = sys(SYS_io_uring_setup, sq_entries, &params);
    if (fd < 0) {
        return fd;
    }
    fd_ = static_cast<int>(fd);
    constexpr unsigned needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
    const long result = (params.features & needed) == needed ? map(params) : -ENOSYS;
    if (result < 0) {
        destroy();
    }
    return result;
}

long Uring::map(const io_uring_params& params) {
    const std::size_t sq_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    const std::size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
    rings_bytes_ = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    rings_ = map_ring(rings_bytes_, fd_, IORING_OFF_SQ_RING);
    sqes_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
    sqes_ = static_cast<io_uring_sqe*>(map_ring(sqes_bytes_, fd_, IORING_OFF_SQES));
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
    if (rings_ != nullptr) {
        (void)sys(SYS_munmap, rings_, rings_bytes_);
    }
    if (sqes_ != nullptr) {
        (void)sys(SYS_munmap, sqes_, sqes_bytes_);
    }
    if (fd_ >= 0) {
        (void)sys(SYS_close, fd_);
    }
    *this = Uring{};
}

void Uring::forget() {
    if (fd_ >= 0) {
        (void)sys(SYS_close, fd_);
    }
    *this = Uring{};
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
    const long taken = sys(SYS_io_uring_enter, fd_, count, 0, 0, nullptr, 0);
    if (taken > 0) {
        submitted_ += static_cast<unsigned>(taken);
    }
    return taken;
}

long Uring::submit_and_wait(unsigned min_complete) {
    const unsigned count = unsubmitted();
    __atomic_store_n(sq_tail_, sq_local_tail_, __ATOMIC_RELEASE);
    const long taken = sys(SYS_io_uring_enter, fd_, count, min_complete, IORING_ENTER_GETEVENTS, nullptr, _NSIG / 8);
    if (taken > 0) {
        submitted_ += static_cast<unsigned>(taken);
    }
    return taken;
}

[[gnu::hot]] long Uring::wait(unsigned min_complete, const __kernel_timespec* timeout) const {
    if (timeout == nullptr) {
        const long taken = sys(SYS_io_uring_enter, fd_, 0, min_complete, IORING_ENTER_GETEVENTS, nullptr, _NSIG / 8);
        return taken < 0 ? taken : 0;
    }
    io_uring_getevents_arg argument{};
    argument.ts = address_of(timeout);
    const long result = sys(SYS_io_uring_enter, fd_, 0, min_complete, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                            &argument, sizeof argument);
    return result < 0 ? result : 0;
}

long Uring::register_(unsigned operation, const void* argument, unsigned count) const {
    return sys(SYS_io_uring_register, fd_, operation, argument, count);
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
