// SPDX-License-Identifier: Apache-2.0
// io_uring for tests that are themselves the traced program: bare system calls.
#pragma once

#include <linux/io_uring.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace inflight::faults::uring {

// The descriptors that many rings need; in a child.
inline void allow_descriptors(rlim_t count) {
    const rlimit limit{.rlim_cur = count, .rlim_max = count};
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A ring that is never closed but by close() or the end of the process. Its completions are taken away unread.
class Ring {
public:
    explicit Ring(unsigned entries, unsigned setup_flags = 0) {
        io_uring_params params{};
        params.flags = setup_flags;
        fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, entries, &params));
        if (fd_ < 0) {
            return;
        }
        constexpr std::size_t sqe_bytes = sizeof(io_uring_sqe);
        sq_ = map(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
        cq_ = map(params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
        sqes_ = reinterpret_cast<io_uring_sqe*>(map(params.sq_entries * sqe_bytes, IORING_OFF_SQES));
        params_ = params;
        for (unsigned i = 0; i < params.sq_entries; i++) {
            reinterpret_cast<unsigned*>(sq_ + params.sq_off.array)[i] = i;
        }
    }

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] unsigned entries() const { return params_.sq_entries; }

    // The next SQE, set to this; at most entries() before a submission.
    void put(const io_uring_sqe& sqe) { sqes_[tail_++ % params_.sq_entries] = sqe; }

    // False: not all were taken.
    bool submit(unsigned count) {
        std::atomic_ref(*at(sq_, params_.sq_off.tail)).store(tail_, std::memory_order_release);
        const bool all = ::syscall(SYS_io_uring_enter, fd_, count, 0, 0, nullptr, 0) == static_cast<long>(count);
        const unsigned seen = std::atomic_ref(*at(cq_, params_.cq_off.tail)).load(std::memory_order_acquire);
        std::atomic_ref(*at(cq_, params_.cq_off.head)).store(seen, std::memory_order_release);
        return all;
    }

    // All completions that have come.
    [[nodiscard]] unsigned completed() const {
        return std::atomic_ref(*at(cq_, params_.cq_off.tail)).load(std::memory_order_acquire);
    }

    // Its memory goes too, which would keep it open.
    void close() {
        ::munmap(sq_, params_.sq_off.array + params_.sq_entries * sizeof(unsigned));
        ::munmap(cq_, params_.cq_off.cqes + params_.cq_entries * sizeof(io_uring_cqe));
        ::munmap(sqes_, params_.sq_entries * sizeof(io_uring_sqe));
        ::close(fd_);
    }

    [[nodiscard]] long register_files(const int* files, unsigned count) const {
        return ::syscall(SYS_io_uring_register, fd_, IORING_REGISTER_FILES, files, count);
    }

private:
    [[nodiscard]] std::byte* map(std::size_t bytes, std::uint64_t what) const {
        return static_cast<std::byte*>(
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, static_cast<off_t>(what)));
    }
    static unsigned* at(std::byte* ring, unsigned offset) { return reinterpret_cast<unsigned*>(ring + offset); }

    int fd_ = -1;
    io_uring_params params_{};
    std::byte* sq_ = nullptr;
    std::byte* cq_ = nullptr;
    io_uring_sqe* sqes_ = nullptr;
    unsigned tail_ = 0;
};

inline io_uring_sqe nop(std::uint64_t user_data) {
    io_uring_sqe sqe{};
    sqe.opcode = IORING_OP_NOP;
    sqe.user_data = user_data;
    return sqe;
}

inline io_uring_sqe poll(int fd, std::uint64_t user_data) {
    io_uring_sqe sqe{};
    sqe.opcode = IORING_OP_POLL_ADD;
    sqe.fd = fd;
    sqe.poll32_events = POLLIN;
    sqe.user_data = user_data;
    return sqe;
}

}  // namespace inflight::faults::uring
