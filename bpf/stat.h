/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters and histograms in the kernel, for `inflight stat`: no record leaves it. A request in flight stands in a
 * direct-mapped table of slots, and in a hash map if its slot is taken: a hash map alone would cost more than all else.
 */
#ifndef INFLIGHT_BPF_STAT_H
#define INFLIGHT_BPF_STAT_H

#include "stat_keys.h"

/* --- Requests in flight ----------------------------------------------------------------------------------------- */

/*
 * io_uring's requests lie side by side, 256 bytes each: neighbours in memory are neighbours here, so that a few in
 * flight touch a few cache lines and one page.
 */
static __always_inline struct ifl_stat_slot *slot_of(__u64 id, __u32 family)
{
	__u32 index;

	if (family)
		index = (id * 0x9e3779b97f4a7c15ULL) >> 48;
	else
		index = (((id >> 12) * 0x9e3779b97f4a7c15ULL) >> 48 & ~15U) | (id >> 8 & 15);
	return bpf_map_lookup_elem(&stat_slots, &index);
}

/* Of a request whose key would have shown at its end. */
static __always_inline __u32 row_of_unknown(__u32 family)
{
	if (stat_config.by == IFL_STAT_BY_OP)
		return family ? IFL_STAT_AIO_ROWS + IFL_STAT_AIO_UNKNOWN : IFL_STAT_OP_OTHER;
	if (stat_config.by == IFL_STAT_BY_OUTCOME)
		return (family ? IFL_STAT_AIO_ROWS : 0) + IFL_STAT_OUTCOMES;
	return family ? IFL_STAT_ROW_OTHERS_AIO : IFL_STAT_ROW_OTHERS_URING;
}

static __always_inline void count_unseen(const struct ifl_stat_slot *slot, __u32 family)
{
	struct ifl_stat_row *counters;
	__u32 row = slot->row;

	if (!(slot->flags & IFL_STAT_SLOT_SKIP))
		STAT_COUNT(unseen_unasked);

	if (row == IFL_STAT_ROW_LATE)
		row = row_of_unknown(family);
	counters = row_of(IFL_STAT_LANE_REST, row);
	if (counters)
		__sync_fetch_and_add(&counters->unseen, 1);
}

static __always_inline void forget_collided(__u64 id)
{
	if (!bpf_map_delete_elem(&stat_collided, &id))
		__sync_fetch_and_add(&stat_shared.collided, -1);
}

/* Its slot is another's. */
static __always_inline void begin_collided(__u64 id, struct ifl_stat_slot *begun, __u32 family)
{
	struct ifl_stat_slot *left = bpf_map_lookup_elem(&stat_collided, &id);

	begun->tag = id | SLOT_OPEN;
	begun->flags |= IFL_STAT_SLOT_COLLIDED;
	if (left) {
		count_unseen(left, family);
		*left = *begun;
		return;
	}
	if (bpf_map_update_elem(&stat_collided, &id, begun, BPF_ANY)) {
		STAT_COUNT(untracked);
		STAT_COUNT(excess[family]);
	} else {
		STAT_COUNT(collided);
	}
}

/* The end of a request that stands nowhere: true where it is one of those that had no room, which are counted. */
static __always_inline bool take_excess(__u32 family)
{
	__u64 left = stat_shared.excess[family];

	return left && __sync_val_compare_and_swap(&stat_shared.excess[family], left, left - 1) == left;
}

/* The request at the address `id` begins now. */
static __always_inline void begin_request(__u64 id, struct ifl_stat_slot *begun, __u32 family)
{
	struct ifl_stat_slot *slot = slot_of(id, family);
	__u64 seen;

	if (!slot)
		return;
	seen = slot->tag;
	if (seen == (id | SLOT_OPEN)) {
		count_unseen(slot, family);
	} else if (seen & SLOT_OPEN || __sync_val_compare_and_swap(&slot->tag, seen, id | SLOT_OPEN) != seen) {
		begin_collided(id, begun, family);
		return;
	}
	slot->start_ns = begun->start_ns;
	slot->mark = begun->mark;
	slot->pid = begun->pid;
	slot->row = begun->row;
	slot->op = begun->op;
	slot->flags = begun->flags;
}

/* A request that is not wanted has this address now: what was here has ended. */
static __always_inline void begin_unwanted(__u64 id, __u32 family)
{
	struct ifl_stat_slot *slot = slot_of(id, family);

	if (slot && slot->tag == (id | SLOT_OPEN)) {
		count_unseen(slot, family);
		slot->tag = id;
	} else if (stat_shared.collided) {
		forget_collided(id);
	}
}

/* Where the request in flight at the address `id` stands; NULL: nowhere. */
static __always_inline struct ifl_stat_slot *find_request(__u64 id, __u32 family)
{
	struct ifl_stat_slot *slot = slot_of(id, family);

	if (slot && slot->tag == (id | SLOT_OPEN))
		return slot;
	if (stat_shared.collided)
		return bpf_map_lookup_elem(&stat_collided, &id);
	return NULL;
}

/* It has ended. A store is enough: only the request itself leaves an open slot, and it ends once. */
static __always_inline void end_request_alone(__u64 id, struct ifl_stat_slot *slot)
{
	if (slot->flags & IFL_STAT_SLOT_COLLIDED)
		forget_collided(id);
	else
		slot->tag = id;
}

