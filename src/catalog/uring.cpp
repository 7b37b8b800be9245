// SPDX-License-Identifier: Apache-2.0
//
// What the prep functions of io_uring/ do with the fields of an SQE. `punts` is REQ_F_FORCE_ASYNC, which they set
// since 6.3; before that the same operations returned EAGAIN at once, with the same effect.
#include "catalog/uring.hpp"

#include "catalog/op_names.hpp"

#include <algorithm>
#include <array>

namespace inflight::catalog {
namespace {

// --- Flags that one operation alone has: include/uapi/linux/io_uring.h unless another file is named -----------------

constexpr Name nop_flag_table[] = {
    {0x01, "IORING_NOP_INJECT_RESULT"}, {0x02, "IORING_NOP_FILE"}, {0x04, "IORING_NOP_FIXED_FILE"},
    {0x08, "IORING_NOP_FIXED_BUFFER"},  {0x10, "IORING_NOP_TW"},   {0x20, "IORING_NOP_CQE32"},
};
constexpr Name fsync_flag_table[] = {
    {0x01, "IORING_FSYNC_DATASYNC"},
};
// include/uapi/linux/fs.h
constexpr Name sync_range_flag_table[] = {
    {0x01, "SYNC_FILE_RANGE_WAIT_BEFORE"},
    {0x02, "SYNC_FILE_RANGE_WRITE"},
    {0x04, "SYNC_FILE_RANGE_WAIT_AFTER"},
};
// include/uapi/asm-generic/poll.h and, in the upper half, include/uapi/linux/eventpoll.h
constexpr Name poll32_event_table[] = {
    {0x0001, "POLLIN"},     {0x0002, "POLLPRI"},          {0x0004, "POLLOUT"},       {0x0008, "POLLERR"},
    {0x0010, "POLLHUP"},    {0x0020, "POLLNVAL"},         {0x0040, "POLLRDNORM"},    {0x0080, "POLLRDBAND"},
    {0x0100, "POLLWRNORM"}, {0x0200, "POLLWRBAND"},       {0x0400, "POLLMSG"},       {0x1000, "POLLREMOVE"},
    {0x2000, "POLLRDHUP"},  {1U << 28, "EPOLLEXCLUSIVE"}, {1U << 29, "EPOLLWAKEUP"}, {1U << 30, "EPOLLONESHOT"},
    {1U << 31, "EPOLLET"},
};
constexpr Name poll_flag_table[] = {
    {0x01, "IORING_POLL_ADD_MULTI"},
    {0x02, "IORING_POLL_UPDATE_EVENTS"},
    {0x04, "IORING_POLL_UPDATE_USER_DATA"},
    {0x08, "IORING_POLL_ADD_LEVEL"},
};
// include/linux/net.h
constexpr Name socket_flag_table[] = {
    {0x00800, "SOCK_NONBLOCK"},
    {0x80000, "SOCK_CLOEXEC"},
};
constexpr Name accept_ioprio_table[] = {
    {0x01, "IORING_ACCEPT_MULTISHOT"},
    {0x02, "IORING_ACCEPT_DONTWAIT"},
    {0x04, "IORING_ACCEPT_POLL_FIRST"},
};
constexpr Name sendrecv_ioprio_table[] = {
    {0x01, "IORING_RECVSEND_POLL_FIRST"},  {0x02, "IORING_RECV_MULTISHOT"},  {0x04, "IORING_RECVSEND_FIXED_BUF"},
    {0x08, "IORING_SEND_ZC_REPORT_USAGE"}, {0x10, "IORING_RECVSEND_BUNDLE"}, {0x20, "IORING_SEND_VECTORIZED"},
};
// include/uapi/linux/falloc.h
constexpr Name fallocate_mode_table[] = {
    {0x01, "FALLOC_FL_KEEP_SIZE"},      {0x02, "FALLOC_FL_PUNCH_HOLE"},   {0x04, "FALLOC_FL_NO_HIDE_STALE"},
    {0x08, "FALLOC_FL_COLLAPSE_RANGE"}, {0x10, "FALLOC_FL_ZERO_RANGE"},   {0x20, "FALLOC_FL_INSERT_RANGE"},
    {0x40, "FALLOC_FL_UNSHARE_RANGE"},  {0x80, "FALLOC_FL_WRITE_ZEROES"},
};
// include/uapi/linux/stat.h
constexpr Name statx_mask_table[] = {
    {0x007ff, "STATX_BASIC_STATS"},
    {0x00001, "STATX_TYPE"},
    {0x00002, "STATX_MODE"},
    {0x00004, "STATX_NLINK"},
    {0x00008, "STATX_UID"},
    {0x00010, "STATX_GID"},
    {0x00020, "STATX_ATIME"},
    {0x00040, "STATX_MTIME"},
    {0x00080, "STATX_CTIME"},
    {0x00100, "STATX_INO"},
    {0x00200, "STATX_SIZE"},
    {0x00400, "STATX_BLOCKS"},
    {0x00800, "STATX_BTIME"},
    {0x01000, "STATX_MNT_ID"},
    {0x02000, "STATX_DIOALIGN"},
    {0x04000, "STATX_MNT_ID_UNIQUE"},
    {0x08000, "STATX_SUBVOL"},
    {0x10000, "STATX_WRITE_ATOMIC"},
    {0x20000, "STATX_DIO_READ_ALIGN"},
};
// include/uapi/linux/fs.h
constexpr Name rename_flag_table[] = {
    {0x01, "RENAME_NOREPLACE"},
    {0x02, "RENAME_EXCHANGE"},
    {0x04, "RENAME_WHITEOUT"},
};
constexpr Name msg_ring_flag_table[] = {
    {0x01, "IORING_MSG_RING_CQE_SKIP"},
    {0x02, "IORING_MSG_RING_FLAGS_PASS"},
};
// include/uapi/linux/xattr.h
constexpr Name xattr_flag_table[] = {
    {0x01, "XATTR_CREATE"},
    {0x02, "XATTR_REPLACE"},
};
constexpr Name uring_cmd_flag_table[] = {
    {0x01, "IORING_URING_CMD_FIXED"},
    {0x02, "IORING_URING_CMD_MULTISHOT"},
};
constexpr Name install_fd_flag_table[] = {
    {0x01, "IORING_FIXED_FD_NO_CLOEXEC"},
};

// --- Numbers, not bits ----------------------------------------------------------------------------------------------

// include/uapi/linux/fadvise.h
constexpr Name fadvise_table[] = {
    {0, "POSIX_FADV_NORMAL"},   {1, "POSIX_FADV_RANDOM"},   {2, "POSIX_FADV_SEQUENTIAL"},
    {3, "POSIX_FADV_WILLNEED"}, {4, "POSIX_FADV_DONTNEED"}, {5, "POSIX_FADV_NOREUSE"},
};
// include/uapi/asm-generic/mman-common.h
constexpr Name madvise_table[] = {
    {0, "MADV_NORMAL"},           {1, "MADV_RANDOM"},          {2, "MADV_SEQUENTIAL"},
    {3, "MADV_WILLNEED"},         {4, "MADV_DONTNEED"},        {8, "MADV_FREE"},
    {9, "MADV_REMOVE"},           {10, "MADV_DONTFORK"},       {11, "MADV_DOFORK"},
    {12, "MADV_MERGEABLE"},       {13, "MADV_UNMERGEABLE"},    {14, "MADV_HUGEPAGE"},
    {15, "MADV_NOHUGEPAGE"},      {16, "MADV_DONTDUMP"},       {17, "MADV_DODUMP"},
    {18, "MADV_WIPEONFORK"},      {19, "MADV_KEEPONFORK"},     {20, "MADV_COLD"},
    {21, "MADV_PAGEOUT"},         {22, "MADV_POPULATE_READ"},  {23, "MADV_POPULATE_WRITE"},
    {24, "MADV_DONTNEED_LOCKED"}, {25, "MADV_COLLAPSE"},       {100, "MADV_HWPOISON"},
    {101, "MADV_SOFT_OFFLINE"},   {102, "MADV_GUARD_INSTALL"}, {103, "MADV_GUARD_REMOVE"},
};

// --------------------------------------------------------------------------------------------------------------------

using enum SqeField;

// Starts a row with what most operations have in common, so that a row says only what is its own.
struct Op {
    UringOp row;

