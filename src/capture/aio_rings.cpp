// SPDX-License-Identifier: Apache-2.0
#include "capture/aio_rings.hpp"

#include <linux/aio_abi.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

namespace inflight::capture {

namespace {

// struct aio_ring, fs/aio.c: what the kernel has mapped into the process since 2.5.
struct RingHeader {
    std::uint32_t id = 0;
    std::uint32_t nr = 0;
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
    std::uint32_t magic = 0;
    std::uint32_t compat_features = 0;
    std::uint32_t incompat_features = 0;
    std::uint32_t header_length = 0;
};
constexpr std::uint32_t ring_magic = 0xa10a10a1;

bool read_memory(std::uint32_t pid, std::uint64_t address, void* out, std::size_t bytes) {
    const iovec local{.iov_base = out, .iov_len = bytes};
    const iovec remote{.iov_base = reinterpret_cast<void*>(address), .iov_len = bytes};  // NOLINT: of another process
    return ::process_vm_readv(static_cast<pid_t>(pid), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes);
}

ifl_unreaped unreaped_of(const ifl_tally& tally, const io_event& event, std::uint32_t position) {
    ifl_unreaped record{};
    record.header.size_bytes = sizeof(record);
    record.header.kind = IFL_UNREAPED;
    record.context = tally.object;
    record.context_id = tally.context_id;
    record.ctx_id = tally.ctx_id;
    record.user_data = event.data;
    record.iocb = event.obj;
    record.result = event.res;
    record.cgroup_id = tally.cgroup_id;
    record.position = position;
    record.pid = tally.pid;
    record.uid = tally.uid;
    record.family = IFL_FAMILY_AIO;
    std::copy(std::begin(tally.comm), std::end(tally.comm), std::begin(record.comm));
    return record;
}

bool visit_events(const ifl_tally& tally, const std::function<void(const ifl_unreaped&)>& visit) {
    RingHeader header;
    if (tally.family != IFL_FAMILY_AIO || !read_memory(tally.pid, tally.ctx_id, &header, sizeof(header)) ||
        header.magic != ring_magic || header.header_length != sizeof(header) || header.nr != tally.capacity ||
        header.head >= tally.capacity || header.tail >= tally.capacity) {
        return false;
    }
    const std::uint32_t count = (header.tail + tally.capacity - header.head) % tally.capacity;
    if (count == 0) {
        return true;
    }
    std::vector<io_event> events(tally.capacity);
    if (!read_memory(tally.pid, tally.ctx_id + sizeof(header), events.data(), events.size() * sizeof(io_event))) {
        return false;
    }
    for (std::uint32_t i = 0; i < count; i++) {
        const std::uint32_t position = (header.head + i) % tally.capacity;
        visit(unreaped_of(tally, events[position], position));
    }
    return true;
}

}  // namespace

void for_each_unreaped(const ifl_tally& tally, const std::function<void(const ifl_unreaped&)>& visit) {
    if (!visit_events(tally, visit)) {
        ifl_unreaped unread = unreaped_of(tally, {}, 0);
        unread.flags = IFL_UNREAPED_UNREAD;
        visit(unread);
    }
}

}  // namespace inflight::capture
