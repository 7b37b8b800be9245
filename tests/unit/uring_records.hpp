// SPDX-License-Identifier: Apache-2.0
// Records of io_uring as the kernel side writes them, with defaults that make sense.
//
//     UringTrace trace;
//     trace.feed(ring().created(1), uring(1).op(read_op).data(7).submit(10).complete(20, 512));
//     trace.finish(100);
#pragma once

#include "model/uring_abi.hpp"
#include "records.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace inflight::model::test {

inline constexpr std::uint64_t the_ring = 9;
inline constexpr std::uint8_t read_op = 22;
inline constexpr std::uint8_t recv_op = 27;
inline constexpr std::uint32_t the_cq_entries = 64;

// A read of one block, in flight; its user_data is 0x100 and its number.
struct UringRecord : ifl_uring_request {
    explicit UringRecord(std::uint64_t id) : ifl_uring_request{} {
        set_header(static_cast<ifl_uring_request&>(*this), IFL_URING_REQUEST, 0);
        header.tier = IFL_TIER_TRACEPOINT;
        request_id = id;
        req = 0xffff888000000000U + 0x100 * id;
        ring = 0xffff888200000000U;
        context_id = the_ring;
        fd = 3;
        pid = the_pid;
        tid = the_tid;
        op(read_op).data(0x100 + id);
        sqe_field(uring::sqe_fd_at, fd);
        set_comm(comm, "worker");
    }
    template <typename Value>
    UringRecord& sqe_field(std::size_t at, Value value) {
        std::memcpy(&sqe[at], &value, sizeof(value));
        return *this;
    }
    UringRecord& op(std::uint8_t code) { return opcode = sqe[0] = code, *this; }
    UringRecord& data(std::uint64_t value) { return user_data = value, sqe_field(32, value); }
    UringRecord& submit(std::uint64_t time_ns) { return submit_ns = header.time_ns = time_ns, *this; }
    UringRecord& announced() { return state = IFL_UREQ_ANNOUNCED, *this; }
    UringRecord& complete(std::uint64_t time_ns, std::int32_t res = 0) {
        state = IFL_UREQ_ENDED;
        header.time_ns = complete_ns = time_ns;
        result = res;
        return *this;
    }
    UringRecord& unseen(std::uint64_t time_ns) { return complete(time_ns, 0).flag(IFL_UREQ_END_UNSEEN); }
    UringRecord& in_flight(std::uint64_t time_ns) {
        state = IFL_UREQ_IN_FLIGHT;
        header.time_ns = time_ns;
        complete_ns = 0;
        return *this;
    }
    UringRecord& flag(std::uint32_t bits) { return flags |= bits, *this; }
    UringRecord& sqe_flag(std::uint8_t bits) { return sqe_flags |= bits, sqe[1] |= bits, *this; }
    UringRecord& cqe(std::uint32_t bits) { return cqe_flags = bits, *this; }
    UringRecord& queue(std::uint32_t tail, std::uint32_t head) { return cq_tail = tail, cq_head = head, *this; }
    UringRecord& chain(std::uint64_t head) { return link_head = head, *this; }
    UringRecord& in(std::uint64_t context) { return context_id = context, *this; }
    UringRecord& file(std::uint64_t id) { return file_id = id, *this; }
    UringRecord& descriptor(std::int32_t value) { return fd = value, sqe_field(uring::sqe_fd_at, value); }
    UringRecord& memory(std::uint64_t address) { return req = address, *this; }
};

inline UringRecord uring(std::uint64_t id) {
    return UringRecord(id);
}

inline UringRecord async_cancel(std::uint64_t id, std::uint64_t user_data, std::uint32_t flags = 0) {
    UringRecord record(id);
    record.op(uring::op_async_cancel).descriptor(-1);
    record.sqe_field(uring::sqe_addr_at, user_data).sqe_field(uring::sqe_op_flags_at, flags);
    return record;
}

// Only as long as it must be, as the kernel side writes most of them.
struct alignas(8) BriefRecord {
    explicit BriefRecord(const ifl_uring_request& whole) {
        std::memcpy(bytes.data(), &whole, bytes.size());
        header.size_bytes = IFL_UREQ_BRIEF_BYTES;
    }
    std::array<std::byte, IFL_UREQ_BRIEF_BYTES> bytes{};
    ifl_header& header = *reinterpret_cast<ifl_header*>(bytes.data());
};

