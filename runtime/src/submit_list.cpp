// SPDX-License-Identifier: Apache-2.0
// The program's list of iocbs, one after the other.
#include "direct.hpp"
#include "memory.hpp"
#include "submit.hpp"
#include "worker.hpp"

namespace inflight::aio {

namespace {

[[gnu::hot]] long submit_each(Context& context, long count, std::uint64_t list) {
    ProgramMemory memory{__builtin_frame_address(0), context.block_page.load(std::memory_order_relaxed)};
    for (long i = 0; i < count; ++i) {
        std::uint64_t address = 0;
        iocb block;
        const std::uint64_t entry = list + static_cast<std::uint64_t>(i) * sizeof address;
        long result = -EFAULT;
        if (memory.copy(&address, entry, sizeof address) && memory.copy(&block, address, sizeof block)) {
            if (i == 0) {
                context.block_page.store(address / page_bytes, std::memory_order_relaxed);
            }
            result = read_direct(context, block, address);
            if (result == not_plain) {
                result = submit_one(context, block, address);
            }
        }
        if (result < 0) {
            return i != 0 ? i : result;
        }
    }
    return count;
}

}  // namespace

[[gnu::hot]] long submit_requests(Context& context, long count, std::uint64_t list) {
    if (count < 0) {
        return -EINVAL;
    }
    const auto most = static_cast<long>(context.events.capacity()) + 1;
    const long result = submit_each(context, count < most ? count : most, list);
    // Once for all of them: the worker would stand in our way to the ring.
    wake_worker(context);
    wake_waiters(context);
    if (context.unfilled.load() != 0) {
        // The program may close its files when this returns.
        wait_until_filled(context, context.pins.owed.load());
    }
    return result;
}

}  // namespace inflight::aio
