// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// The direct ring: requests to block devices, submitted by the thread that then waits for them. All need the lock.

// 0, or -errno when the calling thread has no direct ring to submit to. Lets the lock go meanwhile.
[[nodiscard]] long ensure_direct(Context& context);
// Whether there is one that the calling thread reaches.
[[nodiscard]] bool reaches_direct(const Context& context);
// Submits `like`, whose vectors are its own from then on. 0, or -errno and nothing has happened; or the same, and
// look_again, when the file was only `believed` to be one for this, and the kernel refuses; or not_plain, when this
// thread cannot, and `like` is the worker's.
[[nodiscard]] long submit_direct(Context& context, Slot& like, bool believed);
constexpr long look_again = 1;
// Submits a plain read of a file that is believed to be one for this, by a thread that waits itself, in the shortest
// time in which that can be done. 0, or not_plain: nothing has happened, and it is to be submitted as others are.
// Without the lock.
[[nodiscard]] long read_direct(Context& context, const iocb& block, std::uint64_t address);
constexpr long not_plain = 2;
// Whether the calling thread may submit to it: it is who waits in io_getevents, because another, asleep elsewhere,
// would be disturbed by completions. Not while another waits: what the kernel refuses at once must be seen before
// io_submit returns, when the file may be closed; and who waits alone takes completions.
[[nodiscard]] bool waits_itself(const Context& context);

// Memory of a thread that waits for events, known to be there. While the event ring is empty events go straight to it.
struct Taker {
    io_event* to = nullptr;
    long room = 0;
    long taken = 0;
};
// Turns its completions into events, unless a thread waits for them.
void harvest_direct(Context& context);
// The same, by that thread.
void harvest_direct_watched(Context& context, Taker& taker);
// Nobody waits for them any more: the worker is to be woken by the next one.
void listen_to_direct(Context& context);
// It is not to be woken by them.
void silence_direct(Context& context);
// The worker's look by the clock. While completions come it is not woken by each of them: their thread takes most of
// them itself, in its next call. `again` is false when nothing came since the last look, and it need not look again;
// `found` is true when there may be events that nobody was told of.
struct Look {
    bool again;
    bool found;
};
[[nodiscard]] Look look_at_direct(Context& context);
constexpr long look_every_ns = 500'000;
// Counts as this many completions to that thread: there are events from elsewhere.
void kick_direct_watcher(Context& context, unsigned count);

}  // namespace inflight::aio
