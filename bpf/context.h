/* SPDX-License-Identifier: GPL-2.0-only */
/* AIO contexts: from the ctx_id of user space to struct kioctx, and our own entry for it. */
#ifndef INFLIGHT_BPF_CONTEXT_H
#define INFLIGHT_BPF_CONTEXT_H

#include "names.h"

#define MAX_CONTEXTS_SCANNED 8192

/* Counts on whenever a context comes or goes. */
__u32 contexts_changes __weak = 0;

struct context_scan {
	struct kioctx_table *table;
	__u64 ctx_id;
	__u32 count;
	struct kioctx *found;
};

static __always_inline struct kioctx *context_in_slot(struct kioctx_table *table, __u32 slot)
{
	struct kioctx *kioctx = NULL;

	copy_kernel(&kioctx, &table->table[slot], sizeof(kioctx));
	return kioctx;
}

static long scan_slot(__u32 slot, struct context_scan *scan)
{
	struct kioctx *kioctx;

	if (slot >= scan->count)
		return 1;
	kioctx = context_in_slot(scan->table, slot);
	if (!kioctx || READ(kioctx, user_id) != scan->ctx_id)
		return 0;
	scan->found = kioctx;
	return 1;
}

/*
 * What lookup_ioctx() of fs/aio.c would find: the ring's first word, in user memory, is the slot of the mm's table.
 * Where that page is not there yet (nothing touched the ring since io_setup) every slot is looked at instead.
 */
static __always_inline struct kioctx *find_kioctx(struct task_struct *task, __u64 ctx_id)
{
	struct kioctx_table *table = READ(task, mm, ioctx_table);
	struct kioctx *kioctx = NULL;
	__u32 count, slot = 0;

	if (!table || !ctx_id)
		return NULL;
	count = READ(table, nr);
	if (!bpf_probe_read_user(&slot, sizeof(slot), (void *)ctx_id)) {
		if (slot < count)
			kioctx = context_in_slot(table, slot);
		if (kioctx && READ(kioctx, user_id) != ctx_id)
			kioctx = NULL;
	} else {
		struct context_scan scan = {.table = table, .ctx_id = ctx_id, .count = count};

		bpf_loop(MAX_CONTEXTS_SCANNED, scan_slot, &scan, 0);
		kioctx = scan.found;
	}
	if (kioctx && READ(kioctx, dead.counter))
		return NULL;
	return kioctx;
}

static __always_inline void write_context(__u64 kioctx, const struct ifl_context_entry *entry, __u8 state, __u8 tier,
					  __u64 time_ns)
{
	struct ifl_context *record = reserve(IFL_CONTEXT, sizeof(*record), tier, time_ns);

	if (!record)
		return;
	record->kioctx = kioctx;
	record->context_id = entry->context_id;
	record->ctx_id = entry->ctx_id;
	record->created_ns = entry->created_ns;
	record->submitted = entry->submitted;
	record->completed = entry->completed;
	record->in_flight = entry->in_flight;
	record->in_flight_max = entry->in_flight_max;
	record->capacity = entry->capacity;
	record->max_reqs = entry->max_reqs;
	record->pid = entry->pid;
	record->uid = entry->uid;
	record->state = state;
	record->refused = entry->refused;
	record->refused_error = entry->refused_error;
	__builtin_memset(record->reserved, 0, sizeof(record->reserved));
	__builtin_memcpy(record->comm, entry->comm, sizeof(record->comm));
	submit(record);
}

/* How many requests it accepts: the kernel gives places out in batches, and the rest to nobody (get_reqs_available). */
static __always_inline __u32 capacity_of(struct kioctx *kioctx)
{
	__u32 batch = READ(kioctx, req_batch), slots = READ(kioctx, nr_events);

	if (!slots)
		return 0;
	slots--;
	return batch ? slots - slots % batch : slots;
}

