// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// The direct ring: requests to block devices, submitted by the thread that then waits for them. All need the lock.

// 0 or -errno.
[[nodiscard]] long ensure_direct(Context& context);
// Submits what stands in the slot. 0, or -errno and the slot is given back; or look_again, the same, when the file was
// only `believed` to be one for this, and the kernel refuses.
[[nodiscard]] long submit_direct(Context& context, std::uint32_t index, bool believed);
constexpr long look_again = 1;
// Turns its completions into events, unless a thread waits for them.
void harvest_direct(Context& context);
// The same, by that thread.
void harvest_direct_watched(Context& context);
// Nobody waits for them any more: the worker is to be woken by the next one.
void listen_to_direct(Context& context);
// The worker's look by the clock. While completions come it is not woken by each of them: their thread takes most of
// them itself, in its next call. `again` is false when nothing came since the last look, and it need not look again;
// `found` is true when there may be events that nobody was told of.
struct Look {
    bool again;
    bool found;
};
[[nodiscard]] Look look_at_direct(Context& context);
constexpr long look_every_ns = 500'000;
// Counts as so many completions to that thread: there are events from elsewhere.
void kick_direct_watcher(Context& context, unsigned count);

}  // namespace inflight::aio
