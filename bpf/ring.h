/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings: from a descriptor to struct io_ring_ctx, and our own entry for it. */
#ifndef INFLIGHT_BPF_RING_H
#define INFLIGHT_BPF_RING_H

#include "names.h"
#include "kernel_wq.h"

/*
 * A ring stands at one of IFL_RING_PROBES places from the one that its address gives: looking one up in a hash map at
 * each request would cost more than what is done with it. A ring whose owner the filter does not let through takes a
 * place only when a task that is let through uses it.
 */
#define RING_PLACES (1u << IFL_RING_PLACES_LOG2)
#define NO_PLACE RING_PLACES
#define NO_RING 1ULL /* at a place that another ring has left; no ring has this address */
/* The place of a ring that was closed is another's after that time: its last records refer to it. */
#define RING_KEPT_NS 5000000000ULL

/*
 * 20 MB, made at load: the kernel makes arrays in full (BPF_F_NO_PREALLOC is for hash maps), and a hash map would cost
 * a lookup at each request.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RING_PLACES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_ring_entry);
} uring_rings __weak SEC(".maps");

/*
 * The places that some ring has ever stood at, each plus one: who looks at all rings looks at these. 0: just being
 * written.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RING_PLACES);
	__type(key, __u32);
	__type(value, __u32);
} ring_places __weak SEC(".maps");
__u32 ring_places_used __weak = 0;

/* Programs that use plain(): each has room of its own, because with PREEMPT_RT one may come in the midst of another. */
enum { ROOM_OF_SUBMISSION = 0, ROOM_OF_REFUSAL = 1, ROOM_OF_CENSUS = 2, ADDRESS_ROOMS = 3 };

/*
 * The address that a typed pointer has, as a number to calculate with, which the verifier allows once it has been
 * somewhere else. The kernel does not run a program on a CPU where it has been interrupted or preempted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ADDRESS_ROOMS);
	__type(key, __u32);
	__type(value, __u64);
} address_room __weak SEC(".maps");

static __always_inline void *plain(const void *typed, __u32 user)
{
	volatile __u64 *room = bpf_map_lookup_elem(&address_room, &user);

	if (!room)
		return NULL;
	*room = (__u64)typed;
	return (void *)*room;
}

static __always_inline __u32 first_place_of(__u64 ctx)
{
	return ifl_place_of(ctx, IFL_RING_PLACES_LOG2);
}

static __always_inline struct ifl_ring_entry *ring_at(__u32 place)
{
	return bpf_map_lookup_elem(&uring_rings, &place);
}

/* What stands at the place that was the `number`th to be taken; NULL: no ring that is there. */
static __always_inline struct ifl_ring_entry *ring_by_number(__u32 number)
{
	__u32 *place = bpf_map_lookup_elem(&ring_places, &number);
	struct ifl_ring_entry *entry = place && *place ? ring_at(*place - 1) : NULL;

	return entry && entry->ring.ring > NO_RING ? entry : NULL;
}

/*
 * A place that was taken once is never empty again: no ring stands behind an empty one. This and the next are global
 * functions, which the verifier looks at once, not at each call.
 */
__noinline __weak __u32 find_place_of(__u64 ctx)
{
	__u32 first = first_place_of(ctx);

	for (__u32 i = 0; i < IFL_RING_PROBES; i++) {
		__u32 place = (first + i) & (RING_PLACES - 1);
		struct ifl_ring_entry *entry = ring_at(place);

		if (!entry || !entry->ring.ring)
			return NO_PLACE;
		if (entry->ring.ring == ctx)
			return place;
	}
	return NO_PLACE;
}

static __always_inline struct ifl_ring_entry *ring_of(struct io_ring_ctx *ctx)
{
	struct ifl_ring_entry *entry = ring_at(first_place_of((__u64)ctx));

	if (entry && entry->ring.ring == (__u64)ctx)
		return entry;
	return ring_at(find_place_of((__u64)ctx));
}

static __always_inline void note_place(__u32 place)
{
	__u32 number = __sync_fetch_and_add(&ring_places_used, 1), *noted = bpf_map_lookup_elem(&ring_places, &number);

	if (noted)
		*noted = place + 1;
}

