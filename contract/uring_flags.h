/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The flags of io_uring that more than one part of inflight must know, up to Linux 7.3: the only table of their bits.
 * Source: linux/io_uring.h. Each row is X(ID, id, bit).
 */
#ifndef INFLIGHT_CONTRACT_URING_FLAGS_H
#define INFLIGHT_CONTRACT_URING_FLAGS_H

/* IORING_SETUP_* */
#define IFL_FOR_EACH_SETUP_FLAG(X)                                                                                     \
	X(IOPOLL, iopoll, 0)                                                                                           \
	X(SQPOLL, sqpoll, 1)                                                                                           \
	X(SQ_AFF, sq_aff, 2)                                                                                           \
	X(CQSIZE, cqsize, 3)                                                                                           \
	X(CLAMP, clamp, 4)                                                                                             \
	X(ATTACH_WQ, attach_wq, 5)                                                                                     \
	X(R_DISABLED, r_disabled, 6)                                                                                   \
	X(SUBMIT_ALL, submit_all, 7)                                                                                   \
	X(COOP_TASKRUN, coop_taskrun, 8)                                                                               \
	X(TASKRUN_FLAG, taskrun_flag, 9)                                                                               \
	X(SQE128, sqe128, 10)                                                                                          \
	X(CQE32, cqe32, 11)                                                                                            \
	X(SINGLE_ISSUER, single_issuer, 12)                                                                            \
	X(DEFER_TASKRUN, defer_taskrun, 13)                                                                            \
	X(NO_MMAP, no_mmap, 14)                                                                                        \
	X(REGISTERED_FD_ONLY, registered_fd_only, 15)                                                                  \
	X(NO_SQARRAY, no_sqarray, 16)                                                                                  \
	X(HYBRID_IOPOLL, hybrid_iopoll, 17)                                                                            \
	X(CQE_MIXED, cqe_mixed, 18)                                                                                    \
	X(SQE_MIXED, sqe_mixed, 19)                                                                                    \
	X(SQ_REWIND, sq_rewind, 20)

/* IOSQE_* */
#define IFL_FOR_EACH_SQE_FLAG(X)                                                                                       \
	X(FIXED_FILE, fixed_file, 0)                                                                                   \
	X(IO_DRAIN, io_drain, 1)                                                                                       \
	X(IO_LINK, io_link, 2)                                                                                         \
	X(IO_HARDLINK, io_hardlink, 3)                                                                                 \
	X(ASYNC, async, 4)                                                                                             \
	X(BUFFER_SELECT, buffer_select, 5)                                                                             \
	X(CQE_SKIP_SUCCESS, cqe_skip_success, 6)

/* IORING_CQE_F_* */
#define IFL_FOR_EACH_CQE_FLAG(X)                                                                                       \
	X(BUFFER, buffer, 0)                                                                                           \
	X(MORE, more, 1)                                                                                               \
	X(SOCK_NONEMPTY, sock_nonempty, 2)                                                                             \
	X(NOTIF, notif, 3)                                                                                             \
	X(BUF_MORE, buf_more, 4)                                                                                       \
	X(SKIP, skip, 5)                                                                                               \
	X(32, 32, 15)

/* IORING_ENTER_* */
#define IFL_FOR_EACH_ENTER_FLAG(X)                                                                                     \
	X(GETEVENTS, getevents, 0)                                                                                     \
	X(SQ_WAKEUP, sq_wakeup, 1)                                                                                     \
	X(SQ_WAIT, sq_wait, 2)                                                                                         \
	X(EXT_ARG, ext_arg, 3)                                                                                         \
	X(REGISTERED_RING, registered_ring, 4)                                                                         \
	X(ABS_TIMER, abs_timer, 5)                                                                                     \
	X(EXT_ARG_REG, ext_arg_reg, 6)                                                                                 \
	X(NO_IOWAIT, no_iowait, 7)

/* IORING_ASYNC_CANCEL_* */
#define IFL_FOR_EACH_CANCEL_FLAG(X)                                                                                    \
	X(ALL, all, 0)                                                                                                 \
	X(FD, fd, 1)                                                                                                   \
	X(ANY, any, 2)                                                                                                 \
	X(FD_FIXED, fd_fixed, 3)                                                                                       \
	X(USERDATA, userdata, 4)                                                                                       \
	X(OP, op, 5)

#endif
