// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// The life of one request in the worker's ring. All need the lock.

// Fills in what the kernel is to do next for it.
void prepare(Context& context, std::uint32_t index, io_uring_sqe& sqe);
// What its completion means. True when the request has ended: end_request() follows. False when it goes on.
[[nodiscard]] bool after_completion(Context& context, std::uint32_t index, std::int32_t result);
// It was cancelled, and the kernel is done with it. True as above.
[[nodiscard]] bool after_cancel(Context& context, std::uint32_t index);
// Queues its event, unless a cancel takes it. Whether an event was queued.
[[nodiscard]] bool end_request(Context& context, std::uint32_t index);
// Nobody who has no time to wait waits for it any more.
void leave_inside(Context& context, Slot& slot);
// Gives back what it holds, which is not in a place yet: its files and its vectors.
void let_go(Context& context, const Slot& slot);
// The same, and its place.
void free_request(Context& context, std::uint32_t index);
// The kernel's way to say that something interrupted it.
[[nodiscard]] bool is_interruption(std::int32_t result);

// A thread that cancels waits on Slot::canceller.
constexpr std::uint32_t cancel_waits = 1;
constexpr std::uint32_t cancel_won = 2;   // the request was stopped, and has no event
constexpr std::uint32_t cancel_lost = 3;  // it ended otherwise, and has one

}  // namespace inflight::aio
