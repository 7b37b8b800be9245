/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The threads that make calls: a slot that the thread's id gives, and a hash map for what finds its slot taken. Several
 * hooks of each call look up the thread, and in a hash map that costs more than most of what they do.
 */
#ifndef INFLIGHT_BPF_THREADS_H
#define INFLIGHT_BPF_THREADS_H

#include "maps.h"

#define CALL_SLOTS 4096 /* the ids of a process's threads mostly follow one another */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALL_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_call_entry);
} call_slots __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32); /* tid */
	__type(value, struct ifl_call_entry);
} calls __weak SEC(".maps");

/* call_entry is larger than the BPF stack: a zeroed one to start from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ifl_call_entry);
} blank __weak SEC(".maps");

/* Something stands in `calls`. */
__u32 calls_spilled __weak = 0;

static __always_inline struct ifl_call_entry *call_slot_of(__u32 tid)
{
	__u32 slot = tid & (CALL_SLOTS - 1);

	return bpf_map_lookup_elem(&call_slots, &slot);
}

static __always_inline struct ifl_call_entry *spilled_thread(__u32 tid)
{
	struct ifl_call_entry *entry = bpf_map_lookup_elem(&calls, &tid), *empty;
	__u32 zero = 0;

	if (entry)
		return entry;
	empty = bpf_map_lookup_elem(&blank, &zero);
	calls_spilled = 1;
	if (empty && bpf_map_update_elem(&calls, &tid, empty, BPF_ANY))
		COUNT(calls_untracked);
	return bpf_map_lookup_elem(&calls, &tid);
}

/* The current thread's entry, made when it makes its first call. Only the thread itself changes it. */
static __always_inline struct ifl_call_entry *thread_entry(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct ifl_call_entry *slot = call_slot_of(tid);

	if (slot && slot->thread == tid)
		return slot;
	/* forget_thread() has left zeroes in it. */
	if (slot && !slot->thread && !__sync_val_compare_and_swap(&slot->thread, 0, tid))
		return slot;
	return spilled_thread(tid);
}

/* The call that the current thread is in. */
static __always_inline struct ifl_call_entry *current_call(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct ifl_call_entry *entry = call_slot_of(tid);

	if (!entry || entry->thread != tid)
		entry = calls_spilled ? bpf_map_lookup_elem(&calls, &tid) : NULL;
	return entry && entry->open ? entry : NULL;
}

/* The thread ends. */
static __always_inline void forget_thread(__u32 tid)
{
	struct ifl_call_entry *slot = call_slot_of(tid);

	if (slot && slot->thread == tid) {
		__builtin_memset(slot, 0, __builtin_offsetof(struct ifl_call_entry, thread));
		asm volatile("" ::: "memory");
		*(volatile __u32 *)&slot->thread = 0;
	} else if (calls_spilled) {
		bpf_map_delete_elem(&calls, &tid);
	}
}

#endif
