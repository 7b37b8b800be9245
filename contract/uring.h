/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The records of io_uring. A ring is a context, an SQE a request; the header, the tasks and the rules are those of
 * records.h.
 */
#ifndef INFLIGHT_CONTRACT_URING_H
#define INFLIGHT_CONTRACT_URING_H

#include "records.h"

#define IFL_SQE_BYTES 64

enum ifl_uring_request_state {
	IFL_UREQ_IN_FLIGHT = 0, /* read from the table of requests in flight */
	IFL_UREQ_ENDED = 1,
	IFL_UREQ_ANNOUNCED = 2, /* was submitted just now and will have several CQEs */
};

/* ifl_uring_request.flags */
enum {
	IFL_UREQ_EXISTED = 1u << 0,	/* submitted before the hooks were attached: no SQE, no submit_ns */
	IFL_UREQ_UNPAIRED = 1u << 1,	/* no submission was seen although its ring was watched */
	IFL_UREQ_PREP_FAILED = 1u << 2, /* refused when its SQE was read: prep_error; it was never issued */
	IFL_UREQ_END_UNSEEN = 1u << 3, /* no CQE event: complete_ns is when the end was noticed, result is void. That is
					* how a success with IOSQE_CQE_SKIP_SUCCESS ends, or a CQE that overflowed */
	IFL_UREQ_RING_DYING = 1u << 5, /* its ring was being torn down when it completed */
	IFL_UREQ_TASK_EXITING = 1u << 6, /* failed in a task whose process was ending, or in a kernel thread */
	IFL_UREQ_SQPOLL = 1u << 7,	 /* submitted by the SQ thread sq_thread: tid is void */
	IFL_UREQ_LINK_FAILED = 1u << 8,	 /* io_uring_fail_link: an earlier request of its chain failed, see failed_by */
	IFL_UREQ_SQE_UNREAD = 1u << 9,	 /* sqe is void */
	IFL_UREQ_KERNEL_RW = 1u << 10,	 /* k_offset, k_address, k_length are the kernel's own (struct io_rw) */
	IFL_UREQ_FIXED_FILE = 1u << 11,	 /* fd is an index of the ring's file table */
	IFL_UREQ_BIG_CQE = 1u << 12,	 /* big_cqe holds the second half of a 32-byte CQE */
	IFL_UREQ_BY_WORKER = 1u << 13,	 /* completed in an io-wq worker: completer_tid */
	IFL_UREQ_DETAILS_LOST = 1u << 14,  /* at least one of its details could not be written */
	IFL_UREQ_NEW_USER_DATA = 1u << 15, /* a poll update gave it user_data; sqe has the first */
	IFL_UREQ_APPENDED = 1u << 16,	   /* a write to the end of the file, whatever its offset */
	IFL_UREQ_FILTERED = 1u << 17,	   /* prep_error is the answer of a BPF filter (7.0) */
	IFL_UREQ_RESTRICTED = 1u << 18,	   /* prep_error is the answer of a restriction of the ring or the task */
	IFL_UREQ_DRIVEN = 1u << 19, /* submitted by a BPF program that drives its ring: the thread only lent its time */
};

/*
 * ifl_uring_request.place: the list of io_uring's that a request in flight was found on when the lists were walked.
 * Only in records of state IN_FLIGHT.
 */
enum ifl_place {
	IFL_PLACE_NONE = 0,	  /* on no list, or they were not walked */
	IFL_PLACE_POLL = 1,	  /* a poll is armed: ctx->cancel_table */
	IFL_PLACE_TIMER = 2,	  /* a timer runs: ctx->timeout_list, ctx->ltimeout_list */
	IFL_PLACE_FUTEX = 3,	  /* ctx->futex_list */
	IFL_PLACE_CHILD = 4,	  /* waits for a child process: ctx->waitid_list */
	IFL_PLACE_COMMAND = 5,	  /* with a driver that can give it up: ctx->cancelable_uring_cmd */
	IFL_PLACE_WQ_QUEUED = 6,  /* waits for an io-wq worker */
	IFL_PLACE_WQ_RUNNING = 7, /* an io-wq worker works on it */
	IFL_PLACE_DRAIN = 8,	  /* held back by IOSQE_IO_DRAIN: ctx->defer_list */
	IFL_PLACE_LINK = 9,	  /* behind another of its chain that is in flight */
	IFL_PLACE_WORK = 10,	  /* ready, waits for its thread: ctx->work_llist, io_uring_task.task_list */
	IFL_PLACE_IOPOLL = 11,	  /* with a device that the program polls (IORING_SETUP_IOPOLL): ctx->iopoll_list */
	IFL_PLACE_COUNT = 12,
};

