// SPDX-License-Identifier: Apache-2.0
//
// Tables only. A table that holds a name of several bits has it before those of the single bits: flag_names() takes
// the first that fits.
#include "catalog/uring.hpp"

#include "contract/uring_flags.h"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::catalog {
namespace {

// include/uapi/linux/io_uring.h, up to Linux 7.3
#define NAME_OF_FLAG(ID, id, bit) {1U << (bit), "IOSQE_" #ID},
constexpr Name sqe_flag_table[] = {IFL_FOR_EACH_SQE_FLAG(NAME_OF_FLAG)};
#undef NAME_OF_FLAG

constexpr std::uint32_t cqe_has_buffer = 0x01;
constexpr unsigned cqe_buffer_shift = 16;
#define NAME_OF_FLAG(ID, id, bit) {1U << (bit), "F_" #ID},
constexpr Name cqe_flag_table[] = {IFL_FOR_EACH_CQE_FLAG(NAME_OF_FLAG)};
#undef NAME_OF_FLAG

#define NAME_OF_FLAG(ID, id, bit) {1U << (bit), "IORING_SETUP_" #ID},
constexpr Name setup_flag_table[] = {IFL_FOR_EACH_SETUP_FLAG(NAME_OF_FLAG)};
#undef NAME_OF_FLAG

constexpr Name feature_table[] = {
    {1U << 0, "IORING_FEAT_SINGLE_MMAP"},      {1U << 1, "IORING_FEAT_NODROP"},
    {1U << 2, "IORING_FEAT_SUBMIT_STABLE"},    {1U << 3, "IORING_FEAT_RW_CUR_POS"},
    {1U << 4, "IORING_FEAT_CUR_PERSONALITY"},  {1U << 5, "IORING_FEAT_FAST_POLL"},
    {1U << 6, "IORING_FEAT_POLL_32BITS"},      {1U << 7, "IORING_FEAT_SQPOLL_NONFIXED"},
    {1U << 8, "IORING_FEAT_EXT_ARG"},          {1U << 9, "IORING_FEAT_NATIVE_WORKERS"},
    {1U << 10, "IORING_FEAT_RSRC_TAGS"},       {1U << 11, "IORING_FEAT_CQE_SKIP"},
    {1U << 12, "IORING_FEAT_LINKED_FILE"},     {1U << 13, "IORING_FEAT_REG_REG_RING"},
    {1U << 14, "IORING_FEAT_RECVSEND_BUNDLE"}, {1U << 15, "IORING_FEAT_MIN_TIMEOUT"},
    {1U << 16, "IORING_FEAT_RW_ATTR"},         {1U << 17, "IORING_FEAT_NO_IOWAIT"},
};

#define NAME_OF_FLAG(ID, id, bit) {1U << (bit), "IORING_ENTER_" #ID},
constexpr Name enter_flag_table[] = {IFL_FOR_EACH_ENTER_FLAG(NAME_OF_FLAG)};
#undef NAME_OF_FLAG

// "register_" stays where there is an "unregister_" too, or where the rest says nothing alone.
constexpr Name register_op_table[] = {
    {0, "register_buffers"},
    {1, "unregister_buffers"},
    {2, "register_files"},
    {3, "unregister_files"},
    {4, "register_eventfd"},
    {5, "unregister_eventfd"},
    {6, "files_update"},
    {7, "register_eventfd_async"},
    {8, "probe"},
    {9, "register_personality"},
    {10, "unregister_personality"},
    {11, "restrictions"},
    {12, "enable_rings"},
    {13, "register_files2"},
    {14, "files_update2"},
    {15, "register_buffers2"},
    {16, "buffers_update"},
    {17, "register_iowq_aff"},
    {18, "unregister_iowq_aff"},
    {19, "iowq_max_workers"},
    {20, "register_ring_fds"},
    {21, "unregister_ring_fds"},
    {22, "register_pbuf_ring"},
    {23, "unregister_pbuf_ring"},
    {24, "sync_cancel"},
    {25, "file_alloc_range"},
    {26, "pbuf_status"},
    {27, "register_napi"},
    {28, "unregister_napi"},
    {29, "register_clock"},
    {30, "clone_buffers"},
    {31, "send_msg_ring"},
    {32, "register_zcrx_ifq"},
    {33, "resize_rings"},
    {34, "register_mem_region"},
    {35, "query"},
    {36, "zcrx_ctrl"},
    {37, "bpf_filter"},
};

#define NAME_OF_FLAG(ID, id, bit) {1U << (bit), "IORING_ASYNC_CANCEL_" #ID},
constexpr Name cancel_flag_table[] = {IFL_FOR_EACH_CANCEL_FLAG(NAME_OF_FLAG)};
#undef NAME_OF_FLAG

constexpr Name timeout_flag_table[] = {
    {0x01, "IORING_TIMEOUT_ABS"},       {0x02, "IORING_TIMEOUT_UPDATE"},        {0x04, "IORING_TIMEOUT_BOOTTIME"},
    {0x08, "IORING_TIMEOUT_REALTIME"},  {0x10, "IORING_LINK_TIMEOUT_UPDATE"},   {0x20, "IORING_TIMEOUT_ETIME_SUCCESS"},
    {0x40, "IORING_TIMEOUT_MULTISHOT"}, {0x80, "IORING_TIMEOUT_IMMEDIATE_ARG"},
};

constexpr Name sq_flag_table[] = {
    {0x01, "IORING_SQ_NEED_WAKEUP"},
    {0x02, "IORING_SQ_CQ_OVERFLOW"},
    {0x04, "IORING_SQ_TASKRUN"},
};

constexpr Name msg_ring_cmd_table[] = {
    {0, "data"},
    {1, "send_fd"},
};

// include/uapi/asm-generic/fcntl.h. O_RDONLY is 0.
constexpr Name open_flag_table[] = {
    {020200000, "O_TMPFILE"}, {04010000, "O_SYNC"},       {000000001, "O_WRONLY"},    {000000002, "O_RDWR"},
    {000000100, "O_CREAT"},   {000000200, "O_EXCL"},      {000000400, "O_NOCTTY"},    {000001000, "O_TRUNC"},
    {000002000, "O_APPEND"},  {000004000, "O_NONBLOCK"},  {000010000, "O_DSYNC"},     {000020000, "O_ASYNC"},
    {000040000, "O_DIRECT"},  {000100000, "O_LARGEFILE"}, {000200000, "O_DIRECTORY"}, {000400000, "O_NOFOLLOW"},
    {001000000, "O_NOATIME"}, {002000000, "O_CLOEXEC"},   {010000000, "O_PATH"},
};

// include/uapi/linux/openat2.h
constexpr Name resolve_flag_table[] = {
    {0x01, "RESOLVE_NO_XDEV"}, {0x02, "RESOLVE_NO_MAGICLINKS"}, {0x04, "RESOLVE_NO_SYMLINKS"},
    {0x08, "RESOLVE_BENEATH"}, {0x10, "RESOLVE_IN_ROOT"},       {0x20, "RESOLVE_CACHED"},
};

// include/uapi/linux/fcntl.h
constexpr Name at_flag_table[] = {
    {0x0100, "AT_SYMLINK_NOFOLLOW"}, {0x0200, "AT_REMOVEDIR"},  {0x0400, "AT_SYMLINK_FOLLOW"},
    {0x0800, "AT_NO_AUTOMOUNT"},     {0x1000, "AT_EMPTY_PATH"}, {0x2000, "AT_STATX_FORCE_SYNC"},
    {0x4000, "AT_STATX_DONT_SYNC"},  {0x8000, "AT_RECURSIVE"},
};

// include/linux/socket.h
constexpr Name msg_flag_table[] = {
    {0x00000001, "MSG_OOB"},          {0x00000002, "MSG_PEEK"},       {0x00000004, "MSG_DONTROUTE"},
    {0x00000008, "MSG_CTRUNC"},       {0x00000010, "MSG_PROBE"},      {0x00000020, "MSG_TRUNC"},
    {0x00000040, "MSG_DONTWAIT"},     {0x00000080, "MSG_EOR"},        {0x00000100, "MSG_WAITALL"},
    {0x00000200, "MSG_FIN"},          {0x00000400, "MSG_SYN"},        {0x00000800, "MSG_CONFIRM"},
    {0x00001000, "MSG_RST"},          {0x00002000, "MSG_ERRQUEUE"},   {0x00004000, "MSG_NOSIGNAL"},
    {0x00008000, "MSG_MORE"},         {0x00010000, "MSG_WAITFORONE"}, {0x00040000, "MSG_BATCH"},
    {0x02000000, "MSG_SOCK_DEVMEM"},  {0x04000000, "MSG_ZEROCOPY"},   {0x20000000, "MSG_FASTOPEN"},
    {0x40000000, "MSG_CMSG_CLOEXEC"},
};

// include/linux/splice.h, include/uapi/linux/io_uring.h
constexpr Name splice_flag_table[] = {
    {0x01, "SPLICE_F_MOVE"}, {0x02, "SPLICE_F_NONBLOCK"},        {0x04, "SPLICE_F_MORE"},
    {0x08, "SPLICE_F_GIFT"}, {1U << 31, "SPLICE_F_FD_IN_FIXED"},
};

constexpr Name rw_attr_flag_table[] = {{0x01, "IORING_RW_ATTR_FLAG_PI"}};
// include/uapi/linux/fs.h
constexpr Name integrity_flag_table[] = {
    {0x01, "IO_INTEGRITY_CHK_GUARD"},
    {0x02, "IO_INTEGRITY_CHK_REFTAG"},
    {0x04, "IO_INTEGRITY_CHK_APPTAG"},
};
constexpr Name notif_flag_table[] = {{1U << 31, "IORING_NOTIF_USAGE_ZC_COPIED"}};

}  // namespace

