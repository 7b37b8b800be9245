/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The operations of io_uring up to Linux 7.3: the only table of their numbers and names. Source: linux/io_uring.h, and
 * io_issue_defs[] of io_uring/opdef.c for what is true of each.
 */
#ifndef INFLIGHT_CONTRACT_OPS_H
#define INFLIGHT_CONTRACT_OPS_H

/* What must be known of an operation before its request is read. */
enum ifl_op_trait {
	IFL_OP_NO_FILE = 1u << 0, /* its sqe.fd is no file that it works on */
	IFL_OP_OWN_FD = 1u << 1, /* io_init_req() does not take over its sqe.fd, though it works on it in its own way */
	IFL_OP_IO_RW = 1u << 2,	 /* a struct io_rw is what it keeps */
	IFL_OP_WRITES = 1u << 3, /* ... to write from */
	IFL_OP_ZERO_COPY = 1u << 4,
	IFL_OP_CANCELS = 1u << 5,
	IFL_OP_WIDE = 1u << 6, /* its SQE has 128 bytes, in a ring of both sizes two places */
};

/* X(id, name, number, traits). One that is not here is shown by its number, with the file of its descriptor. */
#define IFL_FOR_EACH_OP(X)                                                                                             \
	X(NOP, nop, 0, IFL_OP_NO_FILE)                                                                                 \
	X(READV, readv, 1, IFL_OP_IO_RW)                                                                               \
	X(WRITEV, writev, 2, IFL_OP_IO_RW | IFL_OP_WRITES)                                                             \
	X(FSYNC, fsync, 3, 0)                                                                                          \
	X(READ_FIXED, read_fixed, 4, IFL_OP_IO_RW)                                                                     \
	X(WRITE_FIXED, write_fixed, 5, IFL_OP_IO_RW | IFL_OP_WRITES)                                                   \
	X(POLL_ADD, poll_add, 6, 0)                                                                                    \
	X(POLL_REMOVE, poll_remove, 7, IFL_OP_NO_FILE | IFL_OP_CANCELS)                                                \
	X(SYNC_FILE_RANGE, sync_file_range, 8, 0)                                                                      \
	X(SENDMSG, sendmsg, 9, 0)                                                                                      \
	X(RECVMSG, recvmsg, 10, 0)                                                                                     \
	X(TIMEOUT, timeout, 11, IFL_OP_NO_FILE)                                                                        \
	X(TIMEOUT_REMOVE, timeout_remove, 12, IFL_OP_NO_FILE | IFL_OP_CANCELS)                                         \
	X(ACCEPT, accept, 13, 0)                                                                                       \
	X(ASYNC_CANCEL, async_cancel, 14, IFL_OP_NO_FILE | IFL_OP_CANCELS)                                             \
	X(LINK_TIMEOUT, link_timeout, 15, IFL_OP_NO_FILE)                                                              \
	X(CONNECT, connect, 16, 0)                                                                                     \
	X(FALLOCATE, fallocate, 17, 0)                                                                                 \
	X(OPENAT, openat, 18, IFL_OP_NO_FILE)                                                                          \
	X(CLOSE, close, 19, IFL_OP_OWN_FD)                                                                             \
	X(FILES_UPDATE, files_update, 20, IFL_OP_NO_FILE)                                                              \
	X(STATX, statx, 21, IFL_OP_NO_FILE)                                                                            \
	X(READ, read, 22, IFL_OP_IO_RW)                                                                                \
	X(WRITE, write, 23, IFL_OP_IO_RW | IFL_OP_WRITES)                                                              \
	X(FADVISE, fadvise, 24, 0)                                                                                     \
	X(MADVISE, madvise, 25, IFL_OP_NO_FILE)                                                                        \
	X(SEND, send, 26, 0)                                                                                           \
	X(RECV, recv, 27, 0)                                                                                           \
	X(OPENAT2, openat2, 28, IFL_OP_NO_FILE)                                                                        \
	X(EPOLL_CTL, epoll_ctl, 29, IFL_OP_OWN_FD)                                                                     \
	X(SPLICE, splice, 30, 0)                                                                                       \
	X(PROVIDE_BUFFERS, provide_buffers, 31, IFL_OP_NO_FILE)                                                        \
	X(REMOVE_BUFFERS, remove_buffers, 32, IFL_OP_NO_FILE)                                                          \
	X(TEE, tee, 33, 0)                                                                                             \
	X(SHUTDOWN, shutdown, 34, 0)                                                                                   \
	X(RENAMEAT, renameat, 35, IFL_OP_NO_FILE)                                                                      \
	X(UNLINKAT, unlinkat, 36, IFL_OP_NO_FILE)                                                                      \
	X(MKDIRAT, mkdirat, 37, IFL_OP_NO_FILE)                                                                        \
	X(SYMLINKAT, symlinkat, 38, IFL_OP_NO_FILE)                                                                    \
	X(LINKAT, linkat, 39, IFL_OP_NO_FILE)                                                                          \
	X(MSG_RING, msg_ring, 40, 0)                                                                                   \
	X(FSETXATTR, fsetxattr, 41, 0)                                                                                 \
	X(SETXATTR, setxattr, 42, IFL_OP_NO_FILE)                                                                      \
	X(FGETXATTR, fgetxattr, 43, 0)                                                                                 \
	X(GETXATTR, getxattr, 44, IFL_OP_NO_FILE)                                                                      \
	X(SOCKET, socket, 45, IFL_OP_NO_FILE)                                                                          \
	X(URING_CMD, uring_cmd, 46, 0)                                                                                 \
	X(SEND_ZC, send_zc, 47, IFL_OP_ZERO_COPY)                                                                      \
	X(SENDMSG_ZC, sendmsg_zc, 48, IFL_OP_ZERO_COPY)                                                                \
	X(READ_MULTISHOT, read_multishot, 49, IFL_OP_IO_RW)                                                            \
	X(WAITID, waitid, 50, IFL_OP_NO_FILE)                                                                          \
	X(FUTEX_WAIT, futex_wait, 51, IFL_OP_NO_FILE)                                                                  \
	X(FUTEX_WAKE, futex_wake, 52, IFL_OP_NO_FILE)                                                                  \
	X(FUTEX_WAITV, futex_waitv, 53, IFL_OP_NO_FILE)                                                                \
	X(FIXED_FD_INSTALL, fixed_fd_install, 54, 0)                                                                   \
	X(FTRUNCATE, ftruncate, 55, 0)                                                                                 \
	X(BIND, bind, 56, 0)                                                                                           \
	X(LISTEN, listen, 57, 0)                                                                                       \
	X(RECV_ZC, recv_zc, 58, 0)                                                                                     \
	X(EPOLL_WAIT, epoll_wait, 59, 0)                                                                               \
	X(READV_FIXED, readv_fixed, 60, IFL_OP_IO_RW)                                                                  \
	X(WRITEV_FIXED, writev_fixed, 61, IFL_OP_IO_RW | IFL_OP_WRITES)                                                \
	X(PIPE, pipe, 62, IFL_OP_NO_FILE)                                                                              \
	X(NOP128, nop128, 63, IFL_OP_NO_FILE | IFL_OP_WIDE)                                                            \
	X(URING_CMD128, uring_cmd128, 64, IFL_OP_WIDE)

#endif