/*
 * One io_uring request. Written once, at its end; or when it is announced; or read from the table. `request_id` is
 * inflight's own number, never used twice in a run, 0: not known. user_data, opcode, fd, and what the flags say, are
 * read from struct io_kiocb, the kernel's own. `sqe` is read from the ring's memory, which the program can write to.
 *
 * Most requests are submitted, done and completed by one task at once: their record is IFL_UREQ_BRIEF_BYTES long. What
 * it leaves out is 0, but for completer_comm, which is comm.
 */
struct ifl_uring_request {
	struct ifl_header header;
	ifl_u64 request_id;
	ifl_u64 req;  /* address of struct io_kiocb: the identity while it is in flight */
	ifl_u64 ring; /* address of struct io_ring_ctx */
	ifl_u64 context_id;
	ifl_u64 user_data;
	ifl_u64 submit_ns;    /* 0: not known */
	ifl_u64 complete_ns;  /* 0: still in flight */
	ifl_u64 task_work_ns; /* task work queued, the last time; 0: never */
	ifl_u64 file_id;
	ifl_u64 cgroup_id;
	ifl_s64 k_offset;
	ifl_u64 k_address;
	ifl_u32 k_length;
	ifl_s32 result;
	ifl_u32 cqe_flags;
	ifl_u32 cq_tail; /* of the ring, once this CQE stood in it: it is reaped when the head has come there */
	ifl_u32 cq_head; /* as the program had moved it by then, or earlier */
	ifl_s32 fd;
	ifl_u32 pid; /* the submitting task's; of an SQPOLL ring the owner's */
	ifl_u32 tid;
	ifl_u32 uid;
	ifl_u32 completer_pid;
	ifl_u32 completer_tid;
	ifl_u32 flags;
	ifl_u32 task_works;
	ifl_u32 cqes;	 /* written before the one that ended it */
	ifl_u32 details; /* IFL_DETAIL records that carry its request_id */
	ifl_u32 batch;	 /* SQEs of the same submission (io_submit_state.submit_nr), 0: not known */
	ifl_u8 opcode;
	ifl_u8 sqe_flags; /* IOSQE_* */
	ifl_u8 state;	  /* enum ifl_uring_request_state */
	ifl_u8 place;	  /* enum ifl_place */
	ifl_u8 reserved[4];
	char comm[IFL_COMM_BYTES];
	ifl_u8 sqe[IFL_SQE_BYTES];
	/* A brief record ends here. */
	ifl_u64 defer_ns;  /* held back by IOSQE_IO_DRAIN; 0: never, also the next three */
	ifl_u64 punt_ns;   /* handed to io-wq, the first time */
	ifl_u64 worker_ns; /* an io-wq worker began to work on it, the first time */
	ifl_u64 arm_ns;	   /* poll armed, the first time */
	ifl_u64 link_head; /* request_id of the head of its chain; 0: none. The head itself has 0 */
	ifl_u64 failed_by; /* request_id of the request whose end broke the link; 0: not known */
	ifl_u64 call_id; /* the io_uring_enter that brought it, where those are told; 0: not known, or the SQ thread */
	ifl_u64 big_cqe[2];
	ifl_u32 sq_thread;  /* tid of the SQ thread, 0: none */
	ifl_u32 worker_tid; /* of the io-wq worker that ran it last, 0: none or not known */
	ifl_u32 punts;	    /* times handed to io-wq */
	ifl_u32 arms;
	ifl_s32 prep_error; /* why it was refused when its SQE was read; also where its CQE was not seen */
	ifl_u32 reserved2;
	char completer_comm[IFL_COMM_BYTES];
};

