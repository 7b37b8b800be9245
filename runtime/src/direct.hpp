// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// The direct ring: requests to block devices, submitted by the thread that then waits for them. All need the lock.

// 0 or -errno.
[[nodiscard]] long ensure_direct(Context& context);
// Submits what stands in the slot.
void submit_direct(Context& context, std::uint32_t index);
// Turns its completions into events, unless a thread waits for them.
void harvest_direct(Context& context);
// The same, by that thread.
void harvest_direct_watched(Context& context);
// Nobody waits for them any more: the worker is to be woken by the next one.
void listen_to_direct(Context& context);
// The worker's look by the clock. While completions come it is not woken by each of them: their thread takes most of
// them itself, in its next call. False when nothing came since the last look, and it need not look again.
[[nodiscard]] bool look_at_direct(Context& context);
constexpr long look_every_ns = 500'000;
// Wakes that thread, because there are events from elsewhere.
void kick_direct_watcher(Context& context);

}  // namespace inflight::aio
