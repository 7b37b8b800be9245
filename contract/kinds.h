/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The kinds of records: the only table of them. A capture file is checked with it, the account of losses has its names,
 * and the fuzzers make such records.
 */
#ifndef INFLIGHT_CONTRACT_KINDS_H
#define INFLIGHT_CONTRACT_KINDS_H

/*
 * X(id, number, name, least, most, of): the number that capture files have, the name in the account of losses, the
 * bytes of the shortest and of the longest record, and who makes it (enum ifl_kind_source).
 */
#define IFL_FOR_EACH_KIND(X)                                                                                           \
	X(IFL_REQUEST, 1, request, sizeof(struct ifl_request), sizeof(struct ifl_request), IFL_OF_A_TRACE)             \
	X(IFL_CALL, 2, call, sizeof(struct ifl_call), sizeof(struct ifl_call), IFL_OF_A_TRACE)                         \
	X(IFL_IOCBS, 3, iocbs, sizeof(struct ifl_iocbs), sizeof(struct ifl_iocbs), IFL_OF_A_TRACE)                     \
	X(IFL_IO_EVENTS, 4, io_events, offsetof(struct ifl_io_events, events), sizeof(struct ifl_io_events),           \
	  IFL_OF_A_TRACE)                                                                                              \
	X(IFL_CONTEXT, 5, context, sizeof(struct ifl_context), sizeof(struct ifl_context), IFL_OF_A_TRACE)             \
	X(IFL_FILE, 6, file, sizeof(struct ifl_file), sizeof(struct ifl_file), IFL_OF_A_TRACE)                         \
	X(IFL_CGROUP, 7, cgroup, sizeof(struct ifl_cgroup), sizeof(struct ifl_cgroup), IFL_OF_A_TRACE)                 \
	X(IFL_PROCESS_EXIT, 8, process_exit, sizeof(struct ifl_process_exit), sizeof(struct ifl_process_exit),         \
	  IFL_OF_A_TRACE)                                                                                              \
	X(IFL_SNAPSHOT, 9, snapshot, sizeof(struct ifl_snapshot), sizeof(struct ifl_snapshot), IFL_OF_THE_USER_SIDE)   \
	X(IFL_URING_REQUEST, 10, uring_request, IFL_UREQ_BRIEF_BYTES, sizeof(struct ifl_uring_request),                \
	  IFL_OF_A_TRACE)                                                                                              \
	X(IFL_URING_CQE, 11, uring_cqe, sizeof(struct ifl_uring_cqe), sizeof(struct ifl_uring_cqe), IFL_OF_A_TRACE)    \
	X(IFL_RING, 12, ring, sizeof(struct ifl_ring), sizeof(struct ifl_ring), IFL_OF_A_TRACE)                        \
	X(IFL_DETAIL, 13, detail, offsetof(struct ifl_detail, bytes), sizeof(struct ifl_detail), IFL_OF_A_TRACE)       \
	X(IFL_UNMAP, 14, unmap, sizeof(struct ifl_unmap), sizeof(struct ifl_unmap), IFL_OF_A_TRACE)                    \
	X(IFL_TALLY, 15, tally, sizeof(struct ifl_tally), sizeof(struct ifl_tally), IFL_OF_A_LOOK)                     \
	X(IFL_UNREAPED, 16, unreaped, sizeof(struct ifl_unreaped), sizeof(struct ifl_unreaped), IFL_OF_A_LOOK)         \
	X(IFL_PROCESS, 17, process, sizeof(struct ifl_process), sizeof(struct ifl_process), IFL_OF_A_TRACE)

/* Who makes records of a kind. */
enum ifl_kind_source {
	IFL_OF_A_TRACE,	      /* hooks; in capture files */
	IFL_OF_THE_USER_SIDE, /* in capture files */
	IFL_OF_A_LOOK,	      /* iterators; in no file */
};

#define IFL_KIND_ID(id, number, name, least, most, of) id = (number),
enum ifl_kind { IFL_NO_KIND = 0, IFL_FOR_EACH_KIND(IFL_KIND_ID) IFL_KIND_COUNT };
#undef IFL_KIND_ID

#endif
