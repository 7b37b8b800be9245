// SPDX-License-Identifier: Apache-2.0
// The numbers of io_uring that the model must understand, up to Linux 7.3; the build machine's headers may be older.
#pragma once

#include <cstdint>

namespace inflight::model::uring {

// enum io_uring_op
inline constexpr std::uint8_t op_nop = 0;
inline constexpr std::uint8_t op_poll_add = 6;
inline constexpr std::uint8_t op_poll_remove = 7;
inline constexpr std::uint8_t op_recvmsg = 10;
inline constexpr std::uint8_t op_timeout = 11;
inline constexpr std::uint8_t op_timeout_remove = 12;
inline constexpr std::uint8_t op_async_cancel = 14;
inline constexpr std::uint8_t op_link_timeout = 15;
inline constexpr std::uint8_t op_send = 26;
inline constexpr std::uint8_t op_recv = 27;
inline constexpr std::uint8_t op_uring_cmd = 46;
inline constexpr std::uint8_t op_send_zc = 47;
inline constexpr std::uint8_t op_sendmsg_zc = 48;
inline constexpr std::uint8_t op_uring_cmd128 = 64;

// IOSQE_*
inline constexpr std::uint8_t sqe_io_drain = 1U << 1U;
inline constexpr std::uint8_t sqe_io_link = 1U << 2U;
inline constexpr std::uint8_t sqe_io_hardlink = 1U << 3U;
inline constexpr std::uint8_t sqe_buffer_select = 1U << 5U;
inline constexpr std::uint8_t sqe_cqe_skip_success = 1U << 6U;

// IORING_CQE_F_*
inline constexpr std::uint32_t cqe_more = 1U << 1U;
inline constexpr std::uint32_t cqe_notif = 1U << 3U;

// IORING_ASYNC_CANCEL_*
inline constexpr std::uint32_t cancel_all = 1U << 0U;
inline constexpr std::uint32_t cancel_fd = 1U << 1U;
inline constexpr std::uint32_t cancel_any = 1U << 2U;
inline constexpr std::uint32_t cancel_fd_fixed = 1U << 3U;
inline constexpr std::uint32_t cancel_userdata = 1U << 4U;
inline constexpr std::uint32_t cancel_op = 1U << 5U;

inline constexpr std::uint32_t poll_update_events = 1U << 1U;
inline constexpr std::uint32_t poll_update_user_data = 1U << 2U;
inline constexpr std::uint32_t timeout_update = 1U << 1U;

inline constexpr std::uint16_t send_vectorized = 1U << 5U;  // IORING_SEND_VECTORIZED, of sqe.ioprio
inline constexpr std::uint32_t cmd_multishot = 1U << 1U;    // IORING_URING_CMD_MULTISHOT

inline constexpr std::uint32_t setup_sqpoll = 1U << 1U;
inline constexpr std::uint32_t enter_getevents = 1U << 0U;
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
