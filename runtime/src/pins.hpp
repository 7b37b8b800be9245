// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "uring.hpp"

#include <atomic>
#include <cstdint>

namespace inflight::aio {

struct Context;

// The files that the worker's ring holds, which the program may close while its requests wait. A duplicated descriptor
// would hold them too, but closing it drops the process's POSIX locks on the file, and its number is the program's to
// close. Guarded by the context's lock.
struct Pins {
    std::int32_t* free_places;  // from the end: places that the worker has yet to empty
    std::uint32_t count;
    std::uint32_t never_used;
    std::uint32_t free_count;
    std::uint32_t stale_count;
    std::atomic<std::uint32_t> owed;    // requests that were handed over without their files, ever
    std::atomic<std::uint32_t> filled;  // those that have them by now
};

// Places of the ring's file table that are no request's.
constexpr std::uint32_t bell_place = 0;
constexpr std::uint32_t direct_signal_place = 1;
constexpr std::uint32_t first_pin = 2;

// For a ring that the calling thread has just made. 0 or -errno.
[[nodiscard]] long create_pins(Context& context);
void destroy_pins(Context& context);

// The rest needs the lock.

// A place for the open file behind a descriptor, or -errno. `owed`: this thread cannot fill it, because the kernel or
// the program does not let it reach the ring. Then the worker does (fill_place()), and io_submit waits for that.
[[nodiscard]] long pin_file(Context& context, int descriptor, bool& owed);
void unpin_file(Context& context, std::int32_t place);
// A request is handed over without its files.
void note_owed(Context& context);

// By the worker.
void fill_place(Context& context, std::int32_t place, const std::int32_t& descriptor);
void empty_stale_places(Context& context);

}  // namespace inflight::aio
