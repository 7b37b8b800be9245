// SPDX-License-Identifier: Apache-2.0
//
// io_uring's numbers as tables: what each opcode does with the fields of its SQE, and the names of flags. All functions
// are pure and may be called from any thread. Sources: include/uapi/linux/io_uring.h up to Linux 7.3, and io_uring/.
#ifndef INFLIGHT_CATALOG_URING_HPP
#define INFLIGHT_CATALOG_URING_HPP

#include "catalog/names.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace inflight::catalog {

// What sqe.off, sqe.addr and sqe.len are to an operation.
enum class SqeField : std::uint8_t {
    unused,
    number,        // printed as it is
    address,       // a pointer that is not followed
    offset_bytes,  // a position in a file; all ones: the file's own position
    length_bytes,
    iovec_count,
    entries,    // a count of something that is not memory: events, buffers, expirations
    user_data,  // of another request
    path,       // a pointer to a path: IFL_DETAIL_PATH, or IFL_DETAIL_NEW_PATH for `off`
    sockaddr,   // IFL_DETAIL_ADDRESS
    timespec,   // IFL_DETAIL_TIMESPEC
    buffer,     // memory that the operation reads or writes, sqe.len bytes of it
    iovecs,     // struct iovec[], IFL_DETAIL_IOVECS
    msghdr,     // struct msghdr
    mode,       // octal
    file,       // a descriptor
    flags,      // of a table of its own: uring_len_flags()
};

// What the operation does to the memory at sqe.addr (or its vectors) while it is in flight.
enum class MemoryUse : std::uint8_t { none, reads, writes };

struct UringOp {
    std::uint8_t opcode;
    std::string_view name;  // "read_fixed", as IORING_OP_READ_FIXED
    SqeField off;
    SqeField addr;
    SqeField len;
    bool uses_fd;          // sqe.fd is a descriptor (or fixed-file index) that the operation works on
    bool transfers_bytes;  // a positive result counts bytes
    MemoryUse memory;
    bool punts;                   // always handed to io-wq by design, which is no finding
    NameTable flags;              // of sqe.rw_flags and its namesakes; may be empty
    std::string_view flags_name;  // "rw_flags", "open_flags", ...; empty: unused
    NameTable ioprio_flags;       // of sqe.ioprio where it holds flags (accept, recv, send, msg_ring); may be empty
    std::string_view since;       // first kernel, "5.1"
};

// In the order of their numbers.
std::span<const UringOp> uring_ops();
// nullptr for a number that is not known.
const UringOp* uring_op(unsigned opcode);

// Where `len` is SqeField::flags: IORING_POLL_* of a poll, FALLOC_FL_*, STATX_*.
NameTable uring_len_flags(unsigned opcode);
// sqe.rw_flags and its namesakes by name: "RWF_DSYNC", "0"; of fadvise and madvise, whose field is a number and whose
// `flags` is empty for that reason, "POSIX_FADV_WILLNEED".
std::string uring_op_flag_names(unsigned opcode, std::uint32_t flags);

NameTable sqe_flags();            // IOSQE_*
NameTable cqe_flags();            // IORING_CQE_F_*, without the buffer id in the upper half
NameTable uring_setup_flags();    // IORING_SETUP_*
NameTable uring_features();       // IORING_FEAT_*
NameTable uring_enter_flags();    // IORING_ENTER_*
NameTable uring_register_ops();   // by number: "register_buffers", ..., "sync_cancel"
NameTable uring_cancel_flags();   // IORING_ASYNC_CANCEL_*
NameTable uring_timeout_flags();  // IORING_TIMEOUT_*
NameTable uring_sq_flags();       // IORING_SQ_*
NameTable uring_msg_ring_cmds();  // by number
NameTable open_flags();           // O_*
NameTable resolve_flags();        // RESOLVE_*
NameTable at_flags();             // AT_*
NameTable msg_flags();            // MSG_*
NameTable splice_flags();         // SPLICE_F_*
NameTable rw_attr_flags();        // IORING_RW_ATTR_FLAG_*, of sqe.attr_type_mask
NameTable integrity_flags();      // IO_INTEGRITY_CHK_*, of struct io_uring_attr_pi
NameTable uring_notif_flags();    // IORING_NOTIF_USAGE_*, of the result of a notification

// Name of a number in a table of numbers, not of bits: "sync_cancel"; "24" for one that is not there.
std::string number_name(NameTable table, std::uint64_t number);

// Bits of IORING_CQE_F_*, and the buffer id where IORING_CQE_F_BUFFER is set: "F_MORE|buffer 3".
std::string cqe_flag_names(std::uint32_t flags);

// "127.0.0.1:80", "[::1]:443", "unix:/run/x", "unix:@abstract", "netlink 0:0"; a family that is not known, or bytes
// that are too few, as "family 17, 12 bytes".
std::string sockaddr_name(std::string_view bytes);

}  // namespace inflight::catalog

#endif
