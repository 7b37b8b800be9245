/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What `inflight stat` keeps in the kernel: a table of what is in flight, and per CPU and key the counters and the
 * latency histogram of what has ended. The user side maps the tables into its memory and reads them while they change.
 */
#ifndef INFLIGHT_CONTRACT_STAT_H
#define INFLIGHT_CONTRACT_STAT_H

#include "records.h"

/*
 * Latencies are counted in buckets: one for each nanosecond below 16, then 16 for each power of two, so that a bucket
 * is at most 1/16 of its lower end wide. What is longer than 2^44 ns (4.9 hours) is counted in the last one.
 */
#define IFL_STAT_SUB_BITS 4
#define IFL_STAT_MAX_BITS 44
#define IFL_STAT_BUCKETS ((IFL_STAT_MAX_BITS - IFL_STAT_SUB_BITS + 1) << IFL_STAT_SUB_BITS)

#define IFL_STAT_SLOTS 65536 /* a power of two */
#define IFL_STAT_COLLIDED 65536

/* Fixed rows of `--by op` and `--by outcome`: those of io_uring, then those of kernel AIO. */
#define IFL_STAT_AIO_ROWS 128
#define IFL_STAT_FIXED_ROWS 160
#define IFL_STAT_OP_OTHER 127 /* io_uring opcodes from here on share a row */
#define IFL_STAT_AIO_READ 16  /* added to IFL_STAT_AIO_ROWS: pread or preadv, the hooks cannot tell */
#define IFL_STAT_AIO_WRITE 17 /* pwrite or pwritev */
#define IFL_STAT_AIO_FSYNC 18 /* fsync or fdsync */
#define IFL_STAT_AIO_UNKNOWN 19
/* The first rows of other keys: of each family what found no row. */
#define IFL_STAT_ROW_OTHERS_URING 0
#define IFL_STAT_ROW_OTHERS_AIO 1
#define IFL_STAT_FIRST_KEY_ROW 2
#define IFL_STAT_ROW_LATE 0xffffffffu /* the key is known at the end of the request only */

enum ifl_stat_by {
	IFL_STAT_BY_OP = 0,
	IFL_STAT_BY_PID = 1,
	IFL_STAT_BY_COMM = 2,
	IFL_STAT_BY_FILE = 3,
	IFL_STAT_BY_CONTEXT = 4,
	IFL_STAT_BY_OUTCOME = 5,
};

enum ifl_stat_outcome {
	IFL_STAT_COMPLETED = 0,
	IFL_STAT_FAILED = 1,
	IFL_STAT_CANCELLED = 2, /* ECANCELED, or a cancelled AIO poll: cancelled, or abandoned */
	IFL_STAT_OUTCOMES = 3,
};

/* Tables of counters: those of io_uring's completion, whose one writer on a CPU need not be atomic, and of all else. */
enum ifl_stat_lane {
	IFL_STAT_LANE_COMPLETE = 0,
	IFL_STAT_LANE_REST = 1,
	IFL_STAT_LANES = 2,
};

enum ifl_stat_way {
	IFL_STAT_ASYNC_CANCEL = 0,
	IFL_STAT_POLL_REMOVE = 1,
	IFL_STAT_TIMEOUT_REMOVE = 2,
	IFL_STAT_SYNC_CANCEL = 3,
	IFL_STAT_IO_CANCEL = 4,
	IFL_STAT_WAYS = 5,
};

/* What a cancel said, which is not always what became of its target. */
enum ifl_stat_answer {
	IFL_STAT_SAID_CANCELLED = 0, /* 0 or a count; EINPROGRESS of io_cancel */
	IFL_STAT_SAID_NOT_FOUND = 1, /* ENOENT */
	IFL_STAT_SAID_RUNNING = 2,   /* EALREADY */
	IFL_STAT_SAID_REFUSED = 3,   /* EINVAL of io_cancel: one of six reasons */
	IFL_STAT_SAID_OTHER = 4,     /* any other error */
	IFL_STAT_ANSWERS = 5,
};

/* ifl_stat_slot.flags */
enum {
	IFL_STAT_SLOT_SKIP = 1u << 0,	  /* IOSQE_CQE_SKIP_SUCCESS: a success ends it without an event */
	IFL_STAT_SLOT_COLLIDED = 1u << 1, /* it stands in the map of collided requests */
	IFL_STAT_SLOT_DOUBLED = 1u << 2,  /* AIO: one iocb submitted again while in flight; `mark` more of them are */
	IFL_STAT_SLOT_AIO = 1u << 3,	  /* of kernel AIO */
};

/*
 * A request in flight. `tag` is its address, and that with bit 0 set while it is in flight; it changes at once, by who
 * begins or ends the request.
 */
struct ifl_stat_slot {
	ifl_u64 tag;
	ifl_u64 start_ns;
	ifl_u32 mark; /* of AIO by tracepoints: what stood in its memory before */
	ifl_u32 pid;  /* the process that submitted it */
	ifl_u32 row;
	ifl_u8 op;
	ifl_u8 flags;
	ifl_u16 reserved;
};

