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

// Holds the open file behind a descriptor, which the program may close while its request waits. A duplicated descriptor
// would do the same, but closing it drops the process's POSIX locks on the file. The index, or -errno.
[[nodiscard]] long pin_file(Context& context, int descriptor);
void unpin_file(Context& context, std::int32_t index);

// Completions that are no request's, and mean nothing.
constexpr std::uint64_t ignored_data = ~std::uint64_t{0} - 2;

}  // namespace inflight::aio