/* A place for a ring that has none, which is its own when this returns. */
__noinline __weak __u32 take_place_for(__u64 ctx, __u64 now)
{
	__u32 first = first_place_of(ctx);

	for (__u32 i = 0; i < IFL_RING_PROBES; i++) {
		__u32 place = (first + i) & (RING_PLACES - 1);
		struct ifl_ring_entry *entry = ring_at(place);
		__u64 there;

		if (!entry)
			return NO_PLACE;
		there = entry->ring.ring;
		if (there && !(entry->closed && entry->closed_ns + RING_KEPT_NS < now))
			continue;
		if (__sync_val_compare_and_swap(&entry->ring.ring, there, ctx) == there) {
			if (!there)
				note_place(place);
			return place;
		}
		if (entry->ring.ring == ctx)
			return place;
	}
	return NO_PLACE;
}

static __always_inline void close_ring(struct ifl_ring_entry *entry, __u64 now)
{
	entry->closed_ns = now;
	entry->closed = IFL_RING_CLOSED;
	entry->ring.flags |= IFL_RING_DYING;
}

static __always_inline bool is_dying(struct io_ring_ctx *ctx)
{
	return READ(ctx, refs.percpu_count_ptr) & PERCPU_REF_DEAD;
}

/* Nobody can use it any more, and its memory is still its own: io_ring_exit_work() waits for its requests. */
static __always_inline bool is_being_freed(struct io_ring_ctx *ctx)
{
	return is_dying(ctx) && READ(ctx, refs.data);
}

/* Of such a ring: each request that has not ended holds it. */
static __always_inline __u32 holds_of(struct io_ring_ctx *ctx)
{
	return READ(ctx, refs.data, count.counter);
}

/* The ring that this kworker frees at the moment, NULL: none. */
static __always_inline struct io_ring_ctx *ring_freed_by(struct task_struct___uring *task)
{
	struct kthread *kthread = READ(task, flags) & TASK_WQ_WORKER ? READ(task, worker_private) : NULL;
	struct worker *worker = kthread ? READ(kthread, data) : NULL;
	struct work_struct___exit *work = worker ? READ(worker, current_work) : NULL;

	if (!work || !config.ring_exit_address || (__u64)READ(worker, current_func) != config.ring_exit_address)
		return NULL;
	return (void *)work - bpf_core_field_offset(struct io_ring_ctx, exit_work);
}

static __always_inline __u32 own_task_flags(void)
{
	struct task_struct___uring *task = (void *)bpf_get_current_task_btf();

	return task->flags;
}

/* The whole process ends, of which the current task is a part: a SQ thread cancels before it is itself exiting. */
static __always_inline bool own_process_exits(void)
{
	struct task_struct___uring *task = (void *)bpf_get_current_task();

	return READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
}

static __always_inline __u32 sq_thread_id(struct io_ring_ctx *ctx)
{
	struct task_struct *thread = (void *)READ(ctx, sq_data, thread);

	return thread ? thread_id_of(thread) : 0;
}

#define REGISTERED_RINGS 16 /* IO_RINGFD_REG_MAX */
#define MAX_CQ_WAITERS 8
/* cq_wait_nr when nobody waits, or is not to be counted: 0, or close to 2^31 and 2^32 (io_uring/io_uring.h). */
#define CQ_WAIT_NR_MOST (1u << 30)

/*
 * A thread waits in io_uring_enter. Where the ring's lock is not held the list may change under us: then the answer is
 * that of another moment.
 */
static __always_inline bool is_waited_for(struct io_ring_ctx *ctx)
{
	struct list_head *head = (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, cq_wait.head);
	struct list_head *at = READ(head, next);

	if (bpf_core_field_exists(((struct io_ring_ctx___waited *)0)->cq_wait_nr)) {
		__u32 wanted = READ((struct io_ring_ctx___waited *)ctx, cq_wait_nr.counter);

		if (wanted && wanted < CQ_WAIT_NR_MOST)
			return true;
	}
	for (__u32 i = 0; i < MAX_CQ_WAITERS && at && at != head; i++) {
		/* Who only polls the ring's descriptor (on this list up to 6.2) has none. */
		if (READ(
			(struct wait_queue_entry *)((void *)at - bpf_core_field_offset(struct wait_queue_entry, entry)),
			private))
			return true;
		at = READ(at, next);
	}
	return false;
}