/* Of one key on one CPU in one lane. What has ended: the sum of the buckets, `untimed` and `unseen`. */
struct ifl_stat_row {
	ifl_u64 bytes;
	ifl_u64 max_ns[2]; /* by the parity of ifl_stat_shared.epoch; the user side takes it and sets it to 0 */
	ifl_u64 failed;
	ifl_u64 cancelled;
	ifl_u64 untimed;		   /* ended, and its submission was not seen */
	ifl_u64 unseen;			   /* its memory is another request's: it ended, and no hook saw how */
	ifl_u64 more;			   /* CQEs of requests that went on */
	ifl_u32 buckets[IFL_STAT_BUCKETS]; /* wrap */
};

/* Which row a key has: op, pid, ... as the words mean something for it. */
struct ifl_stat_key {
	ifl_u64 words[2]; /* pid; comm; inode and device; ring or kioctx and its owner */
	ifl_u32 extra;	  /* file: its f_op, hashed */
	ifl_u32 family;	  /* 0 io_uring, 1 kernel AIO */
};

struct ifl_stat_label {
	struct ifl_stat_key key;
	ifl_u64 ctx_id; /* AIO: what io_setup returned; io_uring: the ring's descriptor, all ones if not known */
	ifl_u32 pid;
	ifl_u32 ready; /* written last */
	char comm[IFL_COMM_BYTES];
	ifl_u32 host_pid; /* of the machine, where pid is of a pid namespace; 0: the same */
	ifl_u32 reserved;
};

/* A set of io_uring's opcodes, a bit for each. Those from IFL_STAT_OP_OTHER on have the last bit together. */
struct ifl_op_set {
	ifl_u64 words[2];
};

#define IFL_OP_ROW(op) ((op) < IFL_STAT_OP_OTHER ? (op) : IFL_STAT_OP_OTHER)

static inline __attribute__((always_inline)) int ifl_has_op(const volatile struct ifl_op_set *set, ifl_u8 op)
{
	ifl_u32 row = IFL_OP_ROW(op);

	return (set->words[row >> 6 & 1] >> (row & 63) & 1) != 0;
}

static inline void ifl_add_op(struct ifl_op_set *set, ifl_u8 op)
{
	ifl_u32 row = IFL_OP_ROW(op);

	set->words[row >> 6 & 1] |= 1ULL << (row & 63);
}

/* Set before load. */
struct ifl_stat_config {
	struct ifl_op_set uring_ops_wanted;
	struct ifl_op_set uring_ops_with_bytes; /* whose result counts bytes */
	ifl_u64 aio_ops_wanted;			/* bit per opcode, and bit 16 and on as above */
	ifl_u64 min_latency_ns;
	ifl_u32 rows;
	ifl_u32 cpus;
	ifl_u32 by;		 /* enum ifl_stat_by */
	ifl_u32 outcomes_wanted; /* bit per enum ifl_stat_outcome */
	ifl_u32 filtered;	 /* some task may not be wanted */
	ifl_u8 by_pid;		 /* only processes in the map `pids`; ifl_config.by_pid is not used */
	ifl_u8 follow_children;
	ifl_u8 cqe_by_pointer; /* as in ifl_config */
	ifl_u8 reserved;
	ifl_u64 fsync_work_address; /* aio_fsync_work, 0: not known */
	ifl_u64 poll_work_address;  /* aio_poll_complete_work */
};

/* Written by the programs, read and (epoch) written by the user side. */
struct ifl_stat_shared {
	ifl_u32 epoch;
	ifl_u32 rows_used;    /* rows given to keys; may run over config.rows */
	ifl_u64 pids_changed; /* verdicts about processes are remembered until it grows */
	ifl_u64 contexts_changed;
	ifl_u64 collided;	/* entries of the map of collided requests */
	ifl_u64 untracked;	/* began, but no table took them */
	ifl_u64 unmatched;	/* ended without a beginning seen; not counted with a filter */
	ifl_u64 overflowed;	/* last CQEs that found the CQ ring full: no event says of which request */
	ifl_u64 more_unknown;	/* CQEs of requests that go on, which name no request */
	ifl_u64 notifications;	/* zero-copy: the buffer is free again */
	ifl_u64 keys_full;	/* requests of a key that found no row */
	ifl_u64 unseen_unasked; /* of what ended unseen, that without IOSQE_CQE_SKIP_SUCCESS */
	ifl_u64 refused;	/* iocbs that io_submit refused, as far as seen */
	ifl_u64 excess[2];	/* of `untracked` by family, those whose end was not seen yet */
	ifl_u64 cancels[IFL_STAT_WAYS][IFL_STAT_ANSWERS];
};

#ifdef __cplusplus
static_assert(sizeof(ifl_stat_slot) == 32, "a power of two, for a cheap index");
static_assert(sizeof(ifl_stat_row) == 64 + 4 * IFL_STAT_BUCKETS, "no hidden padding");
static_assert(sizeof(ifl_stat_key) == 24 && sizeof(ifl_stat_label) == 64, "no hidden padding");
static_assert(sizeof(ifl_stat_config) == 40 + 8 + 24 + 16, "no hidden padding");
static_assert(sizeof(ifl_stat_shared) == 8 + 13 * 8 + 8 * IFL_STAT_WAYS * IFL_STAT_ANSWERS, "no hidden padding");
#endif

#endif
