// SPDX-License-Identifier: Apache-2.0
// The SQE of an io_uring request, by what its fields mean to the operation: many of them share their bytes. An empty
// optional: the operation has no such field, or it is not known. A request of kernel AIO has none of them.
#pragma once

#include "catalog/uring.hpp"
#include "model/types.hpp"

#include <linux/io_uring.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace inflight::view {

// nullptr: not of io_uring, or an opcode that is not known.
[[nodiscard]] const catalog::UringOp* uring_operation(const model::Request& request);
[[nodiscard]] std::optional<struct io_uring_sqe> sqe_of(const model::Request& request);

// Flags of the operation's own, by name: of rw_flags and the fields that share its place, or of struct open_how.
[[nodiscard]] std::optional<std::string> operation_flags(const model::Request& request);
// Those that stand in sqe.len: of a poll, of fallocate, the mask of statx.
[[nodiscard]] std::optional<std::string> length_flags(const model::Request& request);
[[nodiscard]] std::optional<std::string> timeout_flags(const model::Request& request);
[[nodiscard]] std::optional<std::string> ioprio_flags(const model::Request& request);
[[nodiscard]] std::optional<std::string> resolve_flags(const model::Request& request);
[[nodiscard]] std::optional<std::uint64_t> poll_mask(const model::Request& request);

[[nodiscard]] std::optional<std::uint16_t> buffer_index(const model::Request& request);
[[nodiscard]] std::optional<std::uint16_t> buffer_group(const model::Request& request);
[[nodiscard]] std::optional<std::uint16_t> personality(const model::Request& request);
[[nodiscard]] std::optional<std::int32_t> splice_source(const model::Request& request);
// Of the request that this one is to cancel or to change.
[[nodiscard]] std::optional<std::uint64_t> target_user_data(const model::Request& request);
// The notification of a zero-copy send gets this user_data instead of the request's.
[[nodiscard]] std::optional<std::uint64_t> notification_user_data(const model::Request& request);
// With IORING_TIMEOUT_IMMEDIATE_ARG: the time that stands in the SQE itself, where else its address does.
[[nodiscard]] std::optional<std::uint64_t> immediate_ns(const model::Request& request);
// Of a relative timeout how long, of an absolute one when. Of one that changes another: what that is to have.
[[nodiscard]] std::optional<std::uint64_t> timeout_ns(const model::Request& request);
// The moment of a timeout with IORING_TIMEOUT_ABS; `left_ns` is from its submission, where both are of one clock.
struct AbsoluteTimeout {
    std::string_view clock;  // "CLOCK_MONOTONIC"
    std::uint64_t time_ns = 0;
    std::optional<std::int64_t> left_ns;
};
[[nodiscard]] std::optional<AbsoluteTimeout> absolute_timeout(const model::Request& request);
[[nodiscard]] std::optional<std::uint64_t> file_mode(const model::Request& request);
[[nodiscard]] std::optional<std::uint32_t> command_number(const model::Request& request);
// "SOCKET_URING_OP_SETSOCKOPT", by the number and the file that gets it.
[[nodiscard]] std::optional<std::string_view> command_name(const model::Request& request);
// What SOCKET_URING_OP_GETSOCKOPT and SOCKET_URING_OP_SETSOCKOPT work on.
struct SocketOption {
    std::uint32_t level = 0;
    std::uint32_t name = 0;
    std::uint32_t length_bytes = 0;
    std::uint64_t address = 0;
};
[[nodiscard]] std::optional<SocketOption> socket_option(const model::Request& request);
// The attributes of a read or write: sqe.attr_ptr and sqe.attr_type_mask.
struct Attributes {
    std::string flags;  // "IORING_RW_ATTR_FLAG_PI"
    std::uint64_t address = 0;
    struct Integrity {  // struct io_uring_attr_pi
        std::string flags;
        std::uint16_t app_tag = 0;
        std::uint32_t length_bytes = 0;
        std::uint64_t address = 0;
        std::uint64_t seed = 0;
    };
    std::optional<Integrity> integrity;
};
[[nodiscard]] std::optional<Attributes> attributes(const model::Request& request);
// Of a read or write: where a device is to put the data, 0 is none.
[[nodiscard]] std::optional<std::uint8_t> write_stream(const model::Request& request);
[[nodiscard]] std::optional<std::string> msg_ring_command(const model::Request& request);
// What a futex operation works on. The SQE has it in fields whose names say something else.
struct FutexOperands {
    std::uint64_t address = 0;           // of the word, of futex_waitv the list
    std::optional<std::uint64_t> value;  // expected, or how many to wake; not of futex_waitv
    std::optional<std::uint64_t> mask;
    std::optional<std::uint32_t> flags;  // FUTEX2_*
    std::optional<std::uint32_t> count;  // of futex_waitv
};
[[nodiscard]] std::optional<FutexOperands> futex_operands(const model::Request& request);
struct WaitOperands {
    std::string id_type;  // "P_PID"
    std::int32_t id = 0;
    std::string options;  // "WEXITED|WNOHANG"
};
[[nodiscard]] std::optional<WaitOperands> wait_operands(const model::Request& request);
// Bytes that the vectors of a readv or writev have together, if all of them were read.
[[nodiscard]] std::optional<std::uint64_t> vector_bytes(const model::Request& request);
// The result of a success is a new file: a descriptor, or an index of the ring's file table.
enum class NewFile : std::uint8_t { none, descriptor, fixed };
[[nodiscard]] NewFile new_file(const model::Request& request);

// IORING_CQE_F_* by name, with what the upper half means to the request's operation.
[[nodiscard]] std::string cqe_flags_text(const model::Request* request, std::uint32_t flags);
// The time in a CQE of SOCKET_URING_OP_TX_TIMESTAMP.
struct TxTimestamp {
    bool hardware = false;
    std::string type;  // "SCM_TSTAMP_SND"
    std::uint64_t seconds = 0;
    std::uint64_t nanoseconds = 0;
};
[[nodiscard]] std::optional<TxTimestamp> tx_timestamp(const model::Completion& completion);
// What the notification of a zero-copy send reports: "IORING_NOTIF_USAGE_ZC_COPIED".
[[nodiscard]] std::optional<std::string> notification_usage(const model::Cqe& cqe);
// "0x1 0x2"; empty where there is no second half of a CQE, or it is all zeros.
[[nodiscard]] std::string big_cqe_text(const std::optional<std::array<std::uint64_t, 2>>& big);

// What a pointer of the request leads to, nullptr if it was not read.
[[nodiscard]] const model::Detail* readable_detail(const model::Request& request, ifl_detail_kind kind);
// "127.0.0.1:80", of IFL_DETAIL_ADDRESS or IFL_DETAIL_PEER.
[[nodiscard]] std::optional<std::string> address_text(const model::Request& request, ifl_detail_kind kind);

// The ring's descriptor. A ctx_id of 0 is none that is known: descriptor 0 would be standard input.
[[nodiscard]] std::optional<std::int32_t> ring_fd(const model::Request& request);

}  // namespace inflight::view
