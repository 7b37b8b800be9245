/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What io_uring keeps on lists: requests that wait for something. The lists show what was submitted before the hooks,
 * and where a request in flight is. A read or write that a file system or device works on is on none.
 *
 * No list is locked here: what stands on one may leave it, and its memory be another's, while we look. Whether an entry
 * that was made from a list is true is known when a second walk meets it again.
 */
#include "uring_found.h"
#include "../contract/held.h"

/* Set by the user side before each walk; the first is 1. */
__u32 walk_number = 0;
/* A list changed under the last run, which then did not come to its end: the user side runs it again. */
__u32 walk_lost = 0;

struct list_walk {
	__u64 ctx;    /* struct io_ring_ctx * */
	void *at;     /* the node to be looked at next */
	void *head;   /* of a circular list; a node that is no request */
	__u64 bucket; /* address of the first of a hash table */
	__u32 node_offset;
	__u32 place; /* enum ifl_place */
};

#define MAX_ON_LIST (1 << 17)
#define MAX_BUCKETS_LOG2 20
#define MAX_TASKS_OF_RING 64
#define MAX_WORKERS 4096

/* The requests of one ring, where they are to be written out; whoever submitted them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_listed);
} listed_requests __weak SEC(".maps");

__u32 listing = 0;
__u32 listed_count = 0; /* may exceed what there is room for */

static __always_inline void list_request(struct io_kiocb *req, __u32 place)
{
	__u32 at = listed_count++;
	struct ifl_listed *listed = bpf_map_lookup_elem(&listed_requests, &at);

	if (!listed)
		return;
	listed->req = (__u64)req;
	listed->user_data = READ(req, cqe.user_data);
	listed->file = (__u64)READ(req, file);
	listed->pid = process_id_of(submitter_of(req));
	listed->opcode = READ(req, opcode);
	listed->place = place;
}

/*
 * The first list that has it in this walk says where it is. 0: it is no request of this ring any more. Global, as the
 * next: the verifier looks at it once, not for each list.
 */
__noinline int meet_request(__u64 address, __u64 ctx, __u32 place)
{
	struct io_kiocb *req = (struct io_kiocb *)address;
	struct ifl_uring_entry *entry;

	if (!address || (__u64)READ(req, ctx) != ctx)
		return 0;
	if (listing) {
		list_request(req, place);
		return 1;
	}
	entry = entry_of(req);
	if (!entry || entry->open == IFL_UENTRY_FREE) {
		/* Later walks make no entries: what they meet first has just been submitted, or is gone. */
		if (walk_number == 1)
			note_existing_sqe(req, ctx, place, walk_number);
		return 1;
	}
	if (entry->walked != walk_number) {
		struct file *file = READ(req, file);

		entry->request.place = place;
		/* At its submission it may have been another's, or none. */
		if (file && !works_on_no_file(entry->request.opcode))
			entry->file = (__u64)file;
		entry->walked = walk_number;
	}
	return 1;
}

#define MAX_CHAIN 128

/* What is behind it in its chain waits for it. A linked timeout that runs has been met on its own list. */
__noinline int meet_chain(__u64 req, __u64 ctx, __u32 place)
{
	if (!meet_request(req, ctx, place))
		return 0;
	for (__u32 i = 0; i < MAX_CHAIN; i++) {
		req = (__u64)READ((struct io_kiocb *)req, link);
		if (!req || !meet_request(req, ctx, IFL_PLACE_LINK))
			break;
	}
	return 1;
}

static long step_hlist(__u32 index, struct list_walk *walk)
{
	void *at = walk->at;

	if (!at)
		return 1;
	walk->at = READ((struct hlist_node *)at, next);
	if (meet_chain((__u64)at - walk->node_offset, walk->ctx, walk->place))
		return 0;
	walk_lost = 1;
	asm volatile(""); /* Else clang calculates the value, and the verifier does not see its range. */
	return 1;
}

static long step_list(__u32 index, struct list_walk *walk)
{
	void *at = walk->at;

	if (!at || at == walk->head)
		return 1;
	walk->at = READ((struct list_head *)at, next);
	if (meet_chain((__u64)at - walk->node_offset, walk->ctx, walk->place))
		return 0;
	walk_lost = 1;
	asm volatile(""); /* Else clang calculates the value, and the verifier does not see its range. */
	return 1;
}

/* Held back: the entry names the request. */
static long step_deferred(__u32 index, struct list_walk *walk)
{
	struct io_defer_entry *entry;
	void *at = walk->at;

	if (!at || at == walk->head)
		return 1;
	entry = at - bpf_core_field_offset(struct io_defer_entry, list);
	walk->at = READ((struct list_head *)at, next);
	meet_chain((__u64)READ(entry, req), walk->ctx, walk->place);
	return 0;
}

