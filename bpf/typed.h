/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel memory read without a call where the kernel lets an address be given a type (bpf_rdonly_cast, since 6.2): a
 * tenth of what a helper costs. What cannot be read is 0. Elsewhere the helper.
 */
#ifndef INFLIGHT_BPF_TYPED_H
#define INFLIGHT_BPF_TYPED_H

#include "maps.h"

extern void *bpf_rdonly_cast(const void *address, __u32 type_id) __ksym __weak;

#define TYPED(type, address) ((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
/* Any structures that begin with two ints, or eight longs, do. */
struct io_uring___pair {
	__u32 head, tail;
};
struct pt_regs___words {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10;
};
#pragma clang attribute pop

/* 4, 16 or 64 bytes. */
static __always_inline bool copy_kernel(void *out, const void *address, __u32 bytes)
{
	struct pt_regs___words *words;
	__u64 *to = out;

	if (!config.typed_reads)
		return !bpf_probe_read_kernel(out, bytes, address);
	if (bytes == 4) {
		*(__u32 *)out = TYPED(struct io_uring___pair, address)->head;
		return true;
	}
	words = TYPED(struct pt_regs___words, address);
	to[0] = words->r15;
	to[1] = words->r14;
	if (bytes == 16)
		return true;
	to[2] = words->r13;
	to[3] = words->r12;
	to[4] = words->bp;
	to[5] = words->bx;
	to[6] = words->r11;
	to[7] = words->r10;
	return true;
}

static __always_inline void take_own_comm(char *out, struct task_struct *task)
{
	if (config.typed_reads)
		copy_kernel(out, (const void *)task + bpf_core_field_offset(struct task_struct, comm), IFL_COMM_BYTES);
	else
		bpf_get_current_comm(out, IFL_COMM_BYTES);
}

#endif