/* A BPF program drives it at the moment (struct_ops io_uring_bpf_ops). */
static __always_inline bool is_driven(struct io_ring_ctx *ctx)
{
	struct io_ring_ctx___loop *ring = (void *)ctx;

	return bpf_core_field_exists(ring->loop_step) && READ(ring, loop_step);
}

/* As the ring stands now. */
static __always_inline void count_ring(struct ifl_ring *record, struct io_ring_ctx *ctx)
{
	struct io_rings *rings = READ(ctx, rings);

	if (is_driven(ctx))
		record->flags |= IFL_RING_DRIVEN;
	/* It is being resized, or goes away: what was read last is still the best that is known. */
	if (!rings)
		return;
	record->sq_head = READ(ctx, cached_sq_head);
	record->sq_tail = READ(rings, sq.tail);
	record->cq_head = READ(rings, cq.head);
	record->cq_tail = READ(ctx, cached_cq_tail);
	record->sq_dropped = READ(rings, sq_dropped);
	record->sq_flags = READ(rings, sq_flags.counter);
	record->files = registered_files(ctx);
	record->buffers = registered_buffers(ctx);
	record->sq_thread = 0;
	if (record->setup_flags & RING_SETUP_SQPOLL)
		record->sq_thread = sq_thread_id(ctx);
	record->flags |= IFL_RING_COUNTED;
	if (is_waited_for(ctx))
		record->flags |= IFL_RING_WAITED_FOR;
	else
		record->flags &= ~IFL_RING_WAITED_FOR;
}

struct worker_walk {
	struct ifl_ring *record;
	struct list_head *head, *at;
};

static long add_workers(__u32 index, struct worker_walk *walk)
{
	struct list_head *at = walk->at;
	struct task_struct___uring *task;
	struct io_uring_task *tctx;
	struct io_tctx_node *node;
	struct worker_count count = {};

	if (!at || at == walk->head)
		return 1;
	node = (void *)at - bpf_core_field_offset(struct io_tctx_node, ctx_node);
	walk->at = READ(at, next);
	task = (void *)READ(node, task);
	tctx = READ(task, io_uring);
	if (!tctx)
		return 0;
	if (read_workers(tctx, 0, &count)) {
		walk->record->workers_bound += count.now;
		walk->record->workers_bound_limit = count.limit;
	}
	if (read_workers(tctx, 1, &count)) {
		walk->record->workers_unbound += count.now;
		walk->record->workers_unbound_limit = count.limit;
	}
	return 0;
}

#define MAX_RING_TASKS 64

static __always_inline void count_workers(struct ifl_ring *record, struct io_ring_ctx *ctx)
{
	struct worker_walk walk = {.record = record};

	record->workers_bound = 0;
	record->workers_unbound = 0;
	walk.head = (void *)ctx + bpf_core_field_offset(struct io_ring_ctx, tctx_list);
	walk.at = READ(ctx, tctx_list.next);
	bpf_loop(MAX_RING_TASKS, add_workers, &walk, 0);
}

static __always_inline void write_ring(const struct ifl_ring_entry *entry, __u8 state, __u64 time_ns)
{
	struct ifl_ring *record = reserve(IFL_RING, sizeof(*record), IFL_TIER_TRACEPOINT, time_ns);

	if (!record)
		return;
	__builtin_memcpy(&record->ring, &entry->ring.ring, sizeof(*record) - sizeof(record->header));
	ifl_settle_ring(record, entry);
	record->state = state;
	submit(record);
}

static __always_inline void take_owner(struct ifl_ring *ring, struct task_struct *owner)
{
	ring->pid = process_id_of(owner);
	ring->tid = thread_id_of(owner);
	ring->uid = READ(owner, cred, uid.val);
	BPF_CORE_READ_INTO(&ring->comm, owner, group_leader, comm);
}

/* A ring is accounted to the memory of the process that made it. */
static __always_inline bool is_maker(const struct ifl_ring_entry *entry, struct task_struct *task)
{
	return !entry->mm_account || entry->mm_account == (__u64)READ(task, mm);
}