static long step_bucket(__u32 index, struct list_walk *walk)
{
	struct io_hash_bucket *bucket;

	bucket = (void *)walk->bucket + (__u64)index * bpf_core_type_size(struct io_hash_bucket);
	walk->at = READ(bucket, list.first);
	if (walk->at)
		bpf_loop(MAX_ON_LIST, step_hlist, walk, 0);
	return 0;
}

static __always_inline void walk_table(struct list_walk *walk, struct io_hash_table *table)
{
	__u32 bits = READ(table, hash_bits);

	walk->bucket = (__u64)READ(table, hbs);
	if (walk->bucket && bits <= MAX_BUCKETS_LOG2)
		bpf_loop(1u << (bits & 31), step_bucket, walk, 0);
}

static __always_inline void walk_hlist(struct list_walk *walk, __u32 place, struct hlist_node *first)
{
	walk->place = place;
	walk->at = first;
	if (first)
		bpf_loop(MAX_ON_LIST, step_hlist, walk, 0);
}

static __always_inline void walk_list(struct list_walk *walk, __u32 place, struct list_head *head)
{
	walk->place = place;
	walk->head = head;
	walk->at = READ(head, next);
	if (walk->at != head)
		bpf_loop(MAX_ON_LIST, step_list, walk, 0);
}

/* A task's work may be of another of its rings. */
static long step_queue(__u32 index, struct list_walk *walk)
{
	struct io_wq_work_node *at = walk->at;

	if (!at)
		return 1;
	walk->at = READ(at, next);
	meet_chain((__u64)at - walk->node_offset, walk->ctx, walk->place);
	return 0;
}

struct task_walk {
	struct list_walk *walk;
	struct list_head *head, *at;
};

/* What is ready and waits for a thread to enter the kernel. A task's work may be of another of its rings. */
static long step_work(__u32 index, struct list_walk *walk)
{
	struct llist_node *at = walk->at;

	if (!at)
		return 1;
	walk->at = READ(at, next);
	if ((void *)at == walk->head)
		return 0;
	meet_request((__u64)at - bpf_core_field_offset(struct io_kiocb___work, io_task_work.node), walk->ctx,
		     IFL_PLACE_WORK);
	return 0;
}

static __always_inline void walk_work(struct list_walk *walk, struct llist_node *first, void *stub)
{
	walk->at = first;
	walk->head = stub;
	if (first)
		bpf_loop(MAX_ON_LIST, step_work, walk, 0);
}

#define STUB_OF(owner, queue) ((void *)(owner) + bpf_core_field_offset(__typeof_unqual__(*(owner)), queue.stub))

static long step_task_work(__u32 index, struct task_walk *tasks)
{
	struct list_head *at = tasks->at;
	struct io_uring_task___queue *queue;
	struct io_uring_task___work *list;
	struct io_tctx_node *node;

	if (!at || at == tasks->head)
		return 1;
	node = (void *)at - bpf_core_field_offset(struct io_tctx_node, ctx_node);
	tasks->at = READ(at, next);
	list = (void *)READ((struct task_struct___uring *)READ(node, task), io_uring);
	if (!list)
		return 0;
	queue = (void *)list;
	if (bpf_core_field_exists(list->task_list.first))
		walk_work(tasks->walk, READ(list, task_list.first), NULL);
	else if (bpf_core_field_exists(queue->task_head))
		walk_work(tasks->walk, READ(queue, task_head), STUB_OF(queue, task_list));
	return 0;
}

/* Before all others: a poll that is ready stands in its table too. */
static __noinline void walk_ready(struct list_walk *walk)
{
	struct task_walk tasks = {.walk = walk};
	struct io_ring_ctx___queue *queue;
	struct io_ring_ctx___work *work;
	struct io_ring_ctx *ctx;

	if (!walk)
		return;
	ctx = (struct io_ring_ctx *)walk->ctx;
	work = (void *)ctx;
	if (bpf_core_field_exists(work->work_llist))
		walk_work(walk, READ(work, work_llist.first), NULL);
	if (bpf_core_field_exists(work->retry_llist))
		walk_work(walk, READ(work, retry_llist.first), NULL);
	queue = (void *)ctx;
	if (bpf_core_field_exists(queue->work_head))
		walk_work(walk, READ(queue, work_head), STUB_OF(queue, work_list));
	tasks.head = (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, tctx_list);
	tasks.at = READ(ctx, tctx_list.next);
	if (bpf_core_field_exists(((struct io_uring_task___work *)0)->task_list))
		bpf_loop(MAX_TASKS_OF_RING, step_task_work, &tasks, 0);
}

