// SPDX-License-Identifier: Apache-2.0
#include "event_ring.hpp"

#include "memory.hpp"

#include <unistd.h>

namespace inflight::aio {

namespace {

constexpr unsigned magic = 0xa10a10a1;

}  // namespace

bool EventRing::create(unsigned max_events, unsigned id) {
    // As aio_setup_ring() and ioctx_alloc() count: at least four for each processor, twice that, two more, whole pages.
    const long processors = sysconf(_SC_NPROCESSORS_CONF);
    const unsigned least = 4U * static_cast<unsigned>(processors < 1 ? 1 : processors);
    const std::size_t wanted = 2 * std::size_t{max_events > least ? max_events : least} + 2;
    const std::size_t bytes = sizeof(RingHeader) + wanted * sizeof(io_event);
    bytes_ = (bytes + page_bytes - 1) / page_bytes * page_bytes;
    header_ = static_cast<RingHeader*>(take_pages(bytes_));
    if (header_ == nullptr) {
        return false;
    }
    size_ = static_cast<unsigned>((bytes_ - sizeof(RingHeader)) / sizeof(io_event));
    tail_ = 0;
    head_ = 0;
    header_->id = id;
    header_->nr = size_;
    header_->magic = magic;
    header_->compat_features = 1;
    header_->header_length = sizeof(RingHeader);
    return true;
}

void EventRing::destroy() {
    give_pages(header_, bytes_);
    header_ = nullptr;
}

unsigned EventRing::unreaped() {
    head_ = __atomic_load_n(&header_->head, __ATOMIC_ACQUIRE) % size_;
    return behind(head_);
}

void EventRing::push(const io_event& event) {
    stored()[tail_] = event;
    tail_ = tail_ + 1 == size_ ? 0 : tail_ + 1;
    __atomic_store_n(&header_->tail, tail_, __ATOMIC_RELEASE);
}

unsigned EventRing::reap(io_event* to, unsigned count) {
    unsigned head = __atomic_load_n(&header_->head, __ATOMIC_ACQUIRE) % size_;
    unsigned taken = 0;
    for (; head != tail_ && taken < count; ++taken) {
        to[taken] = stored()[head];
        head = head + 1 == size_ ? 0 : head + 1;
    }
    if (taken != 0) {
        head_ = head;
        __atomic_store_n(&header_->head, head, __ATOMIC_RELEASE);
    }
    return taken;
}

}  // namespace inflight::aio
