// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// The thread of a context that submits what has to wait, and lives as long as the context does.

// All of these need the lock, but where it says otherwise.

// Starts it when there is none. 0 or -errno.
[[nodiscard]] long ensure_worker(Context& context);
// Waits for its end, then gives back what it had. Without the lock.
void stop_worker(Context& context);
// Hands it a request.
void enqueue(Context& context, std::uint32_t index);
// Tells it to look at its queue. Without the lock.
void wake_worker(Context& context);
// The same, whether it seems to be needed or not.
void nudge_worker(Context& context);

// Returns when the worker has given the ring the files of the first `owed` requests that were owed them. Without the
// lock.
void wait_until_filled(Context& context, std::uint32_t owed);

}  // namespace inflight::aio