static __always_inline __u64 new_context(struct task_struct *task, struct kioctx *kioctx, __u8 state, __u8 tier,
					 __u64 time_ns)
{
	__u64 key = (__u64)kioctx;
	struct ifl_context_entry entry = {};

	entry.context_id = next_id();
	entry.ctx_id = READ(kioctx, user_id);
	entry.created_ns = state == IFL_CONTEXT_CREATED ? time_ns : 0;
	entry.capacity = capacity_of(kioctx);
	entry.max_reqs = READ(kioctx, max_reqs);
	entry.pid = process_id_of(task);
	entry.uid = READ(task, cred, uid.val);
	entry.cgroup_id = cgroup_id_of(task);
	BPF_CORE_READ_INTO(&entry.comm, task, group_leader, comm);
	if (bpf_map_update_elem(&contexts, &key, &entry, BPF_ANY))
		COUNT(contexts_untracked);
	__sync_fetch_and_add(&contexts_changes, 1);
	if (state == IFL_CONTEXT_FOUND)
		__sync_fetch_and_add(&contexts_found, 1);
	note_cgroup(task, entry.cgroup_id, time_ns);
	note_process(task, time_ns);
	write_context(key, &entry, state, tier, time_ns);
	return entry.context_id;
}

static __always_inline struct ifl_context_entry *context_of(__u64 kioctx)
{
	return bpf_map_lookup_elem(&contexts, &kioctx);
}

/* A request was counted as lost when it was submitted, and now its end is seen and reported. */
static __always_inline void uncount_untracked(void)
{
	struct ifl_counters *counter = cpu_counters();

	if (counter)
		__sync_fetch_and_add(&counter->requests_untracked, -1);
}

/* Counts requests for which the tables have no room. Each is taken off the count again when its end is reported. */
static __always_inline void count_untracked(__u64 kioctx, __u64 count)
{
	struct ifl_context_entry *context = context_of(kioctx);
	struct ifl_counters *counter = cpu_counters();

	if (counter)
		__sync_fetch_and_add(&counter->requests_untracked, count);
	if (context)
		__sync_fetch_and_add(&context->untracked, (__u32)count);
}

/* Our number for the context that `task` uses; one that is new to us existed before the hooks. */
static __always_inline __u64 context_id_of(struct task_struct *task, struct kioctx *kioctx, __u8 tier, __u64 time_ns)
{
	struct ifl_context_entry *entry;

	if (!kioctx)
		return 0;
	entry = context_of((__u64)kioctx);
	if (entry && entry->ctx_id == READ(kioctx, user_id))
		return entry->context_id;
	return new_context(task, kioctx, IFL_CONTEXT_FOUND, tier, time_ns);
}

/*
 * find_kioctx() for the calls that a program makes again and again on one context: the slot of the last one is looked
 * at again, which needs no user memory. The kernel does look there, and fails with EINVAL if it finds another number: a
 * call that returns that is looked at again.
 */
static __always_inline struct kioctx *find_kioctx_again(struct ifl_call_entry *entry, struct task_struct *task,
							__u64 ctx_id)
{
	struct kioctx_table *table = READ(task, mm, ioctx_table);
	struct kioctx *kioctx;

	if (!entry->last_kioctx || entry->last_ctx_id != ctx_id || !table || entry->last_slot >= READ(table, nr))
		return NULL;
	kioctx = context_in_slot(table, entry->last_slot);
	if ((__u64)kioctx != entry->last_kioctx || READ(kioctx, user_id) != ctx_id || READ(kioctx, dead.counter))
		return NULL;
	return kioctx;
}

static __always_inline void remember_kioctx(struct ifl_call_entry *entry, __u64 ctx_id, struct kioctx *kioctx,
					    __u64 context_id)
{
	entry->last_ctx_id = ctx_id;
	entry->last_kioctx = (__u64)kioctx;
	entry->last_context_id = context_id;
	entry->last_slot = kioctx ? READ(kioctx, id) : 0;
	entry->last_contexts_known = contexts_changes;
}

#endif
