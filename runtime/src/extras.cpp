// SPDX-License-Identifier: Apache-2.0
// <inflight/aio.h>. Its structures are the kernel's here, and an io_context_t is a number.
#include "abi.hpp"
#include "backend.hpp"
#include "cancel.hpp"
#include "clock.hpp"
#include "context.hpp"
#include "direct.hpp"
#include "futex.hpp"
#include "memory.hpp"
#include "sys.hpp"
#include "worker.hpp"

using namespace inflight::aio;  // NOLINT: nothing here but the interface

namespace {

constexpr int backend_uring = 1;
constexpr int backend_kernel = 2;
constexpr int any_file = -1;

bool can_be_cancelled(const Slot& slot, int file) {
    const bool in_flight = slot.state == State::queued || slot.state == State::armed || slot.state == State::running;
    return in_flight && (file == any_file || slot.file == file);
}

int cancel_many(std::uint64_t handle, int file, io_event* events, int room) {
    if (backend() == Backend::kernel) {
        return -ENOSYS;
    }
    const bool returned = events != nullptr;
    if (room < 0 || (!returned && room != 0)) {
        return -EINVAL;
    }
    if (room > 0 && !writable(events, static_cast<std::size_t>(room) * sizeof(io_event))) {
        return -EFAULT;
    }
    ContextRef context{handle};
    if (!context) {
        return -EINVAL;
    }
    int count = 0;
    {
        Guard guard{*context};
        for (std::uint32_t i = 0; i < context->slots.size() && (!returned || count < room); ++i) {
            io_event event{};
            if (can_be_cancelled(context->slots[i], file) && cancel_place(*context, i, false, event) == 0) {
                if (returned) {
                    events[count] = event;
                }
                ++count;
            }
        }
    }
    wake_worker(*context);
    wake_waiters(*context);
    return count;
}

// Until the iocb is in flight no more. 1, or -EAGAIN when the time is over.
int wait_for_end(Context& context, std::uint64_t iocb, std::uint64_t limit_ns) {
    const std::uint64_t deadline_ns = now_ns() + limit_ns;
    for (;;) {
        std::uint32_t sequence = 0;
        {
            Guard guard{context};
            harvest_direct(context);
            if (context.slots.find(iocb) == no_slot) {
                return 1;
            }
            context.waiters.fetch_add(1);
            sequence = context.sequence.load();
        }
        const timespec deadline = time_of(deadline_ns);
        const long result = futex_wait(context.sequence, sequence, &deadline);
        context.waiters.fetch_sub(1);
        if (result == -ETIMEDOUT) {
            Guard guard{context};
            harvest_direct(context);
            return context.slots.find(iocb) == no_slot ? 1 : -EAGAIN;
        }
    }
}

}  // namespace

extern "C" {

[[gnu::visibility("default")]] int inflight_aio_backend() {
    return backend() == Backend::uring ? backend_uring : backend_kernel;
}

[[gnu::visibility("default")]] const char* inflight_aio_backend_reason() {
    return backend_reason();
}

[[gnu::visibility("default")]] int inflight_aio_drain_then_cancel(std::uint64_t handle, const iocb* block,
                                                                  io_event* result, io_event* events, int room,
                                                                  int* drained) {
    if (!readable(block, sizeof *block) || !readable(drained, sizeof *drained)) {
        return -EFAULT;
    }
    const timespec now{};
    const int count = room > 0 ? call_getevents(handle, 0, room, events, &now) : 0;
    *drained = count < 0 ? 0 : count;
    if (count < 0) {
        return count;
    }
    for (int i = 0; i < count; ++i) {
        if (events[i].obj == address_of(block)) {
            return 1;
        }
    }
    return call_cancel(handle, block, result);
}

[[gnu::visibility("default")]] int inflight_aio_cancel_fd(std::uint64_t handle, int file, io_event* events, int room) {
    return file < 0 ? -EBADF : cancel_many(handle, file, events, room);
}

[[gnu::visibility("default")]] int inflight_aio_cancel_all(std::uint64_t handle, io_event* events, int room) {
    return cancel_many(handle, any_file, events, room);
}

[[gnu::visibility("default")]] int inflight_aio_cancel_within(std::uint64_t handle, const iocb* block, io_event* result,
                                                              const timespec* limit) {
    if (backend() == Backend::kernel) {
        return -ENOSYS;
    }
    timespec time{};
    if (limit != nullptr && !copy_in(&time, limit, sizeof time)) {
        return -EFAULT;
    }
    if (time.tv_sec < 0 || time.tv_nsec < 0) {
        return -EINVAL;
    }
    const int answer = call_cancel(handle, block, result);
    if (answer != -EAGAIN) {
        return answer;
    }
    ContextRef context{handle};
    return context ? wait_for_end(*context, address_of(block), limit == nullptr ? for_ever_ns : duration_ns(time))
                   : -EINVAL;
}

}  // extern "C"
