/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The entries of the kernel side's own tables that the user side reads: what is in flight and in progress now.
 */
#ifndef INFLIGHT_CONTRACT_TABLES_H
#define INFLIGHT_CONTRACT_TABLES_H

#include "records.h"
#include "uring.h"

/*
 * The place of a kernel object in a table of 2^`log2` places. Objects are aligned to 64 bytes and lie close together.
 */
static inline ifl_u32 ifl_place_of(ifl_u64 address, ifl_u32 log2)
{
	return ((address >> 6) * 0x9e3779b97f4a7c15ULL >> (64 - log2)) & 0xffffffffU;
}

/*
 * How many requests, rings and contexts the tables hold at a time. What finds its slot taken stands in a hash map; that
 * of kernel AIO is as large as aio-max-nr asks for, within these bounds.
 */
#define IFL_AIO_SLOTS_LOG2 14
#define IFL_AIO_SPILLED_LEAST 131072
#define IFL_AIO_SPILLED_MOST 1048576
#define IFL_URING_SLOTS_LOG2 15
#define IFL_URING_SPILLED 98304
#define IFL_CONTEXTS 16384
#define IFL_RING_PLACES_LOG2 16
#define IFL_RING_PROBES 32 /* a ring stands at ifl_place_of() or at one of the places behind it: 32 in all */

/* ifl_request_entry.taken */
enum {
	IFL_ENTRY_FREE = 0,
	IFL_ENTRY_IN_FLIGHT = 1,
	IFL_ENTRY_BUSY = 2,	 /* a hook has ended it and will remove it */
	IFL_ENTRY_FILLING = 3,	 /* it is just being written */
	IFL_ENTRY_CONTESTED = 4, /* ... and another request wanted it meanwhile, or the one that is written has ended */
};

/* What a walk over the kernel's lists has found is true when this walk has met it again. */
#define IFL_CONFIRMING_WALK 2

/*
 * A request in flight: in the slot that the address of its struct aio_kiocb gives, or in a hash map with that as the
 * key. `taken` is changed by an exchange, so that one hook ends it: a nested delete of a hash map entry may fail with
 * -EBUSY (kernel/bpf/hashtab.c, htab_lock_bucket), an atomic exchange may not.
 */
struct ifl_request_entry {
	struct ifl_request request;
	ifl_u64 file;	  /* struct file * that request.file_id stands for */
	ifl_u32 taken;	  /* IFL_ENTRY_* */
	ifl_u32 iterated; /* the number of the iterator pass that saw it last, for requests found by one */
};

/* A submission whose struct aio_kiocb no hook has shown yet is keyed by this. */
struct ifl_unbound_key {
	ifl_u64 kioctx;
	ifl_u64 iocb;
};

/* A context, keyed by its struct kioctx. */
struct ifl_context_entry {
	ifl_u64 context_id;
	ifl_u64 ctx_id;
	ifl_u64 created_ns; /* 0: before the hooks */
	ifl_u64 submitted;
	ifl_u64 completed;
	ifl_u64 cgroup_id;
	ifl_u32 in_flight;
	ifl_u32 in_flight_max;
	ifl_u32 capacity;
	ifl_u32 max_reqs;
	ifl_u32 pid;
	ifl_u32 uid;
	ifl_u32 untracked;     /* requests in flight that the table had no room for */
	ifl_u32 refused;       /* iocbs that io_submit did not take */
	ifl_u32 refused_error; /* the last known errno of these */
	ifl_u32 reserved;
	char comm[IFL_COMM_BYTES];
};

/*
 * A thread that has made a call, and the call while it is `open`. Only for tasks that the filter let through. It stays
 * until the thread ends: making it anew for each call would cost more than all the rest. Its place is given by the
 * thread's id: a slot of `call_slots` that is free, else an entry of the hash map `calls`, with that as the key.
 */
struct ifl_call_entry {
	struct ifl_call call;
	ifl_u64 cgroup_noted; /* the last one whose record was written */
	ifl_u64 last_file; /* struct file *, dentry, inode number and f_op of the last request, and our number of that
			      file */
	ifl_u64 last_dentry;
	ifl_u64 last_inode;
	ifl_u64 last_operations;
	ifl_u64 last_file_id;
	ifl_u64 last_ctx_id; /* the context of the last io_submit or io_getevents, and what we knew of it */
	ifl_u64 last_kioctx;
	ifl_u64 last_context_id;
	ifl_u32 last_slot;		  /* of the mm's table */
	ifl_u32 last_contexts_known;	  /* number of changes to our contexts at that time */
	struct ifl_request_entry attempt; /* the iocb that io_submit works on now */
	struct ifl_request held;	  /* see end_inside_submit() in bpf/ */
	ifl_u32 in_flight_seen;		  /* of its context, with this attempt */
	ifl_u8 open;			  /* the call has not returned */
	ifl_u8 attempt_open;		  /* not known yet whether it is accepted */
	ifl_u8 attempt_bound;		  /* it is in the table of requests, or was and has ended */
	ifl_u8 attempt_unbound;		  /* it is in the table of unbound submissions */
	ifl_u8 held_full;
	ifl_u8 reserved[3];
	ifl_u32 thread;	       /* the tid; of a slot 0: it is free */
	ifl_u64 start_jiffies; /* the timer's ticks when the call began */
	ifl_u64 running_ns;    /* what the scheduler had counted then of the thread: time on a processor, */
	ifl_u64 runnable_ns;   /* time that it was ready and had none, */
	ifl_u64 sleeps;	       /* and how often it gave up its own to wait */
};