#define ENTRY_AFTER_ADDRESS (__builtin_offsetof(struct ifl_ring_entry, ring.ring) + sizeof(__u64))

/*
 * `owner` is the task that made the ring, or the best that is known; NULL: it is gone, and no filter lets it through.
 * `used`: a task that is let through uses it, whoever made it.
 */
static __always_inline struct ifl_ring_entry *new_ring(struct io_ring_ctx *ctx, struct task_struct *owner, int fd,
						       __u8 state, __u64 time_ns, bool used)
{
	struct ifl_ring_entry *entry = ring_of(ctx);
	bool is_wanted = owner ? wanted(owner) : lets_all_through();

	if (entry && !entry->closed) {
		/* The memory of a ring whose end was not noticed yet is another's now. */
		if (entry->wanted)
			write_ring(entry, IFL_CONTEXT_DESTROYED, time_ns);
	}
	if (!is_wanted && !used) {
		if (entry) {
			close_ring(entry, time_ns);
			entry->ring.ring = NO_RING;
		}
		return NULL;
	}
	if (!entry)
		entry = ring_at(take_place_for((__u64)ctx, time_ns));
	if (!entry) {
		COUNT(contexts_untracked);
		return NULL;
	}
	/* Its address stays there: an empty place would hide the rings behind it. */
	entry->ring.ring = (__u64)ctx;
	__builtin_memset((void *)entry + ENTRY_AFTER_ADDRESS, 0, sizeof(*entry) - ENTRY_AFTER_ADDRESS);
	entry->ring.context_id = next_id();
	entry->ring.created_ns = state == IFL_CONTEXT_CREATED ? time_ns : 0;
	entry->ring.cgroup_id = cgroup_id_of(owner);
	entry->ring.setup_flags = READ(ctx, flags);
	entry->ring.sq_entries = READ(ctx, sq_entries);
	entry->ring.cq_entries = READ(ctx, cq_entries);
	entry->ring.fd = fd;
	take_owner(&entry->ring, owner);
	entry->mm_account = (__u64)READ(ctx, mm_account);
	entry->wanted = is_wanted;
	if (state == IFL_CONTEXT_FOUND && is_being_freed(ctx)) {
		close_ring(entry, time_ns);
		entry->closed = IFL_RING_BEING_FREED;
		entry->ring.in_flight = holds_of(ctx);
	}
	if (state != IFL_CONTEXT_CREATED && !is_maker(entry, owner))
		entry->ring.flags |= IFL_RING_OWNER_GUESSED;
	else
		entry->made_by_named = config.by_pid && config.by_maker && is_wanted;
	count_ring(&entry->ring, ctx);
	if (is_wanted) {
		note_cgroup(owner, entry->ring.cgroup_id, time_ns);
		note_process(owner, time_ns);
		write_ring(entry, state, time_ns);
	}
	return entry;
}

/*
 * The ring of a hook that has just one; unknown ones existed before the hooks, or their makers are not let through.
 * NULL: nobody wants to see it.
 */
static __always_inline struct ifl_ring_entry *ring_in_use(struct io_ring_ctx *ctx, __u64 time_ns)
{
	struct ifl_ring_entry *entry = ring_of(ctx);
	struct task_struct *owner;

	if (entry)
		return entry;
	if (!wanted_current())
		return NULL;
	owner = maker_of(ctx);
	return new_ring(ctx, owner ? owner : current_task(), -1, IFL_CONTEXT_FOUND, time_ns, true);
}

/* An open file is a ring's by its name: the address of its operations is not in every kernel's symbol table. */
static __always_inline struct io_ring_ctx *ring_of_file(struct file *file)
{
	static const char ring_name[] = "[io_uring]";
	char name[sizeof(ring_name)] = {};

	if (!file || READ(file, f_inode, i_sb, s_magic) != ANON_INODE_FS_MAGIC)
		return NULL;
	bpf_probe_read_kernel(name, sizeof(name), READ(file, f_path.dentry, d_name.name));
	for (__u32 i = 0; i < sizeof(ring_name); i++) {
		if (name[i] != ring_name[i])
			return NULL;
	}
	return READ((struct file___private *)file, private_data);
}

#endif
