// SPDX-License-Identifier: Apache-2.0
// The SQE of an io_uring request, by what its fields mean to the operation: many of them share their bytes. An empty
// optional: the operation has no such field, or it is not known. A request of kernel AIO has none of them.
#pragma once

#include "catalog/uring.hpp"
#include "model/types.hpp"

#include <linux/io_uring.h>

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
// Of a relative timeout how long, of an absolute one when.
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

// What a pointer of the request leads to, nullptr if it was not read.
[[nodiscard]] const model::Detail* readable_detail(const model::Request& request, ifl_detail_kind kind);
// "127.0.0.1:80", of IFL_DETAIL_ADDRESS or IFL_DETAIL_PEER.
[[nodiscard]] std::optional<std::string> address_text(const model::Request& request, ifl_detail_kind kind);

// The ring's descriptor. A ctx_id of 0 is none that is known: descriptor 0 would be standard input.
[[nodiscard]] std::optional<std::int32_t> ring_fd(const model::Request& request);

}  // namespace inflight::view