static long step_worker(__u32 index, struct list_walk *walk)
{
	struct io_worker *worker;
	struct io_wq_work *work;
	void *at = walk->at;

	if (!at || at == walk->head)
		return 1;
	worker = at - bpf_core_field_offset(struct io_worker, all_list);
	walk->at = READ((struct list_head *)at, next);
	work = READ(worker, cur_work);
	if (work)
		meet_chain((__u64)work - bpf_core_field_offset(struct io_kiocb, work), walk->ctx, walk->place);
	return 0;
}

static __always_inline void walk_workers(struct list_walk *walk, struct task_struct___uring *task)
{
	struct io_uring_task *tctx = task ? READ(task, io_uring) : NULL;
	void *wq = tctx ? wq_of(tctx) : NULL, *account;

	if (!wq)
		return;
	for (__u32 class = 0; class < 2; class ++) {
		account = wq_account(wq, class);
		walk->place = IFL_PLACE_WQ_RUNNING;
		walk->head = wq_workers(wq, account);
		walk->at = READ((struct list_head *)walk->head, next);
		bpf_loop(MAX_WORKERS, step_worker, walk, 0);
		walk->place = IFL_PLACE_WQ_QUEUED;
		walk->node_offset =
		    bpf_core_field_offset(struct io_wq_work, list) + bpf_core_field_offset(struct io_kiocb, work);
		walk->at = wq_queue(account);
		bpf_loop(MAX_ON_LIST, step_queue, walk, 0);
	}
}

static long step_task(__u32 index, struct task_walk *tasks)
{
	struct list_head *at = tasks->at;
	struct io_tctx_node *node;

	if (!at || at == tasks->head)
		return 1;
	node = (void *)at - bpf_core_field_offset(struct io_tctx_node, ctx_node);
	tasks->at = READ(at, next);
	walk_workers(tasks->walk, (void *)READ(node, task));
	return 0;
}

static __noinline void walk_waiting(struct list_walk *walk)
{
	struct io_ring_ctx___lists *lists;
	struct io_ring_ctx *ctx;

	if (!walk)
		return;
	ctx = (struct io_ring_ctx *)walk->ctx;
	lists = (void *)ctx;
	walk->node_offset = bpf_core_field_offset(struct io_timeout, list);
	walk_list(walk, IFL_PLACE_TIMER, (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, ltimeout_list));
	walk_list(walk, IFL_PLACE_TIMER, (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, timeout_list));
	walk->node_offset = bpf_core_field_offset(struct io_kiocb, hash_node);
	walk->place = IFL_PLACE_POLL;
	walk_table(walk, (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, cancel_table));
	if (bpf_core_field_exists(lists->cancel_table_locked))
		walk_table(walk, (void *)ctx + bpf_core_field_offset(struct io_ring_ctx___lists, cancel_table_locked));
	if (bpf_core_field_exists(lists->futex_list))
		walk_hlist(walk, IFL_PLACE_FUTEX, READ(lists, futex_list.first));
	if (bpf_core_field_exists(lists->waitid_list))
		walk_hlist(walk, IFL_PLACE_CHILD, READ(lists, waitid_list.first));
	if (bpf_core_field_exists(lists->cancelable_uring_cmd))
		walk_hlist(walk, IFL_PLACE_COMMAND, READ(lists, cancelable_uring_cmd.first));
}

static __noinline void walk_polled(struct list_walk *walk)
{
	struct io_ring_ctx___polled *polled;
	struct io_ring_ctx *ctx;

	if (!walk)
		return;
	ctx = (struct io_ring_ctx *)walk->ctx;
	if (!(READ(ctx, flags) & RING_SETUP_IOPOLL))
		return;
	polled = (void *)ctx;
	if (bpf_core_field_exists(polled->iopoll_list.first)) {
		walk->place = IFL_PLACE_IOPOLL;
		walk->node_offset = bpf_core_field_offset(struct io_kiocb, comp_list);
		walk->at = READ(polled, iopoll_list.first);
		if (walk->at)
			bpf_loop(MAX_ON_LIST, step_queue, walk, 0);
	} else if (bpf_core_field_exists(((struct io_kiocb___polled *)0)->iopoll_node)) {
		walk->node_offset = bpf_core_field_offset(struct io_kiocb___polled, iopoll_node);
		walk_list(walk, IFL_PLACE_IOPOLL,
			  (void *)ctx + bpf_core_field_offset(struct io_ring_ctx___polled_list, iopoll_list));
	}
}

