/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a look at the machine counts beyond the requests that hooks and lists show: how many there are by the kernel's
 * own count, and what has completed and nobody has taken. Written only on demand; captures have none of these.
 */
#ifndef INFLIGHT_CONTRACT_CENSUS_H
#define INFLIGHT_CONTRACT_CENSUS_H

#include "records.h"

enum {
	IFL_FAMILY_AIO = 0,
	IFL_FAMILY_URING = 1,
};

/* How many requests the kernel counts: of an AIO context, or of a task that uses io_uring, whatever its rings. */
struct ifl_tally {
	struct ifl_header header;
	ifl_u64 object;	    /* address of struct kioctx or of struct io_uring_task */
	ifl_u64 context_id; /* of the AIO context; 0: of a task, or not known */
	ifl_u64 ctx_id;	    /* what io_setup returned */
	ifl_s64 in_flight;  /* counters of several CPUs added up one after the other: a busy one may be off */
	ifl_u64 cgroup_id;
	ifl_u32 capacity; /* kioctx.nr_events */
	ifl_u32 pid;
	ifl_u32 tid;
	ifl_u32 uid;
	ifl_u8 family; /* IFL_FAMILY_* */
	ifl_u8 reserved[7];
	char comm[IFL_COMM_BYTES];
};

/* ifl_unreaped.flags */
enum {
	IFL_UNREAPED_OVERFLOWED = 1u << 0, /* in the backlog, for the CQ ring was full */
	IFL_UNREAPED_UNREAD = 1u << 1,	   /* no completion: the ring of this context could not be read */
	IFL_UNREAPED_LEFT_OUT = 1u << 2,   /* no completion: `result` more of them stand in this ring */
};

/* A completion that stands in its ring. */
struct ifl_unreaped {
	struct ifl_header header;
	ifl_u64 context; /* address of struct kioctx or struct io_ring_ctx */
	ifl_u64 context_id;
	ifl_u64 ctx_id; /* AIO */
	ifl_u64 user_data;
	ifl_u64 iocb; /* AIO: user address */
	ifl_s64 result;
	ifl_u64 cgroup_id;
	ifl_u32 cqe_flags; /* io_uring */
	ifl_u32 position;  /* in the ring: stays while it is there */
	ifl_u32 pid;	   /* the owner's, as the next */
	ifl_u32 uid;
	ifl_u32 flags; /* IFL_UNREAPED_* */
	ifl_u8 family; /* IFL_FAMILY_* */
	ifl_u8 reserved[3];
	char comm[IFL_COMM_BYTES];
};

#ifdef __cplusplus
static_assert(sizeof(ifl_tally) == 24 + 40 + 16 + 8 + 16, "no hidden padding");
static_assert(sizeof(ifl_unreaped) == 24 + 56 + 24 + 16, "no hidden padding");
#endif

#endif
