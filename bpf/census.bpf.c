/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A look at what the kernel itself counts: requests in flight, those that no hook and no list shows among them, and
 * completions that nobody has taken. Sources: fs/aio.c, io_uring/tctx.c and io_uring/io_uring.c of Linux 6.1 to 6.18.
 */
#include "uring.h"
#include "context.h"
#include "../contract/census.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct percpu_counter {
	__s64 count;
	__s32 *counters;
};
struct io_uring_task___counted {
	int cached_refs;
	struct percpu_counter inflight;
};
struct kioctx_cpu {
	unsigned int reqs_available;
};
struct kioctx___counted {
	struct kioctx_cpu *cpu;
	atomic_t reqs_available;
	unsigned int completed_events;
};
struct bpf_map;
struct bpf_array {
	void *pptrs[0];
};
struct io_uring_cqe {
	__u64 user_data;
};
struct io_rings___cqes {
	struct io_uring_cqe cqes[0];
};
struct io_overflow_cqe {
	struct list_head list;
	struct io_uring_cqe cqe;
};
struct io_ring_ctx___overflow {
	struct list_head cq_overflow_list;
};
#pragma clang attribute pop

/*
 * How far each CPU's copy of a per-CPU variable lies from the variable's own address (mm/percpu.c). The kernel's table
 * of that cannot be read everywhere; but of a map of ours both addresses are known.
 */
static __always_inline __u64 distance_of(__u32 cpu)
{
	__u32 zero = 0;
	void *copy = bpf_map_lookup_percpu_elem(&address_room, &zero, cpu), *variable = NULL;
	struct bpf_array *map = plain(&address_room, ROOM_OF_CENSUS);

	if (!copy || !map)
		return 0;
	bpf_core_read(&variable, sizeof(variable), &map->pptrs[0]);
	return (__u64)plain(copy, ROOM_OF_CENSUS) - (__u64)variable;
}

struct percpu_sum {
	__u64 address; /* of the per-CPU variable, 32 bits wide */
	__s64 sum;
	bool is_signed;
};

static long add_cpu(__u32 cpu, struct percpu_sum *sum)
{
	__u64 distance = distance_of(cpu);
	__u32 value = 0;

	if (distance && !bpf_probe_read_kernel(&value, sizeof(value), (void *)(sum->address + distance)))
		sum->sum += sum->is_signed ? (__s64)(__s32)value : (__s64)value;
	return 0;
}

static __always_inline __s64 sum_of(const void *address, bool is_signed)
{
	struct percpu_sum sum = {.address = (__u64)address, .is_signed = is_signed};

	bpf_loop(config.census_cpus, add_cpu, &sum, 0);
	return sum.sum;
}

static __always_inline struct ifl_tally *new_tally(struct task_struct *task, __u64 object, __u8 family)
{
	struct ifl_tally *tally = reserve(IFL_TALLY, sizeof(*tally), IFL_TIER_NONE, bpf_ktime_get_ns());

	if (!tally)
		return NULL;
	__builtin_memset(&tally->object, 0, sizeof(*tally) - sizeof(tally->header));
	tally->object = object;
	tally->family = family;
	tally->pid = process_id_of(task);
	tally->tid = thread_id_of(task);
	tally->uid = READ(task, cred, uid.val);
	tally->cgroup_id = cgroup_id_of(task);
	BPF_CORE_READ_INTO(&tally->comm, task, group_leader, comm);
	return tally;
}

/* All that the task has had made and that has not been freed; some are made ahead. */
static __always_inline void count_task(struct task_struct *task)
{
	struct io_uring_task___counted *tctx = (void *)READ((struct task_struct___uring *)task, io_uring);
	struct ifl_tally *tally;
	__s64 in_flight;

	if (!tctx)
		return;
	in_flight = READ(tctx, inflight.count) + sum_of(READ(tctx, inflight.counters), true) - READ(tctx, cached_refs);
	tally = new_tally(task, (__u64)tctx, IFL_FAMILY_URING);
	if (!tally)
		return;
	tally->in_flight = in_flight;
	submit(tally);
}

