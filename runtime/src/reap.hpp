// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

#include <csignal>

namespace inflight::aio {

// io_getevents() and io_pgetevents(): waits until `least` events are there, at most for `limit` (nullptr: for ever),
// and takes up to `most`. `mask` (or nullptr) is the thread's signal mask meanwhile, of 8 bytes. `to` is not trusted.
[[nodiscard]] long reap_events(Context& context, long least, long most, io_event* to, const timespec* limit,
                               const std::uint64_t* mask);

}  // namespace inflight::aio