/* ifl_uring_entry.open */
enum {
	IFL_UENTRY_FREE = 0, /* no request is in flight at this address: what stands here is over */
	IFL_UENTRY_OPEN = 1,
	IFL_UENTRY_IGNORED = 2, /* in flight, and the filter did not let it through */
	IFL_UENTRY_BUSY = 3,	/* it has an owner, who is writing to it: see owner.h */
};

/*
 * A request in flight. Its place is given by the address of its struct io_kiocb (request.req): a slot of `uring_slots`
 * that is free, else an entry of the hash map `uring_requests`. Who takes a free slot, or ends a request that is not
 * its own, does so by an exchange of `open` and `generation`. An entry of the hash map stays when the request ends, for
 * the next one at the same address.
 */
struct ifl_uring_entry {
	struct ifl_uring_request request;
	ifl_u64 file;	      /* struct file * that request.file_id stands for */
	ifl_u64 on_free_list; /* the survey that last saw its memory on the ring's free list */
	ifl_u32
	    open; /* IFL_UENTRY_*; with the next it is read and changed at once by who must not touch a later request */
	ifl_u32 generation; /* of the requests at this address */
	ifl_u32 full;	    /* what a brief record leaves out is not 0: it must be written, and cleared for the next */
	ifl_u32 walked;	    /* the walk over io_uring's lists that met it last, in request.place */
};

/* A ring. ring.ring is its struct io_ring_ctx, 0: the place is free. */
enum ifl_ring_closed {
	IFL_RING_NOT_CLOSED = 0,
	IFL_RING_CLOSED = 1,	  /* its end was reported */
	IFL_RING_BEING_FREED = 2, /* found so: no task has it any more, and requests keep it */
};

struct ifl_ring_entry {
	struct ifl_ring ring; /* as its next record will have it; from sq_tail on void */
	ifl_u64 mm_account;   /* io_ring_ctx.mm_account, which tells whether the memory is still this ring's */
	ifl_u64 completed;    /* at the ring's own hook, which the kernel runs for one CQE of a ring after the other */
	ifl_u64 completed_elsewhere; /* changed by an addition that is atomic */
	ifl_u64 completed_unknown;   /* of `completed`: they are not in ring.submitted */
	ifl_u64 cqes;		     /* at that hook: without those that overflowed */
	ifl_u32 unseen_ends;	     /* requests that ended by a CQE which named no request */
	ifl_u32 skipping;	     /* IOSQE_CQE_SKIP_SUCCESS was used: its requests may end without an event */
	ifl_u32 wanted;		     /* the filter lets its owner through */
	ifl_u32 closed;		     /* enum ifl_ring_closed */
	ifl_u64 closed_ns;
	ifl_u64 activity_seen; /* by the last survey that looked at it: see uring_survey.bpf.c */
	ifl_u32 looked;	       /* the number of that survey, 0: none */
	ifl_u32 quiet;	       /* looks in a row that found nothing new */
	ifl_u32 untracked;     /* requests in flight that the tables had no room for */
	ifl_u32 made_by_named; /* by a process that the filter names: whoever submits to it is let through */
};

/* Adds the counters that the table keeps separately to the record. */
static inline void ifl_settle_ring(struct ifl_ring *ring, const struct ifl_ring_entry *entry)
{
	ifl_u64 ended = entry->completed - entry->completed_unknown + entry->completed_elsewhere;
	ifl_u32 own_count = (ring->submitted > ended ? ring->submitted - ended : 0) & 0xffffffffU;

	ring->completed = entry->completed + entry->completed_elsewhere;
	ring->cqes = entry->cqes + ring->overflowed;
	/* Of one that is being freed the kernel's count stands there. */
	ring->in_flight = entry->closed == IFL_RING_BEING_FREED ? ring->in_flight : own_count;
}

#ifdef __cplusplus
static_assert(sizeof(ifl_uring_entry) == sizeof(ifl_uring_request) + 32, "no hidden padding");
static_assert(sizeof(ifl_ring_entry) == sizeof(ifl_ring) + 88, "no hidden padding");
static_assert(sizeof(ifl_request_entry) == sizeof(ifl_request) + 16, "no hidden padding");
static_assert(sizeof(ifl_context_entry) == 48 + 40 + 16, "no hidden padding");
static_assert(sizeof(ifl_call_entry) == sizeof(ifl_call) + 80 + sizeof(ifl_request_entry) + sizeof(ifl_request) + 48,
	      "no hidden padding");
#endif

#endif
