// SPDX-License-Identifier: Apache-2.0
// libaio's functions, with its symbol versions. Each returns -errno and leaves errno alone.
#include "abi.hpp"

#include "backend.hpp"
#include "cancel.hpp"
#include "context.hpp"
#include "memory.hpp"
#include "process.hpp"
#include "reap.hpp"
#include "submit.hpp"
#include "sys.hpp"

#include <cstddef>

using namespace inflight::aio;  // NOLINT: nothing here but the interface

namespace {

constexpr unsigned most_events = 0x10000000 / 32;

bool kernel_serves() {
    return backend() == Backend::kernel;
}

[[gnu::noinline, gnu::cold]] long setup(int max_events, std::uint64_t* handle) {
    if (kernel_serves()) {
        return sys(SYS_io_setup, max_events, handle);
    }
    std::uint64_t before = 0;
    if (!copy_in(&before, handle, sizeof before)) {
        return -EFAULT;
    }
    if (before != 0 || max_events <= 0) {
        return -EINVAL;
    }
    // The kernel compares with fs.aio-max-nr, which is not ours to use up; but what it could never take is refused.
    if (static_cast<unsigned>(max_events) > most_events) {
        return -EINVAL;
    }
    if (!writable(handle, sizeof *handle)) {
        return -EFAULT;
    }
    if (const long refusal = backend_refusal(); refusal != 0) {
        return refusal;
    }
    (void)is_this_process();
    std::uint64_t made = 0;
    const long result = create_context(static_cast<unsigned>(max_events), &made);
    if (result == 0) {
        *handle = made;
    }
    return result;
}

// Nobody has said yet that the block is readable.
const void* key_of(const iocb* block) {
    return pointer_to<const void>(address_of(block) + offsetof(iocb, aio_key));
}

bool is_empty_without_waiting(std::uint64_t handle, const timespec& limit) {
    if (limit.tv_sec != 0 || limit.tv_nsec != 0) {
        return false;
    }
    const auto* ring = pointer_to<const RingHeader>(handle);
    ContextRef context{handle};
    return context && context->direct_in_flight == 0 &&
           __atomic_load_n(&ring->head, __ATOMIC_RELAXED) == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

[[gnu::hot]] long getevents(std::uint64_t handle, long least, long most, io_event* to, const timespec* limit,
                            const std::uint64_t* mask) {
    timespec time{};
    if (limit != nullptr) {
        if (!copy_in(&time, limit, sizeof time)) {
            return -EFAULT;
        }
        // libaio looks at the ring itself, and so does not mind the other arguments.
        if (is_empty_without_waiting(handle, time)) {
            return 0;
        }
    }
    ContextRef context{handle};
    if (!context) {
        return -EINVAL;
    }
    return reap_events(*context, least, most, to, limit == nullptr ? nullptr : &time, mask);
}

}  // namespace

namespace inflight::aio {

int call_cancel(std::uint64_t handle, const iocb* block, io_event* result) {
    if (kernel_serves()) {
        return static_cast<int>(sys(SYS_io_cancel, handle, block, result));
    }
    std::uint32_t key = 0;
    if (!copy_in(&key, key_of(block), sizeof key)) {
        return -EFAULT;
    }
    ContextRef context{handle};
    if (key != 0 || !context) {
        return -EINVAL;
    }
    const bool as_kernel = cancels_as_kernel();
    if (!as_kernel && result != nullptr && !writable(result, sizeof *result)) {
        return -EFAULT;
    }
    io_event event{};
    const long answer = cancel_request(*context, address_of(block), as_kernel, event);
    if (answer == 0 && result != nullptr) {
        *result = event;
    }
    return static_cast<int>(answer);
}

[[gnu::hot]] int call_getevents(std::uint64_t handle, long least, long most, io_event* to, const timespec* limit) {
    return static_cast<int>(kernel_serves() ? sys(SYS_io_getevents, handle, least, most, to, limit)
                                            : getevents(handle, least, most, to, limit, nullptr));
}

}  // namespace inflight::aio

// A function under a versioned name; ours becomes local.
#define EXPORT(name, versioned)                   \
    asm(".symver " #name "," versioned ",local"); \
    [[gnu::visibility("default"), gnu::used, gnu::hot]] int name

extern "C" {

EXPORT(aio_setup, "io_setup@@LIBAIO_0.4")(int max_events, std::uint64_t* handle) {
    return static_cast<int>(setup(max_events, handle));
}

EXPORT(aio_queue_init, "io_queue_init@@LIBAIO_0.1")(int max_events, std::uint64_t* handle) {
    if (max_events <= 0) {
        return -EINVAL;
    }
    *handle = 0;
    return aio_setup(max_events, handle);
}

EXPORT(aio_destroy, "io_destroy@@LIBAIO_0.4")(std::uint64_t handle) {
    return static_cast<int>(kernel_serves() ? sys(SYS_io_destroy, handle) : destroy_context(handle));
}

EXPORT(aio_queue_release, "io_queue_release@@LIBAIO_0.1")(std::uint64_t handle) {
    return aio_destroy(handle);
}

EXPORT(aio_submit, "io_submit@@LIBAIO_0.1")(std::uint64_t handle, long count, std::uint64_t list) {
    if (kernel_serves()) {
        return static_cast<int>(sys(SYS_io_submit, handle, count, list));
    }
    ContextRef context{handle};
    return context ? static_cast<int>(submit_requests(*context, count, list)) : -EINVAL;
}

EXPORT(aio_cancel, "io_cancel@@LIBAIO_0.4")(std::uint64_t handle, const iocb* block, io_event* result) {
    return call_cancel(handle, block, result);
}

EXPORT(aio_cancel_old, "io_cancel@LIBAIO_0.1")(std::uint64_t handle, const iocb* block) {
    return aio_cancel(handle, block, nullptr);
}

EXPORT(aio_getevents, "io_getevents@@LIBAIO_0.4")
(std::uint64_t handle, long least, long most, io_event* to, const timespec* limit) {
    return call_getevents(handle, least, most, to, limit);
}

EXPORT(aio_getevents_old, "io_getevents@LIBAIO_0.1")(std::uint64_t handle, long most, io_event* to,
                                                     const timespec* limit) {
    return aio_getevents(handle, 1, most, to, limit);
}

EXPORT(aio_pgetevents, "io_pgetevents@@LIBAIO_0.5")(std::uint64_t handle, long least, long most, io_event* to,
                                                    const timespec* limit, const void* mask) {
    const struct {
        const void* mask;
        std::size_t bytes;
    } masked{mask, 8};
    if (kernel_serves()) {
        return static_cast<int>(
            sys(SYS_io_pgetevents, handle, least, most, to, limit, mask == nullptr ? nullptr : &masked));
    }
    std::uint64_t set = 0;
    if (mask != nullptr && !copy_in(&set, mask, sizeof set)) {
        return -EFAULT;
    }
    return static_cast<int>(getevents(handle, least, most, to, limit, mask == nullptr ? nullptr : &set));
}

EXPORT(aio_queue_wait, "io_queue_wait@@LIBAIO_0.4")(std::uint64_t handle, const timespec* limit) {
    return aio_getevents(handle, 0, 0, nullptr, limit);
}

EXPORT(aio_queue_wait_old, "io_queue_wait@LIBAIO_0.1")(std::uint64_t handle, const timespec* limit) {
    return aio_queue_wait(handle, limit);
}

EXPORT(aio_queue_run, "io_queue_run@@LIBAIO_0.1")(std::uint64_t handle) {
    using Callback = void (*)(std::uint64_t, std::uint64_t, long, long);
    const timespec now{};
    io_event event;
    int result = 0;
    while ((result = aio_getevents(handle, 0, 1, &event, &now)) == 1) {
        reinterpret_cast<Callback>(pointer_to<void>(event.data))(handle, event.obj, static_cast<long>(event.res),
                                                                 static_cast<long>(event.res2));
    }
    return result;
}

}  // extern "C"
