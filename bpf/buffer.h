/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a record leaves the kernel side: a buffer per CPU in memory that the reader has mapped (contract/buffer.h). A
 * ring buffer of the kernel's costs a lock and two calls a record, and one for all CPUs collapses under many producers.
 */
#ifndef INFLIGHT_BPF_BUFFER_H
#define INFLIGHT_BPF_BUFFER_H

#include "maps.h"
#include "../contract/room.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) possible CPUs */
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 4096); /* (set) config.buffer_bytes */
} buffers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) possible CPUs */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_buffer_positions);
} buffer_positions __weak SEC(".maps");

#define NO_ROOM IFL_NO_ROOM

/*
 * Takes `bytes`, a multiple of 8, of the buffer of `cpu`, which is this one, marks them as busy and returns their
 * place; NO_ROOM: it is full. Not inlined and not static:
 * verified once, not at each place that writes a record.
 */
__noinline __weak __u32 take_room(__u32 cpu, __u32 bytes)
{
	struct ifl_buffer_positions *positions = bpf_map_lookup_elem(&buffer_positions, &cpu);
	void *buffer = bpf_map_lookup_elem(&buffers, &cpu);
	__u32 buffer_bytes = config.buffer_bytes;

	if (!positions || !buffer)
		return NO_ROOM;
	return ifl_take_room(positions, buffer, buffer_bytes, config.buffer_key, bytes);
}

/*
 * Room for one record in this CPU's buffer, or NULL, which is then counted as lost. Check the result at once: before
 * 6.3 the verifier does not know that a checked pointer is not NULL when it is checked again.
 */
static __always_inline void *reserve(__u32 kind, __u32 size_bytes, __u8 tier, __u64 time_ns)
{
	__u32 cpu = bpf_get_smp_processor_id(), bytes = IFL_MARK_BYTES + (size_bytes + 7) / 8 * 8, at;
	void *buffer = bpf_map_lookup_elem(&buffers, &cpu);
	struct ifl_counters *counter = cpu_counters();
	struct ifl_header *header;

	if (!buffer || !counter)
		return NULL;
	/* Also where no interrupt writes that kind: with PREEMPT_RT, and in the fentry tier, another task may come. */
	__sync_fetch_and_add(&counter->generated[kind], 1);
	/* With the smallest of buffers some kinds have no room at all. */
	at = bytes <= config.buffer_bytes ? take_room(cpu, bytes) : NO_ROOM;
	/* The verifier wants the bound right here. */
	asm volatile("" : "+r"(at));
	if (bytes > config.buffer_bytes || at > config.buffer_bytes - bytes) {
		__sync_fetch_and_add(&counter->lost[kind], 1);
		return NULL;
	}
	header = buffer + at + IFL_MARK_BYTES;
	header->size_bytes = size_bytes;
	header->kind = kind;
	header->tier = tier;
	header->reserved = 0;
	header->cpu = cpu;
	header->span_us = 0;
	header->time_ns = time_ns;
	return header;
}

/* What was written to the record is there before its mark: on x86 stores are seen in their order. */
static __always_inline void mark(void *record, __u64 change)
{
	volatile __u64 *at = record - IFL_MARK_BYTES;

	asm volatile("" ::: "memory");
	*at ^= change;
}

/* A reserved record is not to be written after all. */
static __always_inline void take_back(void *record, __u32 kind)
{
	struct ifl_counters *counter = cpu_counters();

	if (counter)
		__sync_fetch_and_add(&counter->generated[kind], -1);
	mark(record, IFL_MARK_BUSY ^ IFL_MARK_VOID);
}

/* The reader polls by time: a wake-up per record is the most expensive thing one can do. */
static __always_inline void submit(void *record)
{
	mark(record, IFL_MARK_BUSY);
}

#endif