#define IFL_UREQ_BRIEF_BYTES 272

/* ifl_uring_cqe.flags */
enum {
	IFL_UCQE_OVERFLOWED = 1u << 0,	  /* went to the backlog because the CQ ring was full */
	IFL_UCQE_DROPPED = 1u << 1,	  /* ... for which the kernel had no memory: the program never sees it */
	IFL_UCQE_BIG = 1u << 2,		  /* big_cqe is filled */
	IFL_UCQE_OF_NO_REQUEST = 1u << 3, /* overflowed, and the ring had no request in flight that it could end */
};

/*
 * A CQE that ends no request that the hook could name: one of a multishot request, a notification of a zero-copy send,
 * a message from another ring, or one that overflowed (the kernel then tells the user_data only). request_id and req
 * are 0 where the kernel does not tell.
 */
struct ifl_uring_cqe {
	struct ifl_header header;
	ifl_u64 request_id;
	ifl_u64 req;
	ifl_u64 ring;
	ifl_u64 context_id;
	ifl_u64 user_data;
	ifl_u64 big_cqe[2];
	ifl_s32 result;
	ifl_u32 cqe_flags; /* IORING_CQE_F_* */
	ifl_u32 cq_tail;
	ifl_u32 cq_head;
	ifl_u32 flags; /* IFL_UCQE_* */
	ifl_u32 completer_pid;
	ifl_u32 completer_tid;
	ifl_u32 reserved;
};

/* ifl_ring.flags */
enum {
	IFL_RING_DYING = 1u << 0,	  /* nobody has it open or mapped any more */
	IFL_RING_OWNER_GUESSED = 1u << 1, /* not made by pid, which is the first task seen to have or use it */
	IFL_RING_COUNTED = 1u << 2,	  /* the fields from sq_tail on were read */
	IFL_RING_WAITED_FOR = 1u << 3,	  /* then a thread was waiting in io_uring_enter for more completions */
	IFL_RING_DRIVEN = 1u << 4,	  /* a BPF program drives it or did: it submits and takes completions (7.1) */
};

/* enum ifl_context_state says when: CREATED, FOUND, DESTROYED, SNAPSHOT (at the end), COUNTERS (it was looked at) */
struct ifl_ring {
	struct ifl_header header;
	ifl_u64 ring; /* address of struct io_ring_ctx */
	ifl_u64 context_id;
	ifl_u64 created_ns; /* 0: before the trace */
	ifl_u64 submitted;
	ifl_u64 completed;
	ifl_u64 cqes; /* all CQEs, those of multishot requests too */
	ifl_u64 overflowed;
	ifl_u64 cgroup_id;
	ifl_u32 in_flight;
	ifl_u32 in_flight_max;
	ifl_u32 setup_flags; /* IORING_SETUP_* */
	ifl_u32 sq_entries;
	ifl_u32 cq_entries;
	ifl_s32 fd; /* -1: not known */
	ifl_u32 pid;
	ifl_u32 tid;
	ifl_u32 uid;
	ifl_u32 flags;
	ifl_u8 state;
	ifl_u8 reserved[3];
	ifl_u32 overflowed_others; /* of `overflowed`, those that no request can have ended with: tags, messages */
	char comm[IFL_COMM_BYTES];
	/* As they stand in the ring when it is looked at. */
	ifl_u32 sq_head; /* what the kernel has taken */
	ifl_u32 sq_tail; /* what the program has put in */
	ifl_u32 cq_head; /* what the program has taken */
	ifl_u32 cq_tail; /* what the kernel has put in */
	ifl_u32 sq_dropped;
	ifl_u32 cq_overflow;   /* CQEs that the kernel had to drop, as its events said: the ring's own counter is the
				* program's to write */
	ifl_u32 sq_flags;      /* IORING_SQ_NEED_WAKEUP, ... */
	ifl_u32 files;	       /* size of the table of registered files */
	ifl_u32 buffers;       /* of registered buffers */
	ifl_u32 sq_thread;     /* tid, 0: none */
	ifl_u32 workers_bound; /* io-wq workers of the tasks that use the ring, now */
	ifl_u32 workers_unbound;
	ifl_u32 workers_bound_limit; /* of one task */
	ifl_u32 workers_unbound_limit;
};

