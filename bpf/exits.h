/* SPDX-License-Identifier: GPL-2.0-only */
/* The end of a process, told once. */
#ifndef INFLIGHT_BPF_EXITS_H
#define INFLIGHT_BPF_EXITS_H

#include "maps.h"
#include "task.h"

/* The programs that tell it. */
enum { EXIT_OF_PROCESS = 0, EXIT_OF_RINGS = 1 };

#define ERRNO_EEXIST 17

/* Of the processes that ended lately, by the address of their signal_struct and the program: when they began. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, __u64);
} exits_told __weak SEC(".maps");

/*
 * True for one of the threads of a process that has ended. Each thread first takes itself off the count of the living
 * and comes to the hook later: of those that end together several find that nobody lives.
 */
static __always_inline bool is_end_of_process(struct task_struct *task, __u32 teller)
{
	struct signal_struct *signal = READ(task, signal);
	__u64 key = (__u64)signal + teller, began = READ(task, group_leader, start_time), *told, was;

	if (READ(signal, live.counter))
		return false;
	told = bpf_map_lookup_elem(&exits_told, &key);
	if (!told)
		return bpf_map_update_elem(&exits_told, &key, &began, BPF_NOEXIST) != -ERRNO_EEXIST;
	/* The memory may be another process's by now. */
	was = *(volatile __u64 *)told;
	return was != began && __sync_val_compare_and_swap(told, was, began) == was;
}

#endif
