// SPDX-License-Identifier: Apache-2.0
#include "catalog/uring_commands.hpp"

#include <algorithm>

namespace inflight::catalog {
namespace {

// include/uapi/asm-generic/ioctl.h, of x86 and arm64
constexpr std::uint32_t io(std::uint32_t type, std::uint32_t number) {
    return type << 8U | number;
}
constexpr std::uint32_t io_with(std::uint32_t direction, std::uint32_t type, std::uint32_t number,
                                std::uint32_t bytes) {
    return direction << 30U | bytes << 16U | io(type, number);
}
constexpr std::uint32_t reads = 2;
constexpr std::uint32_t writes = 1;
constexpr std::uint32_t both = 3;

// include/uapi/linux/io_uring.h
constexpr Name socket_table[] = {
    {0, "SOCKET_URING_OP_SIOCINQ"},    {1, "SOCKET_URING_OP_SIOCOUTQ"},     {2, "SOCKET_URING_OP_GETSOCKOPT"},
    {3, "SOCKET_URING_OP_SETSOCKOPT"}, {4, "SOCKET_URING_OP_TX_TIMESTAMP"}, {5, "SOCKET_URING_OP_GETSOCKNAME"},
};

// include/uapi/linux/fuse.h
constexpr Name fuse_table[] = {
    {1, "FUSE_IO_URING_CMD_REGISTER"},
    {2, "FUSE_IO_URING_CMD_COMMIT_AND_FETCH"},
    {3, "FUSE_IO_URING_CMD_ADD_QUEUE"},
    {4, "FUSE_IO_URING_CMD_ADD_BUFPOOL"},
};

// include/uapi/linux/ublk_cmd.h
constexpr Name ublk_table[] = {
    {0x01, "UBLK_CMD_GET_QUEUE_AFFINITY"},
    {0x02, "UBLK_CMD_GET_DEV_INFO"},
    {0x04, "UBLK_CMD_ADD_DEV"},
    {0x05, "UBLK_CMD_DEL_DEV"},
    {0x06, "UBLK_CMD_START_DEV"},
    {0x07, "UBLK_CMD_STOP_DEV"},
    {0x08, "UBLK_CMD_SET_PARAMS"},
    {0x09, "UBLK_CMD_GET_PARAMS"},
    {0x10, "UBLK_CMD_START_USER_RECOVERY"},
    {0x11, "UBLK_CMD_END_USER_RECOVERY"},
    {0x12, "UBLK_CMD_GET_DEV_INFO2"},
    {0x20, "UBLK_IO_FETCH_REQ"},
    {0x21, "UBLK_IO_COMMIT_AND_FETCH_REQ"},
    {0x22, "UBLK_IO_NEED_GET_DATA"},
};

constexpr std::uint32_t ublk_control(std::uint32_t direction, std::uint32_t number) {
    return io_with(direction, 'u', number, 32);  // struct ublksrv_ctrl_cmd
}
constexpr std::uint32_t ublk_io(std::uint32_t number) {
    return io_with(both, 'u', number, 16);  // struct ublksrv_io_cmd, struct ublk_batch_io
}
constexpr std::uint32_t nvme(std::uint32_t number) {
    return io_with(both, 'N', number, 72);  // struct nvme_uring_cmd
}
constexpr Name encoded_table[] = {
    {ublk_control(reads, 0x01), "UBLK_U_CMD_GET_QUEUE_AFFINITY"},
    {ublk_control(reads, 0x02), "UBLK_U_CMD_GET_DEV_INFO"},
    {ublk_control(both, 0x04), "UBLK_U_CMD_ADD_DEV"},
    {ublk_control(both, 0x05), "UBLK_U_CMD_DEL_DEV"},
    {ublk_control(both, 0x06), "UBLK_U_CMD_START_DEV"},
    {ublk_control(both, 0x07), "UBLK_U_CMD_STOP_DEV"},
    {ublk_control(both, 0x08), "UBLK_U_CMD_SET_PARAMS"},
    {ublk_control(reads, 0x09), "UBLK_U_CMD_GET_PARAMS"},
    {ublk_control(both, 0x10), "UBLK_U_CMD_START_USER_RECOVERY"},
    {ublk_control(both, 0x11), "UBLK_U_CMD_END_USER_RECOVERY"},
    {ublk_control(reads, 0x12), "UBLK_U_CMD_GET_DEV_INFO2"},
    {ublk_control(reads, 0x13), "UBLK_U_CMD_GET_FEATURES"},
    {ublk_control(reads, 0x14), "UBLK_U_CMD_DEL_DEV_ASYNC"},
    {ublk_control(both, 0x15), "UBLK_U_CMD_UPDATE_SIZE"},
    {ublk_control(both, 0x16), "UBLK_U_CMD_QUIESCE_DEV"},
    {ublk_control(both, 0x17), "UBLK_U_CMD_TRY_STOP_DEV"},
    {ublk_control(both, 0x18), "UBLK_U_CMD_REG_BUF"},
    {ublk_control(both, 0x19), "UBLK_U_CMD_UNREG_BUF"},
    {ublk_io(0x20), "UBLK_U_IO_FETCH_REQ"},
    {ublk_io(0x21), "UBLK_U_IO_COMMIT_AND_FETCH_REQ"},
    {ublk_io(0x22), "UBLK_U_IO_NEED_GET_DATA"},
    {ublk_io(0x23), "UBLK_U_IO_REGISTER_IO_BUF"},
    {ublk_io(0x24), "UBLK_U_IO_UNREGISTER_IO_BUF"},
    {ublk_io(0x25), "UBLK_U_IO_PREP_IO_CMDS"},
    {ublk_io(0x26), "UBLK_U_IO_COMMIT_IO_CMDS"},
    {ublk_io(0x27), "UBLK_U_IO_FETCH_IO_CMDS"},
    // include/uapi/linux/nvme_ioctl.h
    {nvme(0x80), "NVME_URING_CMD_IO"},
    {nvme(0x81), "NVME_URING_CMD_IO_VEC"},
    {nvme(0x82), "NVME_URING_CMD_ADMIN"},
    {nvme(0x83), "NVME_URING_CMD_ADMIN_VEC"},
    // include/uapi/linux/blkdev.h
    {io(0x12, 0), "BLOCK_URING_CMD_DISCARD"},
    {io(0x12, 1), "BLOCK_URING_CMD_ZONE_RESET_ALL"},
    // include/uapi/linux/btrfs.h: struct btrfs_ioctl_encoded_io_args, 128 bytes
    {io_with(reads, 0x94, 64, 128), "BTRFS_IOC_ENCODED_READ"},
    {io_with(writes, 0x94, 64, 128), "BTRFS_IOC_ENCODED_WRITE"},
};

constexpr Name tx_timestamp_flag_table[] = {{1U << 16U, "F_TSTAMP_HW"}};
// include/uapi/linux/errqueue.h
constexpr Name tx_timestamp_type_table[] = {
    {0, "SCM_TSTAMP_SND"}, {1, "SCM_TSTAMP_SCHED"}, {2, "SCM_TSTAMP_ACK"}, {3, "SCM_TSTAMP_COMPLETION"}};

struct OwnerTable {
    CommandOwner owner;
    NameTable names;
};
constexpr OwnerTable owner_tables[] = {
    {CommandOwner::socket, socket_table},
    {CommandOwner::fuse, fuse_table},
    {CommandOwner::ublk, ublk_table},
};

std::optional<std::string_view> name_in(NameTable table, std::uint32_t number) {
    const auto found = std::ranges::find(table, number, &Name::value);
    return found == table.end() ? std::nullopt : std::optional(found->name);
}

}  // namespace

CommandOwner command_owner(std::string_view file_kind, std::string_view path) {
    if (file_kind == "socket") {
        return CommandOwner::socket;
    }
    return path == "/dev/fuse"              ? CommandOwner::fuse
           : path.starts_with("/dev/ublkc") ? CommandOwner::ublk
           : path == "/dev/ublk-control"    ? CommandOwner::ublk
                                            : CommandOwner::unknown;
}

std::optional<std::string_view> uring_command_name(CommandOwner owner, std::uint32_t cmd_op) {
    const auto* const own = std::ranges::find(owner_tables, owner, &OwnerTable::owner);
    if (own != std::end(owner_tables)) {
        if (const auto name = name_in(own->names, cmd_op)) {
            return name;
        }
    }
    return name_in(encoded_table, cmd_op);
}

NameTable socket_commands() {
    return socket_table;
}

NameTable fuse_commands() {
    return fuse_table;
}

NameTable ublk_commands() {
    return ublk_table;
}

NameTable encoded_commands() {
    return encoded_table;
}

NameTable tx_timestamp_flags() {
    return tx_timestamp_flag_table;
}

NameTable tx_timestamp_types() {
    return tx_timestamp_type_table;
}

}  // namespace inflight::catalog
