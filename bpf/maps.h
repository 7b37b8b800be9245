/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map of the kernel side, and how a record leaves it. Sizes marked (set) are set before load. */
#ifndef INFLIGHT_BPF_MAPS_H
#define INFLIGHT_BPF_MAPS_H

#include "kernel.h"
#include "../contract/config.h"
#include "../contract/tables.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile struct ifl_config config __weak = {};

/* One ring buffer per CPU: a single one collapses under many producers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* (set) possible CPUs */
	__type(key, __u32);
	__array(
	    values, struct {
		    __uint(type, BPF_MAP_TYPE_RINGBUF);
		    __uint(max_entries, 4096); /* of the template; the real ones are made by the user side */
	    });
} rings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ifl_counters);
} counters __weak SEC(".maps");

/* Processes to trace, when config.by_pid. Grows by fork when config.follow_children. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u8);
} pids __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072); /* (set) */
	__type(key, __u64);	     /* struct aio_kiocb * */
	__type(value, struct ifl_request_entry);
} requests __weak SEC(".maps");

/* Submissions whose struct aio_kiocb no hook has shown yet: fsyncs until their worker runs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct ifl_unbound_key);
	__type(value, struct ifl_request_entry);
} unbound __weak SEC(".maps");

/* LRU: a context whose end was not seen ages out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* struct kioctx * */
	__type(value, struct ifl_context_entry);
} contexts __weak SEC(".maps");

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

struct file_key {
	__u64 file;
	__u64 dentry;
	__u64 operations; /* file.f_op: all anonymous files share one inode, and their memory */
	__u64 inode_number;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct file_key);
	__type(value, __u64); /* file_id */
} files __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} cgroups __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last_id __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last_uring_id __weak SEC(".maps");

/* Room for a request_entry that is too large for the stack; for the iterator only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ifl_request_entry);
} scratch __weak SEC(".maps");

/* Set by the user side before each run of the iterator. */
__u32 iterator_pass __weak = 0;
/* Contexts that existed before the hooks were attached. Without any, nothing needs to look for their requests. */
__u32 contexts_found __weak = 0;

static __always_inline struct ifl_counters *cpu_counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* The place of a kernel object in a table of 2^`log2` places. Objects are aligned to 64 bytes and lie close together.
 */
static __always_inline __u32 place_of(__u64 address, __u32 log2)
{
	return (address >> 6) * 0x9e3779b97f4a7c15ULL >> (64 - log2);
}

/* Counts an occurrence; an interrupt may do the same in between. */
#define COUNT(field)                                                                                                   \
	do {                                                                                                           \
		struct ifl_counters *c_ = cpu_counters();                                                              \
		if (c_)                                                                                                \
			__sync_fetch_and_add(&c_->field, 1);                                                           \
	} while (0)

/* A number that is never used twice while the programs are loaded; never 0. */
static __always_inline __u64 next_id(void)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&last_id, &zero);

	if (!last)
		return 0;
	return (__u64)bpf_get_smp_processor_id() << 48 | (__sync_fetch_and_add(last, 1) + 1);
}

/* The same for the hooks of io_uring, which are in no interrupt: two of them do not meet on one CPU. */
static __always_inline __u64 next_uring_id(void)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&last_uring_id, &zero);

	if (!last)
		return 0;
	return (__u64)bpf_get_smp_processor_id() << 48 | 1ULL << 47 | ++*last;
}

/*
 * Room for one record in this CPU's ring, or NULL, which is then counted as lost. Check the result at once: before 6.3
 * the verifier does not know that a checked pointer is not NULL when it is checked again.
 */
static __always_inline void *reserve_counted(__u32 kind, __u32 size_bytes, __u8 tier, __u64 time_ns, bool undisturbed)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ifl_counters *counter = cpu_counters();
	void *ring = bpf_map_lookup_elem(&rings, &cpu);
	struct ifl_header *header;

	if (!ring || !counter)
		return NULL;
	if (undisturbed)
		counter->generated[kind]++;
	else
		__sync_fetch_and_add(&counter->generated[kind], 1);
	header = bpf_ringbuf_reserve(ring, size_bytes, 0);
	if (!header) {
		__sync_fetch_and_add(&counter->lost[kind], 1);
		return NULL;
	}
	header->size_bytes = size_bytes;
	header->kind = kind;
	header->tier = tier;
	header->reserved = 0;
	header->cpu = cpu;
	header->reserved2 = 0;
	header->time_ns = time_ns;
	return header;
}

static __always_inline void *reserve(__u32 kind, __u32 size_bytes, __u8 tier, __u64 time_ns)
{
	return reserve_counted(kind, size_bytes, tier, time_ns, false);
}

/* For a kind that no interrupt writes, in a program that is not preempted: all those that are attached to hooks. */
static __always_inline void *reserve_undisturbed(__u32 kind, __u32 size_bytes, __u8 tier, __u64 time_ns)
{
	return reserve_counted(kind, size_bytes, tier, time_ns, true);
}

/* A reserved record is not to be written after all. */
static __always_inline void take_back(void *record, __u32 kind)
{
	struct ifl_counters *counter = cpu_counters();

	if (counter)
		__sync_fetch_and_add(&counter->generated[kind], -1);
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
}

/* The reader polls by time: a wake-up per record is the most expensive thing one can do. */
static __always_inline void submit(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

#endif
