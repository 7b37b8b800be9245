// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/aio_abi.h>

#include <cstddef>
#include <cstdint>

namespace inflight::aio {

// What an io_context_t points at: the kernel's struct aio_ring, which programs read without a call. fio, SPDK and QEMU
// take events from it and move `head` themselves, so nothing in it but what we wrote last is to be trusted.
struct RingHeader {
    unsigned id;
    unsigned nr;
    unsigned head;
    unsigned tail;
    unsigned magic;
    unsigned compat_features;
    unsigned incompat_features;
    unsigned header_length;
};
static_assert(sizeof(RingHeader) == 32 && sizeof(io_event) == 32);

// The queue of completed, unreaped events. The context's lock guards it, against ourselves; the program moves `head` at
// any time.
class EventRing {
public:
    // Room for as many requests as the kernel would accept for `max_events`. False when there is no memory.
    [[nodiscard]] bool create(unsigned max_events, unsigned id);
    void destroy();

    // They follow the header.
    [[nodiscard]] io_event* stored() const { return reinterpret_cast<io_event*>(header_ + 1); }
    [[nodiscard]] RingHeader* header() const { return header_; }
    // Events that fit.
    [[nodiscard]] unsigned capacity() const { return size_ - 1; }
    [[nodiscard]] unsigned unreaped();
    // Without a look at the ring's own memory, which is a cold page after a wait for a disk, where that is possible:
    // what the program had not taken when somebody looked last can only have become less, and with what is in flight it
    // is never more than fits, because has_room() was asked for each.
    [[nodiscard]] bool is_empty() { return head_ == tail_ || unreaped() == 0; }
    [[nodiscard]] bool has_room(unsigned others) {
        return others + behind(head_) < capacity() || others + unreaped() < capacity();
    }
    // The caller has seen to it that there is room.
    void push(const io_event& event);
    // Takes the oldest, at most `count`.
    unsigned reap(io_event* to, unsigned count);

private:
    [[nodiscard]] unsigned behind(unsigned head) const { return tail_ >= head ? tail_ - head : tail_ + size_ - head; }

    RingHeader* header_ = nullptr;
    std::size_t bytes_ = 0;
    unsigned size_ = 0;
    unsigned tail_ = 0;
    unsigned head_ = 0;  // as it was when somebody looked last
};

}  // namespace inflight::aio
