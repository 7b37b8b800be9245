// SPDX-License-Identifier: Apache-2.0
#include "model/uring_tracked.hpp"

#include <atomic>
#include <memory>
#include <new>

namespace inflight::model::uring {

TrackedPtr new_tracked() {
    auto tracked = std::make_shared<Tracked>();
    tracked->part = std::make_shared<UringPart>();
    tracked->request.uring = tracked->part;
    return tracked;
}

bool renew(const TrackedPtr& tracked) {
    // A part belongs to whoever has a copy of the request; here it is had twice.
    if (tracked.use_count() != 1 || tracked->part.use_count() != 2) {
        return false;
    }
    // Another thread may have been the one that let go of it.
    std::atomic_thread_fence(std::memory_order_acquire);
    auto part = std::move(tracked->part);
    auto readable = std::move(tracked->request.uring);
    // Without parentheses only what has an initializer is written; with them all bytes would be zeroed before.
    std::destroy_at(part.get());
    ::new (static_cast<void*>(part.get())) UringPart;
    std::destroy_at(tracked.get());
    ::new (static_cast<void*>(tracked.get())) Tracked;
    tracked->request.uring = std::move(readable);
    tracked->part = std::move(part);
    return true;
}

}  // namespace inflight::model::uring
