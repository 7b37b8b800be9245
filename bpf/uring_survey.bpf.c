/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings that were there before the hooks, and a look at all of them now and then. */
#include "uring.h"

SEC("iter/task_file")
int uring_iterator(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct ifl_ring_entry *entry;
	struct io_ring_ctx *ring;

	if (!task || !file || !stands_for_process(task))
		return 0;
	ring = ring_of_file(file);
	if (!ring)
		return 0;
	entry = ring_of(ring);
	if (!entry) {
		new_ring(ring, task, ctx->fd, IFL_CONTEXT_FOUND, bpf_ktime_get_ns());
	} else if (entry->ring.flags & IFL_RING_OWNER_GUESSED && !entry->closed) {
		/* A submission was faster. */
		entry->ring.fd = ctx->fd;
		take_owner(&entry->ring, task);
		entry->ring.flags &= ~IFL_RING_OWNER_GUESSED;
		if (entry->wanted)
			write_ring(entry, IFL_CONTEXT_COUNTERS, bpf_ktime_get_ns());
	}
	return 0;
}

/* Set by the user side before each survey; the first is 1. */
__u64 survey_number = 0;

struct free_walk {
	struct io_wq_work_node *at;
	struct ifl_ring_entry *ring;
	__u64 start_ns;
};

#define MAX_FREE_REQUESTS 8192

/*
 * What is on the list of free requests has ended, though no event said so. The list is not locked: a request that was
 * just taken from it may lead elsewhere. So it counts only what is there twice, in two surveys in a row, and what was
 * submitted before the first of them.
 */
static long note_free(__u32 index, struct free_walk *walk)
{
	struct io_wq_work_node *at = walk->at;
	struct ifl_uring_entry *entry;
	__u64 state;

	if (!at)
		return 1;
	entry = entry_of((void *)at - bpf_core_field_offset(struct io_kiocb, comp_list));
	walk->at = READ(at, next);
	if (!entry)
		return 0;
	state = *(volatile __u64 *)&entry->open;
	if ((__u32)state != IFL_UENTRY_OPEN || entry->request.submit_ns >= walk->start_ns)
		return 0;
	if (entry->on_free_list + 1 == survey_number)
		end_unseen_if_still(entry, walk->ring, state, walk->start_ns);
	else
		entry->on_free_list = survey_number;
	return 0;
}

static __always_inline void look_for_ended(struct io_ring_ctx *ctx, struct ifl_ring_entry *ring, __u64 now)
{
	struct free_walk walk = {.ring = ring, .start_ns = now};

	walk.at = READ(ctx, submit_state.free_list.next);
	bpf_loop(MAX_FREE_REQUESTS, note_free, &walk, 0);
	if (bpf_core_field_exists(((struct io_ring_ctx___counted *)0)->locked_free_list)) {
		walk.at = READ((struct io_ring_ctx___counted *)ctx, locked_free_list.first);
		bpf_loop(MAX_FREE_REQUESTS, note_free, &walk, 0);
	}
}

static long survey_ring(struct bpf_map *map, __u32 *place, struct ifl_ring_entry *ring, void *unused)
{
	struct io_ring_ctx *ctx = (struct io_ring_ctx *)ring->ring.ring;
	__u32 files, buffers;
	__u64 now;

	if (!ctx || ring->closed)
		return 0;
	now = bpf_ktime_get_ns();
	if (is_dying(ctx) || (__u64)READ(ctx, mm_account) != ring->mm_account) {
		close_ring(ring, now);
		/* What was reaped last, if it still stands there; its tables are gone already. */
		if ((__u64)READ(ctx, mm_account) == ring->mm_account && READ(ctx, rings))
			ring->ring.cq_head = READ(ctx, rings, cq.head);
		if (ring->wanted)
			write_ring(ring, IFL_CONTEXT_DESTROYED, now);
		return 0;
	}
	if (!ring->wanted)
		return 0;
	files = ring->ring.files;
	buffers = ring->ring.buffers;
	count_ring(&ring->ring, ctx);
	count_workers(&ring->ring, ctx);
	/* It was closed while we looked, and its tables may have gone before we came to them. */
	if (is_dying(ctx)) {
		ring->ring.files = files;
		ring->ring.buffers = buffers;
	}
	if (ring->skipping || ring->unseen_ends)
		look_for_ended(ctx, ring, now);
	write_ring(ring, IFL_CONTEXT_COUNTERS, now);
	return 0;
}

struct exiting {
	__u64 time_ns;
	__u32 pid;
};

static long look_at_rings_of(struct bpf_map *map, __u32 *place, struct ifl_ring_entry *ring, struct exiting *exiting)
{
	if (!ring->ring.ring || ring->ring.pid != exiting->pid || ring->closed || !ring->wanted)
		return 0;
	count_ring(&ring->ring, (struct io_ring_ctx *)ring->ring.ring);
	write_ring(ring, IFL_CONTEXT_COUNTERS, exiting->time_ns);
	return 0;
}

/* The last look at the rings of a process: its files are closed right after this. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(uring_process_exit, struct task_struct *task)
{
	struct exiting exiting = {.time_ns = bpf_ktime_get_ns(), .pid = READ(task, tgid)};

	if (READ((struct task_struct___uring *)task, io_uring) && !READ(task, signal, live.counter))
		bpf_for_each_map_elem(&uring_rings, look_at_rings_of, &exiting, 0);
	return 0;
}

/* Run by the user side, attached to nothing. */
SEC("raw_tp")
int uring_survey(void *ctx)
{
	bpf_for_each_map_elem(&uring_rings, survey_ring, NULL, 0);
	return 0;
}
