// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "uring.hpp"

#include <cstdint>

namespace inflight::aio {

// Raises the eventfd of a request that ended within io_submit. Its event comes first, and who has the event may close
// the eventfd; so it is held meanwhile, by a ring and not by a descriptor. Guarded by the context's lock.
class Signals {
public:
    void reset();
    void destroy() { ring_.destroy(); }
    void forget() { ring_.forget(); }

    // False when it cannot be held so.
    [[nodiscard]] bool hold(int eventfd);
    // Raises what hold() holds, and lets it go.
    void raise();

private:
    [[nodiscard]] bool prepare();

    Uring ring_;
    std::int32_t held_;
    std::uint64_t one_;
};

}  // namespace inflight::aio
