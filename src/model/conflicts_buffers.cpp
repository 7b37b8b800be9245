// SPDX-License-Identifier: Apache-2.0
#include "model/conflicts_buffers.hpp"

#include "model/accesses.hpp"

#include <cstring>

namespace inflight::model {

namespace {

constexpr std::uint32_t unregister_buffers = 1;
constexpr std::uint32_t buffers_update = 16;
constexpr std::uint32_t use_registered_ring = 1U << 31U;

constexpr std::size_t users_kept = 16'384;
constexpr std::size_t users_looked_at = 1024;
constexpr std::size_t removals_kept = 256;
constexpr std::size_t rings_kept = 16'384;

// struct io_uring_rsrc_update2
struct Update {
    std::uint32_t offset;
    std::uint32_t reserved;
    std::uint64_t data;
    std::uint64_t tags;
    std::uint32_t count;
    std::uint32_t reserved2;
};

// Of a ring that two processes share each is watched by itself: they submit by their own descriptors.
std::uint64_t ring_key(std::uint32_t pid, std::uint64_t fd) {
    return std::uint64_t{pid} << 32U | (fd & 0xffffffffU);
}

bool hits(const RegisteredBuffers::Removal& removal, std::uint16_t index, const Request& request) {
    return index >= removal.first && index - removal.first < removal.count && *request.submit_ns < removal.time_ns &&
           request.complete_ns.value_or(~std::uint64_t{0}) > removal.time_ns;
}

}  // namespace

RegisteredBuffers::Ring& RegisteredBuffers::ring_of(std::uint32_t pid, std::uint64_t fd) {
    const std::uint64_t key = ring_key(pid, fd);
    if (rings_.size() >= rings_kept && !rings_.contains(key)) {
        rings_.erase(rings_.begin());
    }
    return rings_[key];
}

void RegisteredBuffers::on_request(const std::shared_ptr<const Request>& request, const Found& found) {
    const auto index = registered_buffer(*request);
    if (!index || !request->submit_ns) {
        return;
    }
    Ring& ring = ring_of(request->pid, request->ctx_id);
    for (const Removal& each : ring.removals) {
        if (hits(each, *index, *request)) {
            found(each, *request);
        }
    }
    ring.users.emplace(request->complete_ns.value_or(~std::uint64_t{0}), User{.index = *index, .request = request});
    if (ring.users.size() > users_kept) {
        ring.users.erase(ring.users.begin());
    }
}

std::optional<RegisteredBuffers::Removal> RegisteredBuffers::removal_of(const Event& event) {
    const ifl_call& call = event.call;
    const auto opcode = static_cast<std::uint32_t>(call.args[1]);
    if (call.syscall != IFL_IO_URING_REGISTER || event.in_progress || event.exit_missed || call.ret < 0) {
        return std::nullopt;
    }
    // With a registered ring the first argument is no descriptor.
    const bool by_descriptor = (opcode & use_registered_ring) == 0;
    const std::uint32_t operation = opcode & ~use_registered_ring;
    if (operation != unregister_buffers && operation != buffers_update) {
        return std::nullopt;
    }
    if (!by_descriptor) {
        unreadable_++;
        return std::nullopt;
    }
    Removal removal{.pid = call.task.pid,
                    .tid = call.task.tid,
                    .fd = static_cast<std::int32_t>(call.args[0]),
                    .time_ns = call.start_ns,
                    .first = 0,
                    .count = ~std::uint64_t{0},
                    .replaced = operation == buffers_update};
    if (removal.replaced) {
        Update update{};
        for (const Detail& detail : event.details) {
            if (detail.kind == IFL_DETAIL_REGISTER && detail.bytes.size() >= sizeof(update)) {
                std::memcpy(&update, detail.bytes.data(), sizeof(update));
                removal.first = update.offset;
                removal.count = update.count;
                return removal;
            }
        }
        unreadable_++;
        return std::nullopt;
    }
    return removal;
}

void RegisteredBuffers::on_event(const Event& event, const Found& found) {
    const auto removal = removal_of(event);
    if (!removal) {
        return;
    }
    Ring& ring = ring_of(removal->pid, static_cast<std::uint64_t>(removal->fd));
    // Those that ended after it, the last first.
    std::size_t looked = 0;
    for (auto each = ring.users.end(); each != ring.users.begin() && looked < users_looked_at; looked++) {
        --each;
        if (each->first <= removal->time_ns) {
            break;
        }
        if (hits(*removal, each->second.index, *each->second.request)) {
            found(*removal, *each->second.request);
        }
    }
    ring.removals.push_back(*removal);
    if (ring.removals.size() > removals_kept) {
        ring.removals.pop_front();
    }
}

}  // namespace inflight::model
