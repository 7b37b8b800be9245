// SPDX-License-Identifier: Apache-2.0
// The numbers of io_uring that the model must understand, up to Linux 7.3; the build machine's headers may be older.
#pragma once

#include "contract/ops.h"
#include "contract/uring_flags.h"

#include <cstddef>
#include <cstdint>

namespace inflight::model::uring {

// op_nop and so on, sqe_io_link, cqe_more, setup_sqpoll, enter_getevents, cancel_all.
#define OP_NUMBER(ID, id, number, traits) inline constexpr std::uint8_t op_##id = number;
IFL_FOR_EACH_OP(OP_NUMBER)
#undef OP_NUMBER
#define SQE_FLAG(ID, id, bit) inline constexpr std::uint8_t sqe_##id = 1U << (bit);
IFL_FOR_EACH_SQE_FLAG(SQE_FLAG)
#undef SQE_FLAG
#define URING_FLAG(kind, id, bit) inline constexpr std::uint32_t kind##_##id = 1U << (bit);
#define CQE_FLAG(ID, id, bit) URING_FLAG(cqe, id, bit)
#define SETUP_FLAG(ID, id, bit) URING_FLAG(setup, id, bit)
#define ENTER_FLAG(ID, id, bit) URING_FLAG(enter, id, bit)
#define CANCEL_FLAG(ID, id, bit) URING_FLAG(cancel, id, bit)
IFL_FOR_EACH_CQE_FLAG(CQE_FLAG)
IFL_FOR_EACH_SETUP_FLAG(SETUP_FLAG)
IFL_FOR_EACH_ENTER_FLAG(ENTER_FLAG)
IFL_FOR_EACH_CANCEL_FLAG(CANCEL_FLAG)
#undef URING_FLAG
#undef CQE_FLAG
#undef SETUP_FLAG
#undef ENTER_FLAG
#undef CANCEL_FLAG

inline constexpr std::uint32_t poll_update_events = 1U << 1U;
inline constexpr std::uint32_t poll_update_user_data = 1U << 2U;
inline constexpr std::uint32_t timeout_update = 1U << 1U;

inline constexpr std::uint16_t send_vectorized = 1U << 5U;  // IORING_SEND_VECTORIZED, of sqe.ioprio
inline constexpr std::uint32_t cmd_multishot = 1U << 1U;    // IORING_URING_CMD_MULTISHOT

inline constexpr std::uint32_t register_sync_cancel = 24;
inline constexpr std::uint32_t register_use_registered_ring = 1U << 31U;

// Where the fields of struct io_uring_sqe stand.
inline constexpr std::size_t sqe_ioprio_at = 2;
inline constexpr std::size_t sqe_fd_at = 4;
inline constexpr std::size_t sqe_off_at = 8;
inline constexpr std::size_t sqe_addr_at = 16;
inline constexpr std::size_t sqe_len_at = 24;
inline constexpr std::size_t sqe_op_flags_at = 28;
inline constexpr std::size_t sqe_user_data_at = 32;
inline constexpr std::size_t sqe_addr3_at = 48;

// struct io_uring_sync_cancel_reg; before 6.6 the opcode was padding.
inline constexpr std::size_t sync_cancel_addr_at = 0;
inline constexpr std::size_t sync_cancel_fd_at = 8;
inline constexpr std::size_t sync_cancel_flags_at = 12;
inline constexpr std::size_t sync_cancel_opcode_at = 32;

}  // namespace inflight::model::uring