struct CqeRecord : ifl_uring_cqe {
    CqeRecord(std::uint64_t time_ns, std::uint64_t data, std::int32_t res, std::uint32_t bits) : ifl_uring_cqe{} {
        set_header(static_cast<ifl_uring_cqe&>(*this), IFL_URING_CQE, time_ns);
        context_id = the_ring;
        user_data = data;
        result = res;
        cqe_flags = bits;
    }
    CqeRecord& overflowed() { return flags |= IFL_UCQE_OVERFLOWED, *this; }
    CqeRecord& of(std::uint64_t id) { return request_id = id, *this; }
    CqeRecord& queue(std::uint32_t tail, std::uint32_t head) { return cq_tail = tail, cq_head = head, *this; }
};

inline CqeRecord more_cqe(std::uint64_t time_ns, std::uint64_t user_data, std::int32_t res = 1) {
    return {time_ns, user_data, res, uring::cqe_more};
}
inline CqeRecord last_cqe(std::uint64_t time_ns, std::uint64_t user_data, std::int32_t res = 1) {
    return {time_ns, user_data, res, 0};
}
inline CqeRecord notification(std::uint64_t time_ns, std::uint64_t user_data) {
    return {time_ns, user_data, 0, uring::cqe_notif};
}

struct RingRecord : ifl_ring {
    explicit RingRecord(std::uint64_t id) : ifl_ring{} {
        set_header(static_cast<ifl_ring&>(*this), IFL_RING, 0);
        context_id = id;
        sq_entries = the_cq_entries / 2;
        cq_entries = the_cq_entries;
        fd = 5;
        pid = the_pid;
        uid = 1000;
        set_comm(comm, "worker");
    }
    RingRecord& at(ifl_context_state what, std::uint64_t time_ns) {
        state = static_cast<ifl_u8>(what);
        header.time_ns = time_ns;
        return *this;
    }
    RingRecord& created(std::uint64_t time_ns) { return created_ns = time_ns, at(IFL_CONTEXT_CREATED, time_ns); }
    RingRecord& found(std::uint64_t time_ns) { return at(IFL_CONTEXT_FOUND, time_ns); }
    RingRecord& destroyed(std::uint64_t time_ns) { return at(IFL_CONTEXT_DESTROYED, time_ns); }
    RingRecord& looked_at(std::uint64_t time_ns, std::uint32_t tail, std::uint32_t head) {
        cq_tail = tail;
        cq_head = head;
        flags |= IFL_RING_COUNTED;
        return at(IFL_CONTEXT_COUNTERS, time_ns);
    }
    RingRecord& workers(std::uint32_t bound, std::uint32_t unbound) {
        workers_bound = bound;
        workers_unbound = unbound;
        return *this;
    }
    RingRecord& setup(std::uint32_t bits) { return setup_flags = bits, *this; }
    RingRecord& descriptor(std::int32_t value) { return fd = value, *this; }
};

inline RingRecord ring(std::uint64_t id = the_ring) {
    return RingRecord(id);
}

// The record ends after the last byte that it has.
struct DetailRecord : ifl_detail {
    DetailRecord(std::uint64_t owner, ifl_detail_kind what, std::string_view content) : ifl_detail{} {
        set_header(static_cast<ifl_detail&>(*this), IFL_DETAIL, 0);
        header.size_bytes = static_cast<ifl_u32>(offsetof(ifl_detail, bytes) + content.size());
        owner_id = owner;
        kind = static_cast<ifl_u8>(what);
        state = IFL_READ_OK;
        bytes_count = total = static_cast<ifl_u32>(content.size());
        std::copy(content.begin(), content.end(), std::begin(bytes));
    }
};

inline DetailRecord sync_cancel_argument(std::uint64_t call_id, std::uint64_t user_data, std::uint32_t flags = 0,
                                         std::int32_t fd = -1, std::uint8_t opcode = 0) {
    std::string content(64, '\0');
    std::memcpy(&content[uring::sync_cancel_addr_at], &user_data, 8);
    std::memcpy(&content[uring::sync_cancel_fd_at], &fd, 4);
    std::memcpy(&content[uring::sync_cancel_flags_at], &flags, 4);
    content[uring::sync_cancel_opcode_at] = static_cast<char>(opcode);
    return {call_id, IFL_DETAIL_SYNC_CANCEL, content};
}

inline CallRecord sync_cancel() {
    return CallRecord(IFL_IO_URING_REGISTER).in(the_ring, 5).argument(1, uring::register_sync_cancel);
}

class UringTrace : public Trace {
public:
    using Trace::Trace;
    void on_completion(const Completion& completion) override { completions.push_back(completion); }

    std::vector<Completion> completions;
};

}  // namespace inflight::model::test
