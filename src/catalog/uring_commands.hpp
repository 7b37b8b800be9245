// SPDX-License-Identifier: Apache-2.0
//
// What `cmd_op` of IORING_OP_URING_CMD means. The number is the file's own affair: 1 is one thing to a socket and
// another to FUSE. Only those that are encoded like an ioctl number name themselves. All functions are pure.
#ifndef INFLIGHT_CATALOG_URING_COMMANDS_HPP
#define INFLIGHT_CATALOG_URING_COMMANDS_HPP

#include "catalog/names.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace inflight::catalog {

// Whose number it is.
enum class CommandOwner : std::uint8_t { unknown, socket, fuse, ublk };

// By what is known of the file: its kind ("socket", "character device") and its path.
CommandOwner command_owner(std::string_view file_kind, std::string_view path);

// "SOCKET_URING_OP_SETSOCKOPT"; nothing for a number that is not known.
std::optional<std::string_view> uring_command_name(CommandOwner owner, std::uint32_t cmd_op);

NameTable socket_commands();   // SOCKET_URING_OP_*
NameTable fuse_commands();     // FUSE_IO_URING_CMD_*
NameTable ublk_commands();     // UBLK_CMD_*, UBLK_IO_*: the numbers of before Linux 6.4
NameTable encoded_commands();  // UBLK_U_*, NVME_URING_CMD_*, BLOCK_URING_CMD_*, BTRFS_IOC_ENCODED_*

// IORING_CQE_F_TSTAMP_*: a bit of a CQE of SOCKET_URING_OP_TX_TIMESTAMP. What stands above it is the kind of the stamp.
NameTable tx_timestamp_flags();
inline constexpr std::uint32_t tx_timestamp_command = 4;
inline constexpr unsigned tx_timestamp_type_shift = 17;
NameTable tx_timestamp_types();  // by number: "SCM_TSTAMP_SND"

}  // namespace inflight::catalog

#endif
