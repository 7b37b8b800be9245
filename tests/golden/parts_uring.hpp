// SPDX-License-Identifier: Apache-2.0
// Model values of io_uring, as parts.hpp has them of kernel AIO.
#pragma once

#include "parts.hpp"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>

#include <functional>
#include <string_view>

namespace inflight::golden::parts {

inline constexpr std::uint64_t ring_context = 0x20001;
inline constexpr std::int32_t ring_descriptor = 5;

template <typename Value>
std::string bytes_of(const Value& value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

inline Detail detail(ifl_detail_kind kind, std::string bytes, bool kernel = false) {
    Detail result;
    result.kind = static_cast<std::uint8_t>(kind);
    result.kernel = kernel;
    result.address = 0x7ffd'0000'4000;
    result.total = static_cast<std::uint32_t>(bytes.size());
    result.bytes = std::move(bytes);
    return result;
}

inline Detail timespec_detail(std::int64_t seconds, std::int64_t nanoseconds) {
    struct Time {
        std::int64_t seconds;
        std::int64_t nanoseconds;
    };
    return detail(IFL_DETAIL_TIMESPEC, bytes_of(Time{seconds, nanoseconds}));
}

inline Detail inet_detail(ifl_detail_kind kind, const char* address, std::uint16_t port, bool kernel) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    inet_pton(AF_INET, address, &name.sin_addr);
    return detail(kind, bytes_of(name), kernel);
}

using ChangeSqe = std::function<void(struct io_uring_sqe&)>;
using ChangePart = std::function<void(UringPart&)>;

// A finished operation on fd 7, which `sqe` and `part` then make into something.
inline Request uring_request(std::uint8_t opcode, std::uint64_t submit, std::uint64_t latency, std::int32_t result,
                             const ChangeSqe& change_sqe = {}, const ChangePart& change_part = {}) {
    struct io_uring_sqe sqe{};
    sqe.opcode = opcode;
    sqe.fd = 7;
    sqe.user_data = 0xabc0;
    if (change_sqe) {
        change_sqe(sqe);
    }
    UringPart part;
    part.request_id = 0x100 + submit / ms;
    part.sqe_known = true;
    std::memcpy(part.sqe.data(), &sqe, sizeof sqe);
    part.sqe_flags = sqe.flags;
    part.fixed_file = (sqe.flags & IOSQE_FIXED_FILE) != 0;
    part.batch = 1;
    part.cqe_count = 1;
    part.cqe_bytes = result > 0 ? static_cast<std::uint64_t>(result) : 0;
    part.completer_comm = "nginx";
    if (change_part) {
        change_part(part);
    }

    Request request;
    request.family = Family::uring;
    request.tier = Tier::fentry;
    request.outcome = result < 0 ? Outcome::failed : Outcome::completed;
    request.kernel_address = 0xffff'8881'0666'0000;
    request.context_id = ring_context;
    request.ctx_id = ring_descriptor;
    request.call_id = 11;
    request.opcode = opcode;
    request.origin = Origin::user;
    request.fd = sqe.fd;
    request.buffer = sqe.addr;
    request.length = sqe.len;
    request.offset = static_cast<std::int64_t>(sqe.off);
    request.rw_flags = static_cast<std::uint32_t>(sqe.rw_flags);
    request.ioprio = sqe.ioprio;
    request.user_data = sqe.user_data;
    request.user_data_known = true;
    request.pid = 777;
    request.tid = 778;
    request.uid = 33;
    request.cgroup_id = 5651;
    request.comm = "nginx";
    request.completer_pid = 777;
    request.completer_tid = 778;
    request.submit_ns = at(submit);
    request.complete_ns = at(submit + latency);
    request.result = result;
    request.uring = std::make_shared<const UringPart>(std::move(part));
    return request;
}

inline Request uring_read(std::uint64_t submit, std::uint64_t latency, std::int32_t result,
                          const ChangePart& change_part = {}) {
    Request request = uring_request(
        IORING_OP_READ, submit, latency, result,
        [](struct io_uring_sqe& sqe) {
            sqe.addr = 0x7f5a'2000'0000;
            sqe.len = 4096;
            sqe.off = 8192;
        },
        change_part);
    request.file = table_file();
    return request;
}

inline const FilePtr& socket_file() {
    static const FilePtr result = file("socket:[90210]", "socket");
    return result;
}

inline Request uring_recv(std::uint64_t submit, std::uint64_t latency, std::int32_t result,
                          const ChangePart& change_part = {}) {
    Request request = uring_request(
        IORING_OP_RECV, submit, latency, result,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = 12;
            sqe.addr = 0x7f5a'2000'0000;
            sqe.len = 65'536;
        },
        change_part);
    request.file = socket_file();
    return request;
}

// Ends without a result of its own.
inline Request ended(Request request, Outcome outcome, std::int64_t result) {
    request.outcome = outcome;
    request.result = result;
    return request;
}

inline Context ring(std::uint64_t id, ContextChange change) {
    Context result;
    result.family = Family::uring;
    result.change = change;
    result.time_ns = at(20 * us);
    result.context_id = 0x20000 + id;
    result.ctx_id = ring_descriptor;
    result.pid = 777;
    result.uid = 33;
    result.comm = "nginx";
    result.created_ns = at(20 * us);
    result.in_flight = 3;
    result.in_flight_max = 48;
    result.submitted = 12'000 / id;
    result.completed = 11'997 / id;
    RingPart part;
    part.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    part.sq_entries = 128;
    part.cq_entries = 256;
    part.fd = ring_descriptor;
    result.ring = part;
    return result;
}

inline Context counted_ring(std::uint64_t id, ContextChange change) {
    Context result = ring(id, change);
    RingPart& part = *result.ring;
    part.counted = true;
    part.cqes = 12'345;
    part.overflowed = 12;
    part.sq_head = 12'000;
    part.sq_tail = 12'001;
    part.cq_head = 12'340;
    part.cq_tail = 12'345;
    part.files = 16;
    part.buffers = 4;
    part.workers_bound = 1;
    part.workers_bound_max = 2;
    part.workers_unbound_max = 14;
    part.workers_bound_limit = 8;
    part.workers_unbound_limit = 4096;
    return result;
}

}  // namespace inflight::golden::parts