/* What an argument of a request or a call points at, or what its file is connected to. */
enum ifl_detail_kind {
	IFL_DETAIL_PATH = 1,	 /* the only path, or the old one, or a symlink's content */
	IFL_DETAIL_NEW_PATH = 2, /* of renameat, linkat, symlinkat: the new one */
	IFL_DETAIL_ADDRESS = 3,	 /* struct sockaddr that the program gave */
	IFL_DETAIL_PEER = 4,	 /* struct sockaddr made from the socket that accept returned */
	IFL_DETAIL_XATTR_NAME = 5,
	IFL_DETAIL_OPEN_HOW = 6,    /* struct open_how */
	IFL_DETAIL_TIMESPEC = 7,    /* of a timeout: struct __kernel_timespec, or 8 bytes of nanoseconds (7.1) */
	IFL_DETAIL_IOVECS = 8,	    /* struct iovec[]; `total` is their number */
	IFL_DETAIL_SYNC_CANCEL = 9, /* struct io_uring_sync_cancel_reg, as it stood at the call */
	IFL_DETAIL_PARAMS = 10,	    /* struct io_uring_params, as io_uring_setup left it */
	IFL_DETAIL_REGISTER = 11,   /* what `arg` of io_uring_register points at; `total` bytes belong to it */
	IFL_DETAIL_GETEVENTS = 12,  /* struct io_uring_getevents_arg of io_uring_enter */
	IFL_DETAIL_FUTEXES = 13,    /* struct futex_waitv[]; `total` is their number */
	IFL_DETAIL_REGION = 14,	    /* struct io_uring_region_desc of a region or a refill queue that is registered */
	IFL_DETAIL_ZCRX_AREA = 15,  /* struct io_uring_zcrx_area_reg */
	IFL_DETAIL_ZCRX_EVENT = 16, /* struct zcrx_event_desc */
	IFL_DETAIL_QUERY = 17,	    /* the kernel's answer to a query, behind the IFL_DETAIL_REGISTER that asks */
	IFL_DETAIL_REG_WAIT = 18,   /* struct io_uring_reg_wait of io_uring_enter */
	IFL_DETAIL_INTEGRITY = 19,  /* struct io_uring_attr_pi of a read or write; there whenever attributes are */
	IFL_DETAIL_KIND_COUNT = 20,
};

#define IFL_DETAIL_BYTES 4096

/* Written before the request or call that it belongs to. The record may end after the last byte that it has. */
struct ifl_detail {
	struct ifl_header header;
	ifl_u64 owner_id; /* request_id or call_id */
	ifl_u64 address;  /* where it was read */
	ifl_u32 total;
	ifl_u32 bytes_count; /* of bytes[]; a path has no NUL */
	ifl_u8 kind;	     /* enum ifl_detail_kind */
	ifl_u8 state;	     /* enum ifl_read_state */
	ifl_u8 kernel;	     /* read from the kernel's own copy (K), else from user memory (U) */
	ifl_u8 truncated;    /* there was more */
	ifl_u8 reserved[4];
	ifl_u8 bytes[IFL_DETAIL_BYTES];
};

/*
 * The io_uring requests in flight are those with state IN_FLIGHT before this record's counterpart IFL_SNAPSHOT:
 * one snapshot speaks of both families.
 */

#ifdef __cplusplus
static_assert(sizeof(ifl_uring_request) == 24 + 12 * 8 + 16 * 4 + 8 + 16 + 64 + 9 * 8 + 6 * 4 + 16,
	      "no hidden padding");
static_assert(sizeof(ifl_uring_cqe) == 24 + 56 + 32, "no hidden padding");
static_assert(sizeof(ifl_ring) == 24 + 64 + 40 + 8 + 16 + 56, "no hidden padding");
static_assert(sizeof(ifl_detail) == 24 + 32 + IFL_DETAIL_BYTES, "no hidden padding");
static_assert(IFL_UREQ_BRIEF_BYTES == __builtin_offsetof(ifl_uring_request, defer_ns), "up to there");
#endif

#endif