/* What a ring still waits for whose tasks are all gone: their own counts went with them. */
static __always_inline void count_ring_freed_by(struct task_struct___uring *kworker)
{
	struct io_ring_ctx *ring = ring_freed_by(kworker);
	void *tasks = (void *)ring + bpf_core_field_offset(struct io_ring_ctx, tctx_list);
	struct ifl_ring_entry *entry = ring ? ring_of(ring) : NULL;
	struct ifl_tally *tally;

	if (!entry || !entry->wanted || !is_being_freed(ring) || READ(ring, tctx_list.next) != tasks)
		return;
	tally = reserve(IFL_TALLY, sizeof(*tally), IFL_TIER_NONE, bpf_ktime_get_ns());
	if (!tally)
		return;
	__builtin_memset(&tally->object, 0, sizeof(*tally) - sizeof(tally->header));
	tally->object = (__u64)ring;
	tally->family = IFL_FAMILY_URING;
	tally->context_id = entry->ring.context_id;
	tally->pid = entry->ring.pid;
	__builtin_memcpy(tally->comm, entry->ring.comm, sizeof(tally->comm));
	tally->in_flight = holds_of(ring);
	submit(tally);
}

struct tables {
	struct task_struct *task;
	struct kioctx_table *table;
	__u32 count;
};

/*
 * A request takes one of reqs_available, of which each CPU keeps some, and leaves one in completed_events when it ends,
 * until somebody gives that back.
 */
static long count_context(__u32 slot, struct tables *tables)
{
	struct kioctx___counted *counted;
	struct ifl_context_entry *context;
	struct kioctx *kioctx;
	struct ifl_tally *tally;
	__s64 available;

	if (slot >= tables->count)
		return 1;
	kioctx = context_in_slot(tables->table, slot);
	if (!kioctx || READ(kioctx, dead.counter))
		return 0;
	counted = (void *)kioctx;
	available = READ(counted, reqs_available.counter) + sum_of(READ(counted, cpu), false);
	tally = new_tally(tables->task, (__u64)kioctx, IFL_FAMILY_AIO);
	if (!tally)
		return 0;
	context = context_of((__u64)kioctx);
	if (context)
		tally->context_id = context->context_id;
	tally->ctx_id = READ(kioctx, user_id);
	tally->capacity = READ(kioctx, nr_events);
	tally->in_flight = (__s64)tally->capacity - 1 - available - READ(counted, completed_events);
	submit(tally);
	return 0;
}

SEC("iter/task")
int census_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tables tables = {.task = task};

	if (!task)
		return 0;
	if (READ((struct task_struct___uring *)task, flags) & TASK_KTHREAD) {
		/* Where it does not exist uring_left_iterator is refused, and that is said. */
		if (bpf_core_field_exists(((struct worker *)0)->current_func))
			count_ring_freed_by((void *)task);
		return 0;
	}
	if (!wanted(task))
		return 0;
	count_task(task);
	if (!stands_for_process(task))
		return 0;
	tables.table = READ(task, mm, ioctx_table);
	if (!tables.table)
		return 0;
	tables.count = READ(tables.table, nr);
	bpf_loop(MAX_CONTEXTS_SCANNED, count_context, &tables, 0);
	return 0;
}

#define MAX_CQES 4096 /* of a ring; how many more there are is told */
#define CQE_F_SKIP (1u << 5)
#define CQE_BYTES 16

struct cqe_walk {
	struct ifl_ring_entry *ring;
	__u64 cqes; /* address of the first */
	__u32 head, tail, mask;
	struct list_head *backlog, *at;
};