static __noinline void walk_queued(struct list_walk *walk)
{
	struct task_walk tasks = {.walk = walk};
	struct io_ring_ctx *ctx;

	if (!walk)
		return;
	ctx = (struct io_ring_ctx *)walk->ctx;
	tasks.head = (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, tctx_list);
	tasks.at = READ(ctx, tctx_list.next);
	bpf_loop(MAX_TASKS_OF_RING, step_task, &tasks, 0);
	/* The SQ thread's work is its own, and it is not on that list. */
	if (READ(ctx, flags) & RING_SETUP_SQPOLL)
		walk_workers(walk, (void *)READ(ctx, sq_data, thread));
	walk->place = IFL_PLACE_DRAIN;
	walk->head = (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, defer_list);
	walk->at = READ(ctx, defer_list.next);
	bpf_loop(MAX_ON_LIST, step_deferred, walk, 0);
}

/* `req`: one of its requests, 0: none is known. */
static __noinline int note_left_ring(__u64 address, __u64 req)
{
	struct io_ring_ctx *ring = (struct io_ring_ctx *)address;
	struct task_struct *owner = req ? submitter_of((struct io_kiocb *)req) : NULL;
	struct ifl_ring_entry *entry = ring_of(ring);

	if (!ring || !is_being_freed(ring))
		return 0;
	if (!entry) {
		new_ring(ring, owner, -1, IFL_CONTEXT_FOUND, bpf_ktime_get_ns(), false);
	} else if (entry->closed == IFL_RING_BEING_FREED && !entry->ring.pid && owner) {
		/* The kworker stood before the io-wq worker. */
		take_owner(&entry->ring, owner);
		write_ring(entry, IFL_CONTEXT_FOUND, bpf_ktime_get_ns());
	}
	return 0;
}

static __always_inline struct io_kiocb *request_worked_on_by(struct task_struct___uring *task)
{
	struct io_worker *worker = READ(task, worker_private);
	struct io_wq_work *work = worker ? READ(worker, cur_work) : NULL;

	return work ? (void *)work - bpf_core_field_offset(struct io_kiocb, work) : NULL;
}

/*
 * What has outlived its process or its ring's last descriptor stands on no list that a ring leads to. A kworker frees
 * the ring, and waits for what io-wq workers of a process that is gone still work on. After the other iterators.
 */
SEC("iter/task")
int uring_left_iterator(struct bpf_iter__task *ctx)
{
	struct task_struct___uring *task = (void *)ctx->task;
	struct io_ring_ctx *ring = NULL;
	struct io_kiocb *req = NULL;
	__u32 flags;

	if (!task)
		return 0;
	flags = READ(task, flags);
	if (flags & TASK_KTHREAD)
		ring = ring_freed_by(task);
	else if (flags & TASK_IO_WORKER)
		req = request_worked_on_by(task);
	if (req)
		ring = READ(req, ctx);
	if (!ring)
		return 0;
	note_left_ring((__u64)ring, (__u64)req);
	if (req)
		meet_chain((__u64)req, (__u64)ring, IFL_PLACE_WQ_RUNNING);
	return 0;
}

struct bpf_map;

/* Its memory is still this ring's. */
static __always_inline bool is_there(struct ifl_ring_entry *ring)
{
	struct io_ring_ctx *ctx = (struct io_ring_ctx *)ring->ring.ring;

	return ctx && !ring->closed && !is_dying(ctx) && (__u64)READ(ctx, mm_account) == ring->mm_account;
}

static long walk_ring(struct bpf_map *map, __u32 *place, struct ifl_ring_entry *ring, void *unused)
{
	struct list_walk walk = {.ctx = ring->ring.ring};

	if (!ring->wanted || !is_there(ring))
		return 0;
	walk_ready(&walk);
	walk_polled(&walk);
	walk_waiting(&walk);
	walk_queued(&walk);
	return 0;
}

/* Run by the user side, attached to nothing. */
SEC("raw_tp")
int uring_lists(void *ctx)
{
	bpf_for_each_map_elem(&uring_rings, walk_ring, NULL, 0);
	return 0;
}

/* The same for the list of one ring, whose struct io_ring_ctx is the argument: they are written out. */
SEC("raw_tp")
int uring_list(struct bpf_raw_tracepoint_args *args)
{
	struct io_ring_ctx *ctx = (struct io_ring_ctx *)args->args[0];
	struct ifl_ring_entry *ring = ring_of(ctx);
	struct list_walk walk = {.ctx = (__u64)ctx};

	listed_count = 0;
	if (!ring || !is_there(ring))
		return 1;
	listing = 1;
	walk_ready(&walk);
	walk_polled(&walk);
	walk_waiting(&walk);
	walk_queued(&walk);
	listing = 0;
	return 0;
}
