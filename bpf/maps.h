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
	__uint(max_entries, IFL_AIO_SPILLED_LEAST); /* (set) */
	__type(key, __u64);			    /* struct aio_kiocb * */
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
	__uint(max_entries, IFL_CONTEXTS);
	__type(key, __u64); /* struct kioctx * */
	__type(value, struct ifl_context_entry);
} contexts __weak SEC(".maps");

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

/* Processes of which a record was written, by the machine's number; used only in a pid namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32); /* the number in that namespace */
} processes __weak SEC(".maps");

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

/* Counts an occurrence; an interrupt, or with PREEMPT_RT another task, may do the same in between. */
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

/* The same for the hooks of io_uring, whose numbers are apart. */
static __always_inline __u64 next_uring_id(void)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&last_uring_id, &zero);

	if (!last)
		return 0;
	return (__u64)bpf_get_smp_processor_id() << 48 | 1ULL << 47 | (__sync_fetch_and_add(last, 1) + 1);
}

#endif