static __always_inline void write_unreaped(struct ifl_ring_entry *ring, const struct uring_cqe *cqe, __u32 position,
					   __u32 flags)
{
	struct ifl_unreaped *record = reserve(IFL_UNREAPED, sizeof(*record), IFL_TIER_NONE, bpf_ktime_get_ns());

	if (!record)
		return;
	__builtin_memset(&record->context, 0, sizeof(*record) - sizeof(record->header));
	record->context = ring->ring.ring;
	record->context_id = ring->ring.context_id;
	record->user_data = cqe->user_data;
	record->result = cqe->res;
	record->cqe_flags = cqe->flags;
	record->cgroup_id = ring->ring.cgroup_id;
	record->position = position;
	record->pid = ring->ring.pid;
	record->uid = ring->ring.uid;
	record->flags = flags;
	record->family = IFL_FAMILY_URING;
	__builtin_memcpy(record->comm, ring->ring.comm, sizeof(record->comm));
	submit(record);
}

static long step_cqe(__u32 index, struct cqe_walk *walk)
{
	struct uring_cqe cqe = {};
	__u32 setup = walk->ring->ring.setup_flags, place = walk->head & walk->mask;

	if (walk->head == walk->tail)
		return 1;
	if (setup & RING_SETUP_CQE32)
		place <<= 1;
	if (bpf_probe_read_kernel(&cqe, CQE_BYTES, (void *)(walk->cqes + (__u64)place * CQE_BYTES)))
		return 1;
	/* One that fills up the end of a ring of both sizes is none. */
	if (!(setup & RING_SETUP_CQE_MIXED && cqe.flags & CQE_F_SKIP))
		write_unreaped(walk->ring, &cqe, walk->head, 0);
	walk->head++;
	if (setup & RING_SETUP_CQE_MIXED && cqe.flags & CQE_F_32 && walk->head != walk->tail)
		walk->head++;
	return 0;
}

static long step_backlog(__u32 index, struct cqe_walk *walk)
{
	struct list_head *at = walk->at;
	struct uring_cqe cqe = {};

	if (!at || at == walk->backlog)
		return 1;
	walk->at = READ(at, next);
	bpf_probe_read_kernel(&cqe, CQE_BYTES, (void *)at + bpf_core_field_offset(struct io_overflow_cqe, cqe));
	/* Positions in the ring count up from 0. */
	write_unreaped(walk->ring, &cqe, ~index, IFL_UNREAPED_OVERFLOWED);
	return 0;
}

static long census_ring(struct bpf_map *map, __u32 *place, struct ifl_ring_entry *ring, void *unused)
{
	struct io_ring_ctx *ctx = (struct io_ring_ctx *)ring->ring.ring;
	struct cqe_walk walk = {.ring = ring};
	struct io_rings *rings;

	if (!ctx || ring->closed || !ring->wanted || is_dying(ctx) || (__u64)READ(ctx, mm_account) != ring->mm_account)
		return 0;
	rings = READ(ctx, rings);
	if (!rings)
		return 0;
	walk.cqes = (__u64)rings + bpf_core_field_offset(struct io_rings___cqes, cqes);
	walk.head = READ(rings, cq.head);
	walk.tail = READ(rings, cq.tail);
	walk.mask = READ(ctx, cq_entries) - 1;
	/* The program writes the head, and may write anything: then there is nothing to go by. */
	if (walk.tail - walk.head > walk.mask + 1) {
		struct uring_cqe none = {};

		write_unreaped(ring, &none, 0, IFL_UNREAPED_UNREAD);
		walk.head = walk.tail;
	} else {
		bpf_loop(MAX_CQES, step_cqe, &walk, 0);
	}
	if (walk.head != walk.tail) {
		struct uring_cqe left_out = {.res = walk.tail - walk.head};

		write_unreaped(ring, &left_out, 0, IFL_UNREAPED_LEFT_OUT);
	}
	walk.backlog = (void *)ctx + bpf_core_field_offset(struct io_ring_ctx___overflow, cq_overflow_list);
	walk.at = READ(walk.backlog, next);
	bpf_loop(MAX_CQES, step_backlog, &walk, 0);
	return 0;
}

/* Run by the user side, attached to nothing. */
SEC("raw_tp")
int census_rings(void *ctx)
{
	bpf_for_each_map_elem(&uring_rings, census_ring, NULL, 0);
	return 0;
}