NameTable sqe_flags() {
    return sqe_flag_table;
}

NameTable cqe_flags() {
    return cqe_flag_table;
}

NameTable uring_setup_flags() {
    return setup_flag_table;
}

NameTable uring_features() {
    return feature_table;
}

NameTable uring_enter_flags() {
    return enter_flag_table;
}

NameTable uring_register_ops() {
    return register_op_table;
}

NameTable uring_cancel_flags() {
    return cancel_flag_table;
}

NameTable uring_timeout_flags() {
    return timeout_flag_table;
}

NameTable uring_sq_flags() {
    return sq_flag_table;
}

NameTable uring_msg_ring_cmds() {
    return msg_ring_cmd_table;
}

NameTable open_flags() {
    return open_flag_table;
}

NameTable resolve_flags() {
    return resolve_flag_table;
}

NameTable at_flags() {
    return at_flag_table;
}

NameTable msg_flags() {
    return msg_flag_table;
}

NameTable splice_flags() {
    return splice_flag_table;
}

NameTable rw_attr_flags() {
    return rw_attr_flag_table;
}

NameTable integrity_flags() {
    return integrity_flag_table;
}

NameTable uring_notif_flags() {
    return notif_flag_table;
}

std::string number_name(NameTable table, std::uint64_t number) {
    const auto found = std::ranges::find(table, number, &Name::value);
    return found == table.end() ? fmt::to_string(number) : std::string{found->name};
}

std::string cqe_flag_names(std::uint32_t flags) {
    if ((flags & cqe_has_buffer) == 0) {
        return flag_names(cqe_flags(), flags);
    }
    const std::uint32_t others = flags & ((1U << cqe_buffer_shift) - 1) & ~cqe_has_buffer;
    const std::string buffer = fmt::format("buffer {}", flags >> cqe_buffer_shift);
    return others == 0 ? buffer : flag_names(cqe_flags(), others) + "|" + buffer;
}

}  // namespace inflight::catalog