    constexpr Op(OpName operation, std::string_view since)
        : row{.opcode = operation.opcode,
              .name = operation.name,
              .off = unused,
              .addr = unused,
              .len = unused,
              .uses_fd = false,
              .transfers_bytes = false,
              .memory = MemoryUse::none,
              .punts = false,
              .flags = {},
              .flags_name = {},
              .ioprio_flags = {},
              .since = since} {}

    [[nodiscard]] constexpr Op fields(SqeField off, SqeField addr, SqeField len) const {
        Op next = *this;
        next.row.off = off;
        next.row.addr = addr;
        next.row.len = len;
        return next;
    }
    [[nodiscard]] constexpr Op fd() const {
        Op next = *this;
        next.row.uses_fd = true;
        return next;
    }
    [[nodiscard]] constexpr Op transfers(MemoryUse memory) const {
        Op next = *this;
        next.row.transfers_bytes = true;
        next.row.memory = memory;
        return next;
    }
    [[nodiscard]] constexpr Op punted() const {
        Op next = *this;
        next.row.punts = true;
        return next;
    }
    [[nodiscard]] constexpr Op flagged(std::string_view name, NameTable table) const {
        Op next = *this;
        next.row.flags_name = name;
        next.row.flags = table;
        return next;
    }
    [[nodiscard]] constexpr Op prioritized(NameTable table) const {
        Op next = *this;
        next.row.ioprio_flags = table;
        return next;
    }
    // NOLINTNEXTLINE(google-explicit-constructor): a row of the table below
    constexpr operator UringOp() const { return row; }
};

// Some of the tables of flags live in other files.
auto make_op_table() {
    constexpr auto reads = MemoryUse::reads;
    constexpr auto writes = MemoryUse::writes;
    const NameTable rw = rw_flags();
    const NameTable msg = msg_flags();
    const NameTable sendrecv = sendrecv_ioprio_table;
    // clang-format off: one row per operation, fields() is off, addr, len
    return std::to_array<UringOp>({
        Op(op::nop, "5.1").flagged("nop_flags", nop_flag_table),
        Op(op::readv, "5.1").fields(offset_bytes, iovecs, iovec_count).fd().transfers(writes).flagged("rw_flags", rw),
        Op(op::writev, "5.1").fields(offset_bytes, iovecs, iovec_count).fd().transfers(reads).flagged("rw_flags", rw),
        Op(op::fsync, "5.1").fields(offset_bytes, unused, length_bytes).fd().punted().flagged("fsync_flags", fsync_flag_table),
        Op(op::read_fixed, "5.1").fields(offset_bytes, buffer, length_bytes).fd().transfers(writes).flagged("rw_flags", rw),
        Op(op::write_fixed, "5.1").fields(offset_bytes, buffer, length_bytes).fd().transfers(reads).flagged("rw_flags", rw),
        Op(op::poll_add, "5.1").fields(unused, unused, flags).fd().flagged("poll_events", poll32_event_table),
        // off is the new user_data, with IORING_POLL_UPDATE_USER_DATA
        Op(op::poll_remove, "5.1").fields(user_data, user_data, flags).flagged("poll_events", poll32_event_table),
        Op(op::sync_file_range, "5.2").fields(offset_bytes, unused, length_bytes).fd().punted().flagged("sync_range_flags", sync_range_flag_table),
        Op(op::sendmsg, "5.3").fields(unused, msghdr, unused).fd().transfers(reads).flagged("msg_flags", msg).prioritized(sendrecv),
        Op(op::recvmsg, "5.3").fields(unused, msghdr, unused).fd().transfers(writes).flagged("msg_flags", msg).prioritized(sendrecv),
        Op(op::timeout, "5.4").fields(entries, timespec, number).flagged("timeout_flags", uring_timeout_flags()),
        // off is the new time, with IORING_TIMEOUT_UPDATE or IORING_LINK_TIMEOUT_UPDATE
        Op(op::timeout_remove, "5.5").fields(timespec, user_data, unused).flagged("timeout_flags", uring_timeout_flags()),
        Op(op::accept, "5.5").fields(address, address, unused).fd().flagged("accept_flags", socket_flag_table).prioritized(accept_ioprio_table),
        // len is an opcode, with IORING_ASYNC_CANCEL_OP; fd a key, with IORING_ASYNC_CANCEL_FD
        Op(op::async_cancel, "5.5").fields(unused, user_data, number).flagged("cancel_flags", uring_cancel_flags()),
        Op(op::link_timeout, "5.5").fields(unused, timespec, number).flagged("timeout_flags", uring_timeout_flags()),
        Op(op::connect, "5.5").fields(number, sockaddr, unused).fd(),
        Op(op::fallocate, "5.6").fields(offset_bytes, length_bytes, flags).fd().punted(),
        Op(op::openat, "5.6").fields(unused, path, mode).fd().flagged("open_flags", open_flags()),
        Op(op::close, "5.6").fd(),
        Op(op::files_update, "5.6").fields(number, address, entries),
        Op(op::statx, "5.6").fields(address, path, flags).fd().punted().flagged("statx_flags", at_flags()),
        Op(op::read, "5.6").fields(offset_bytes, buffer, length_bytes).fd().transfers(writes).flagged("rw_flags", rw),
        Op(op::write, "5.6").fields(offset_bytes, buffer, length_bytes).fd().transfers(reads).flagged("rw_flags", rw),
        // Since 6.10 addr is the length, of 64 bits, unless it is 0
        Op(op::fadvise, "5.6").fields(offset_bytes, length_bytes, length_bytes).fd().flagged("fadvise_advice", {}),
        // Since 6.10 off is the length, of 64 bits, unless it is 0
        Op(op::madvise, "5.6").fields(length_bytes, address, length_bytes).punted().flagged("fadvise_advice", {}),
        Op(op::send, "5.6").fields(sockaddr, buffer, length_bytes).fd().transfers(reads).flagged("msg_flags", msg).prioritized(sendrecv),
        Op(op::recv, "5.6").fields(unused, buffer, length_bytes).fd().transfers(writes).flagged("msg_flags", msg).prioritized(sendrecv),
        Op(op::openat2, "5.6").fields(address, path, length_bytes).fd(),
        Op(op::epoll_ctl, "5.6").fields(file, address, number).fd(),
        Op(op::splice, "5.7").fields(offset_bytes, offset_bytes, length_bytes).fd().transfers(MemoryUse::none).punted().flagged("splice_flags", splice_flags()),
        // fd is the number of buffers, off the id of the first
        Op(op::provide_buffers, "5.7").fields(number, address, length_bytes),
        Op(op::remove_buffers, "5.7"),
        Op(op::tee, "5.8").fields(unused, unused, length_bytes).fd().transfers(MemoryUse::none).punted().flagged("splice_flags", splice_flags()),
        Op(op::shutdown, "5.11").fields(unused, unused, number).fd().punted(),
        Op(op::renameat, "5.11").fields(path, path, file).fd().punted().flagged("rename_flags", rename_flag_table),
        Op(op::unlinkat, "5.11").fields(unused, path, unused).fd().punted().flagged("unlink_flags", at_flags()),
        Op(op::mkdirat, "5.15").fields(unused, path, mode).fd().punted(),
        Op(op::symlinkat, "5.15").fields(path, path, unused).fd().punted(),
        Op(op::linkat, "5.15").fields(path, path, file).fd().punted().flagged("hardlink_flags", at_flags()),
        // fd is the other ring, off the user_data that its CQE gets, len the result, addr a command: uring_msg_ring_cmds()
        Op(op::msg_ring, "5.18").fields(user_data, number, number).fd().flagged("msg_ring_flags", msg_ring_flag_table),
        Op(op::fsetxattr, "5.19").fields(address, address, length_bytes).fd().punted().flagged("xattr_flags", xattr_flag_table),
        Op(op::setxattr, "5.19").fields(address, address, length_bytes).punted().flagged("xattr_flags", xattr_flag_table),
        Op(op::fgetxattr, "5.19").fields(address, address, length_bytes).fd().punted(),
        Op(op::getxattr, "5.19").fields(address, address, length_bytes).punted(),
        // fd is the domain, off the type, len the protocol
        Op(op::socket, "5.19").fields(number, unused, number),
        // off is the driver's cmd_op; of a socket addr holds level and optname
        Op(op::uring_cmd, "5.19").fields(number, number, unused).fd().flagged("uring_cmd_flags", uring_cmd_flag_table),
        Op(op::send_zc, "6.0").fields(sockaddr, buffer, length_bytes).fd().transfers(reads).flagged("msg_flags", msg).prioritized(sendrecv),
        Op(op::sendmsg_zc, "6.1").fields(unused, msghdr, unused).fd().transfers(reads).flagged("msg_flags", msg).prioritized(sendrecv),
        // Its memory comes from a buffer group: addr and len are 0
        Op(op::read_multishot, "6.7").fields(offset_bytes, unused, unused).fd().transfers(MemoryUse::none).flagged("rw_flags", rw),
        // fd is a pid or pidfd, len says which of them
        Op(op::waitid, "6.7").fields(address, unused, number),
        // fd holds FUTEX2_* flags, off the expected value
        Op(op::futex_wait, "6.7").fields(number, address, unused),
        Op(op::futex_wake, "6.7").fields(number, address, unused),
        Op(op::futex_waitv, "6.7").fields(unused, address, entries),
        Op(op::fixed_fd_install, "6.8").fd().flagged("install_fd_flags", install_fd_flag_table),
        Op(op::ftruncate, "6.9").fields(length_bytes, unused, unused).fd().punted(),
        Op(op::bind, "6.11").fields(number, sockaddr, unused).fd(),
        Op(op::listen, "6.11").fields(unused, unused, number).fd(),
        Op(op::recv_zc, "6.15").fields(unused, unused, length_bytes).fd().transfers(MemoryUse::none).flagged("msg_flags", msg).prioritized(sendrecv),
        Op(op::epoll_wait, "6.15").fields(unused, address, entries).fd(),
        Op(op::readv_fixed, "6.15").fields(offset_bytes, iovecs, iovec_count).fd().transfers(writes).flagged("rw_flags", rw),
        Op(op::writev_fixed, "6.15").fields(offset_bytes, iovecs, iovec_count).fd().transfers(reads).flagged("rw_flags", rw),
        Op(op::pipe, "6.16").fields(unused, address, unused).flagged("pipe_flags", open_flags()),
        // The two whose SQE has 128 bytes, also in a ring of IORING_SETUP_SQE_MIXED
        Op(op::nop128, "6.19").flagged("nop_flags", nop_flag_table),
        Op(op::uring_cmd128, "6.19").fields(number, number, unused).fd().flagged("uring_cmd_flags", uring_cmd_flag_table),
    });
    // clang-format on
}

// Built at first use.
const auto& op_table() {
    static const auto table = make_op_table();
    return table;
}

struct OpTable {
    std::uint8_t opcode;
    NameTable names;
};
constexpr OpTable len_flag_tables[] = {
    {6, poll_flag_table},
    {7, poll_flag_table},
    {17, fallocate_mode_table},
    {21, statx_mask_table},
};
constexpr OpTable number_tables[] = {
    {24, fadvise_table},
    {25, madvise_table},
};

NameTable table_of(std::span<const OpTable> tables, unsigned opcode) {
    const auto found = std::ranges::find(tables, opcode, &OpTable::opcode);
    return found == tables.end() ? NameTable{} : found->names;
}

}  // namespace

std::span<const UringOp> uring_ops() {
    return op_table();
}

const UringOp* uring_op(unsigned opcode) {
    const auto& table = op_table();
    return opcode < table.size() ? &table[opcode] : nullptr;
}

NameTable uring_len_flags(unsigned opcode) {
    return table_of(len_flag_tables, opcode);
}

std::string uring_op_flag_names(unsigned opcode, std::uint32_t flags) {
    if (const NameTable numbers = table_of(number_tables, opcode); !numbers.empty()) {
        return number_name(numbers, flags);
    }
    const UringOp* op = uring_op(opcode);
    return flag_names(op == nullptr ? NameTable{} : op->flags, flags);
}

}  // namespace inflight::catalog
