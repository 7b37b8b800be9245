// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/aio_abi.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace inflight::aio {

constexpr std::uint32_t no_slot = UINT32_MAX;

enum class Operation : std::uint8_t { read, write, fsync, fdatasync, poll };

// Where a request is. Only `queued` and `armed` can be stopped without asking the kernel, because nothing has begun.
enum class State : std::uint8_t {
    unused,
    queued,     // the worker has not looked at it yet
    armed,      // a poll in the kernel waits until its file is ready
    running,    // the operation itself is in the kernel
    direct,     // the same, submitted by a thread of the program: at a block device, where nothing stops it
    cancelled,  // its end was told; the poll is still to be taken from the kernel
    finishing,  // done, on its way to the event ring
};

// One request that did not end inside io_submit. All of it is guarded by the context's lock, except that the worker and
// the kernel read what the operation needs (from `file` to `vectors`), which does not change after the submission.
// What the end of a request needs stands in the first cache line: after a wait for a disk each line is a cold one.
struct alignas(64) Slot {
    std::uint64_t iocb;  // the program's address of it
    std::uint64_t data;
    iovec* vectors;  // the program's vectors, copied
    std::uint32_t rw_flags;
    std::int32_t result;
    std::uint32_t hash_next;
    std::uint32_t queue_next;
    std::int32_t file;        // the descriptor, as long as io_submit has not returned; and for `direct`
    std::int32_t pin;         // index of the file that the ring holds, -1 when none
    std::int32_t signal;      // the same for the eventfd
    std::uint32_t canceller;  // not 0: a thread waits for the end, on this word
    Operation operation;
    State state;
    bool plain;    // its user_data is the iocb's address, nothing else
    bool hidden;   // its end was told: no iocb means it any more
    bool stopped;  // `finishing`: it did not come to its own end
    bool stream;   // a pipe, a socket or the like: wait until it is ready

    alignas(64) std::int64_t offset;
    std::uint64_t done_bytes;   // of a write to a stream, which ends when all is written
    std::uint64_t total_bytes;  // of it
    iovec vector;               // what is left, when it is one
    std::uint32_t vector_count;
    std::uint16_t priority;
    std::uint16_t poll_mask;
    std::int32_t signal_file;  // the eventfd's descriptor, as `file`
    bool reopened;             // the ring holds a second, nonblocking, opening of the same pipe
    bool nonblocking_works;    // it takes RWF_NOWAIT
    bool in_queue;
    bool kernel_done;  // `cancelled`, and the poll has left the kernel
    bool must_go_on;   // a cancel said -EAGAIN: an interruption is not its end
    bool attempted;    // `running` without waiting, to go back to `armed` when not ready
    bool still_told;   // `cancelled`, but its event is queued all the same (INFLIGHT_AIO_CANCEL=kernel)
    bool at_device;    // O_DIRECT: submitting it does not block
    bool pin_owed;     // the ring does not hold the file yet: the worker is to hand it over
    bool signal_owed;  // the same for the eventfd
    bool awaited;      // it was in flight when the process began to exit
    bool inside;       // the kernel's AIO would have done it within io_submit
};
static_assert(sizeof(Slot) == 128);

[[nodiscard]] inline std::size_t vectors_bytes(const Slot& slot) {
    return slot.vector_count * sizeof(iovec);
}

// The requests of a context: taken, found by the program's iocb, given back. Guarded by the context's lock.
class SlotTable {
public:
    [[nodiscard]] bool create(std::uint32_t count);
    void destroy();

    // Where the next request will stand, no_slot when there is no place, and what the kernel is to know it by, which is
    // the address of its iocb, so that whoever traces the ring sees it. One iocb can be in flight several times: then
    // the others have their number above it. It holds until the next take() or give().
    struct Place {
        std::uint32_t index;
        bool plain;
        std::uint64_t user_data;
    };
    [[nodiscard]] Place next(std::uint64_t iocb) const;
    // Puts `like` there.
    void take(const Place& place, const Slot& like);
    // Both. The index, or no_slot.
    [[nodiscard]] std::uint32_t take(const Slot& like);
    void give(std::uint32_t index);
    // The last of those in flight that came from it.
    [[nodiscard]] std::uint32_t find(std::uint64_t iocb) const;

    [[nodiscard]] std::uint64_t user_data_of(std::uint32_t index) const;
    [[nodiscard]] std::uint32_t place_of(std::uint64_t user_data) const;

    [[nodiscard]] Slot& operator[](std::uint32_t index) { return slots_[index]; }
    [[nodiscard]] std::uint32_t size() const { return count_; }

private:
    [[nodiscard]] std::uint32_t& bucket(std::uint64_t iocb) const;
    [[nodiscard]] std::uint32_t find_plain(std::uint64_t name) const;
    template <typename Wanted>
    [[nodiscard]] std::uint32_t first_of(std::uint64_t iocb, Wanted wanted) const;

    Slot* slots_ = nullptr;
    std::uint32_t* buckets_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint32_t bucket_mask_ = 0;
    std::uint32_t free_ = no_slot;
    std::uint32_t never_used_ = 0;
    // The one that was taken last is in no bucket until another is: alone, it needs none.
    std::uint32_t newest_ = no_slot;
    std::uint32_t in_buckets_ = 0;
};

}  // namespace inflight::aio
