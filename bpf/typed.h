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

/*
 * We cast to any kernel type that has an integer of the right size at a known offset. The verifier then sees a number,
 * with which a program may calculate.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct io_uring___pair {
	__u32 head, tail;
};
struct io_uring_sqe___start {
	__u8 opcode, flags;
	__u16 ioprio;
};
struct pt_regs___words {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10;
};
#pragma clang attribute pop

static __always_inline __u64 typed_number(const void *address, __u32 bytes)
{
	switch (bytes) {
	case 1: return TYPED(struct io_uring_sqe___start, address)->opcode;
	case 2: return TYPED(struct io_uring_sqe___start, address - 2)->ioprio;
	case 4: return TYPED(struct io_uring___pair, address)->head;
	default: return TYPED(struct pt_regs___words, address)->r15;
	}
}

/* An argument of a hooked function as a number: its type would forbid to calculate with it. For fentry and fexit. */
static __always_inline __u64 argument(void *ctx, __u32 index)
{
	__u64 value = 0;

	bpf_get_func_arg(ctx, index, &value);
	return value;
}

/* READ(pointer, field, field...): as BPF_CORE_READ. */
#define READ(src, ...) ___apply(read_, ___narg(__VA_ARGS__))(src, __VA_ARGS__)
#define read_1(src, a)                                                                                                 \
	({                                                                                                             \
		const void *from_ = (const void *)(src);                                                               \
		__typeof_unqual__((src)->a) value_;                                                                    \
		_Static_assert(sizeof(value_) <= 8, "a number or an address");                                         \
		from_ += bpf_core_field_offset(__typeof_unqual__(*(src)), a);                                          \
		if (config.typed_reads)                                                                                \
			value_ = (__typeof_unqual__((src)->a))typed_number(from_, sizeof(value_));                     \
		else                                                                                                   \
			bpf_probe_read_kernel(&value_, sizeof(value_), from_);                                         \
		value_;                                                                                                \
	})
#define read_2(src, a, b) read_1(read_1(src, a), b)
#define read_3(src, a, b, c) read_1(read_2(src, a, b), c)
#define read_4(src, a, b, c, d) read_1(read_3(src, a, b, c), d)
#define read_5(src, a, b, c, d, e) read_1(read_4(src, a, b, c, d), e)

/* 4, 8, 16 or 64 bytes. */
static __always_inline bool copy_kernel(void *out, const void *address, __u32 bytes)
{
	struct pt_regs___words *words;
	__u64 *to = out;

	if (!config.typed_reads)
		return !bpf_probe_read_kernel(out, bytes, address);
	if (bytes == 4) {
		*(__u32 *)out = typed_number(address, 4);
		return true;
	}
	if (bytes == 8) {
		*to = typed_number(address, 8);
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