/* The same where several programs see one end: true for the first. */
static __always_inline bool take_request(__u64 id, struct ifl_stat_slot *slot)
{
	if (!(slot->flags & IFL_STAT_SLOT_COLLIDED))
		return __sync_val_compare_and_swap(&slot->tag, id | SLOT_OPEN, id) == (id | SLOT_OPEN);
	if (__sync_val_compare_and_swap(&slot->tag, id | SLOT_OPEN, id) != (id | SLOT_OPEN))
		return false;
	forget_collided(id);
	return true;
}

/* --- What has ended --------------------------------------------------------------------------------------------- */

/* The bucket of a latency: contract/stat.h. Five comparisons give the position of the highest bit. */
static __always_inline __u32 bucket_of(__u64 latency_ns)
{
	__u64 rest = latency_ns;
	__u32 bits = 0, bucket;

	if (latency_ns < 1u << IFL_STAT_SUB_BITS)
		return latency_ns;
	if (latency_ns >> IFL_STAT_MAX_BITS)
		return IFL_STAT_BUCKETS - 1;
	if (rest >> 32) {
		rest >>= 32;
		bits += 32;
	}
	if (rest >> 16) {
		rest >>= 16;
		bits += 16;
	}
	if (rest >> 8) {
		rest >>= 8;
		bits += 8;
	}
	if (rest >> 4) {
		rest >>= 4;
		bits += 4;
	}
	if (rest >> 2) {
		rest >>= 2;
		bits += 2;
	}
	bits += rest >> 1;
	bucket = ((bits - IFL_STAT_SUB_BITS) << IFL_STAT_SUB_BITS) + (latency_ns >> (bits - IFL_STAT_SUB_BITS));
	/* What the compiler knows the verifier must be told. */
	asm volatile("" : "+r"(bucket));
	return bucket < IFL_STAT_BUCKETS ? bucket : IFL_STAT_BUCKETS - 1;
}

struct ended {
	__u64 bytes;
	__u64 latency_ns;
	__u32 row;
	__u32 outcome; /* enum ifl_stat_outcome */
	bool timed;
};

static __always_inline bool passes(const struct ended *ended)
{
	if (!(stat_config.outcomes_wanted & (1u << ended->outcome)))
		return false;
	return ended->timed ? ended->latency_ns >= stat_config.min_latency_ns : !stat_config.min_latency_ns;
}

static __always_inline void note_max_alone(struct ifl_stat_row *row, __u64 latency_ns)
{
	__u64 *max = &row->max_ns[stat_shared.epoch & 1];

	if (latency_ns > *max)
		*max = latency_ns;
}

#define MAX_TRIES 8

/* For several programs: each failure means that another has written a number, which is looked at then. */
static __always_inline void note_max(struct ifl_stat_row *row, __u64 latency_ns)
{
	__u64 *max = &row->max_ns[stat_shared.epoch & 1];

	for (int i = 0; i < MAX_TRIES; i++) {
		__u64 known = *(volatile __u64 *)max;

		if (latency_ns <= known || __sync_val_compare_and_swap(max, known, latency_ns) == known)
			return;
	}
}

/* For several programs that may interrupt each other. */
static __always_inline void count_ended(const struct ended *ended)
{
	struct ifl_stat_row *row;

	if (!passes(ended))
		return;
	row = row_of(IFL_STAT_LANE_REST, ended->row);
	if (!row)
		return;
	if (ended->timed) {
		__sync_fetch_and_add(&row->buckets[bucket_of(ended->latency_ns)], 1);
		note_max(row, ended->latency_ns);
	} else {
		__sync_fetch_and_add(&row->untimed, 1);
	}
	if (ended->bytes)
		__sync_fetch_and_add(&row->bytes, ended->bytes);
	if (ended->outcome == IFL_STAT_FAILED)
		__sync_fetch_and_add(&row->failed, 1);
	if (ended->outcome == IFL_STAT_CANCELLED)
		__sync_fetch_and_add(&row->cancelled, 1);
}

/*
 * For the one program at io_uring's completions: the kernel does not run it on a CPU where it was interrupted or, with
 * PREEMPT_RT, preempted.
 */
static __always_inline void count_ended_alone(const struct ended *ended)
{
	struct ifl_stat_row *row;

	if (!passes(ended))
		return;
	row = row_of(IFL_STAT_LANE_COMPLETE, ended->row);
	if (!row)
		return;
	if (ended->timed) {
		row->buckets[bucket_of(ended->latency_ns)]++;
		note_max_alone(row, ended->latency_ns);
	} else {
		row->untimed++;
	}
	row->bytes += ended->bytes;
	if (ended->outcome == IFL_STAT_COMPLETED)
		return;
	if (ended->outcome == IFL_STAT_FAILED)
		row->failed++;
	else
		row->cancelled++;
}

static __always_inline void count_cancel(__u32 way, long result)
{
	__u32 answer = IFL_STAT_SAID_OTHER;

	if (result >= 0)
		answer = IFL_STAT_SAID_CANCELLED;
	else if (result == -ERRNO_ENOENT)
		answer = IFL_STAT_SAID_NOT_FOUND;
	else if (result == -ERRNO_EALREADY)
		answer = IFL_STAT_SAID_RUNNING;
	if (way < IFL_STAT_WAYS)
		STAT_COUNT(cancels[way][answer]);
}

#endif
