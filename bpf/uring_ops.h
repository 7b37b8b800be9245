/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of io_uring, and what must be known of each before its request is read. Numbers of linux/io_uring.h,
 * which never change.
 */
#ifndef INFLIGHT_BPF_URING_OPS_H
#define INFLIGHT_BPF_URING_OPS_H

#include "kernel.h"

enum {
	OP_NOP = 0,
	OP_READV = 1,
	OP_WRITEV = 2,
	OP_READ_FIXED = 4,
	OP_WRITE_FIXED = 5,
	OP_POLL_ADD = 6,
	OP_POLL_REMOVE = 7,
	OP_SENDMSG = 9,
	OP_RECVMSG = 10,
	OP_TIMEOUT = 11,
	OP_TIMEOUT_REMOVE = 12,
	OP_ACCEPT = 13,
	OP_ASYNC_CANCEL = 14,
	OP_LINK_TIMEOUT = 15,
	OP_CONNECT = 16,
	OP_OPENAT = 18,
	OP_CLOSE = 19,
	OP_FILES_UPDATE = 20,
	OP_STATX = 21,
	OP_READ = 22,
	OP_WRITE = 23,
	OP_MADVISE = 25,
	OP_SEND = 26,
	OP_RECV = 27,
	OP_OPENAT2 = 28,
	OP_EPOLL_CTL = 29,
	OP_PROVIDE_BUFFERS = 31,
	OP_REMOVE_BUFFERS = 32,
	OP_RENAMEAT = 35,
	OP_UNLINKAT = 36,
	OP_MKDIRAT = 37,
	OP_SYMLINKAT = 38,
	OP_LINKAT = 39,
	OP_FSETXATTR = 41,
	OP_SETXATTR = 42,
	OP_FGETXATTR = 43,
	OP_GETXATTR = 44,
	OP_SOCKET = 45,
	OP_URING_CMD = 46,
	OP_SEND_ZC = 47,
	OP_SENDMSG_ZC = 48,
	OP_READ_MULTISHOT = 49,
	OP_WAITID = 50,
	OP_FUTEX_WAIT = 51,
	OP_FUTEX_WAKE = 52,
	OP_FUTEX_WAITV = 53,
	OP_BIND = 56,
	OP_RECV_ZC = 58,
	OP_READV_FIXED = 60,
	OP_WRITEV_FIXED = 61,
	OP_PIPE = 62,
	OP_NOP128 = 63,
	OP_URING_CMD128 = 64,
};

/* What must be known of an operation before its request is read. */
enum {
	OP_NO_FILE = 1u << 0, /* its sqe.fd is no file that it works on */
	OP_OWN_FD = 1u << 1,  /* io_init_req() does not take over its sqe.fd, though it works on it in its own way */
	OP_IO_RW = 1u << 2,   /* a struct io_rw is what it keeps */
	OP_WRITES = 1u << 3,  /* ... to write from */
	OP_ZERO_COPY = 1u << 4,
	OP_CANCELS = 1u << 5,
	OP_WIDE = 1u << 6, /* its SQE has 128 bytes, in a ring of both sizes two places (is_128 of io_issue_defs[]) */
};

/* One byte for each number there is, so that none needs a check. A new opcode that is not listed shows its fd's file.
 */
static const __u8 op_traits[256] = {
    [OP_NOP] = OP_NO_FILE,
    [OP_READV] = OP_IO_RW,
    [OP_WRITEV] = OP_IO_RW | OP_WRITES,
    [OP_READ_FIXED] = OP_IO_RW,
    [OP_WRITE_FIXED] = OP_IO_RW | OP_WRITES,
    [OP_POLL_REMOVE] = OP_NO_FILE | OP_CANCELS,
    [OP_TIMEOUT] = OP_NO_FILE,
    [OP_TIMEOUT_REMOVE] = OP_NO_FILE | OP_CANCELS,
    [OP_ASYNC_CANCEL] = OP_NO_FILE | OP_CANCELS,
    [OP_LINK_TIMEOUT] = OP_NO_FILE,
    [OP_OPENAT] = OP_NO_FILE,
    [OP_CLOSE] = OP_OWN_FD,
    [OP_FILES_UPDATE] = OP_NO_FILE,
    [OP_STATX] = OP_NO_FILE,
    [OP_READ] = OP_IO_RW,
    [OP_WRITE] = OP_IO_RW | OP_WRITES,
    [OP_MADVISE] = OP_NO_FILE,
    [OP_OPENAT2] = OP_NO_FILE,
    [OP_EPOLL_CTL] = OP_OWN_FD,
    [OP_PROVIDE_BUFFERS] = OP_NO_FILE,
    [OP_REMOVE_BUFFERS] = OP_NO_FILE,
    [OP_RENAMEAT] = OP_NO_FILE,
    [OP_UNLINKAT] = OP_NO_FILE,
    [OP_MKDIRAT] = OP_NO_FILE,
    [OP_SYMLINKAT] = OP_NO_FILE,
    [OP_LINKAT] = OP_NO_FILE,
    [OP_SETXATTR] = OP_NO_FILE,
    [OP_GETXATTR] = OP_NO_FILE,
    [OP_SOCKET] = OP_NO_FILE,
    [OP_SEND_ZC] = OP_ZERO_COPY,
    [OP_SENDMSG_ZC] = OP_ZERO_COPY,
    [OP_READ_MULTISHOT] = OP_IO_RW,
    [OP_WAITID] = OP_NO_FILE,
    [OP_FUTEX_WAIT] = OP_NO_FILE,
    [OP_FUTEX_WAKE] = OP_NO_FILE,
    [OP_FUTEX_WAITV] = OP_NO_FILE,
    [OP_READV_FIXED] = OP_IO_RW,
    [OP_WRITEV_FIXED] = OP_IO_RW | OP_WRITES,
    [OP_PIPE] = OP_NO_FILE,
    [OP_NOP128] = OP_NO_FILE | OP_WIDE,
    [OP_URING_CMD128] = OP_WIDE,
};

static __always_inline bool op_is(__u8 opcode, __u8 traits)
{
	return op_traits[opcode] & traits;
}

#endif
