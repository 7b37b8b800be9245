// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// io_cancel(). 0: stopped, and `event` holds what there was of it. -EAGAIN: runs on. -EINVAL: not, or no more, in
// flight. -EINPROGRESS: stopped, and its event is queued (when `queued_event`, the kernel's way).
[[nodiscard]] long cancel_request(Context& context, std::uint64_t iocb, bool queued_event, io_event& event);

// The same for a place that is in use. Needs the lock, which it lets go meanwhile.
[[nodiscard]] long cancel_place(Context& context, std::uint32_t index, bool queued_event, io_event& event);

// When the context is being destroyed: stops the request if it would not end by itself. Needs the lock.
void abandon(Context& context, std::uint32_t index);
// Whether it is in the kernel and may stay there for ever. Needs the lock.
[[nodiscard]] bool is_stuck(const Slot& slot);

}  // namespace inflight::aio
