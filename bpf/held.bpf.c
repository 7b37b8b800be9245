/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has a file open: descriptors, registered rings, mappings and the memory of every process, whatever the filter.
 * The user side reads them from the iterators.
 */
#include "ring.h"
#include "../contract/held.h"

/* The files to look for. Rings are always reported; if there are more files than fit here, all files are reported. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64); /* struct file * */
	__type(value, __u8);
} sought_files __weak SEC(".maps");

__u32 sought_all __weak = 0;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___state {
	unsigned int __state;
};
struct vm_area_struct {
	struct file *vm_file;
};
struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};
#pragma clang attribute pop

static __always_inline void tell_held(struct bpf_iter_meta *meta, struct task_struct *task, struct file *file,
				      struct io_ring_ctx *ring, int fd, __u32 kind)
{
	struct ifl_held held = {.fd = fd, .kind = kind};

	held.file = (__u64)file;
	held.ring = (__u64)ring;
	held.mm = (__u64)READ(task, mm);
	held.pid = process_id_of(task);
	held.tid = thread_id_of(task);
	bpf_seq_write(meta->seq, &held, sizeof(held));
}

SEC("iter/task_file")
int held_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct io_ring_ctx *ring;
	__u64 key = (__u64)file;

	if (!task || !file)
		return 0;
	ring = ring_of_file(file);
	if (ring || sought_all || bpf_map_lookup_elem(&sought_files, &key))
		tell_held(ctx->meta, task, file, ring, ctx->fd, IFL_HELD_DESCRIPTOR);
	return 0;
}

#define NR_IO_DESTROY 207
#define NR_IO_DESTROY_I386 246
#define TASK_UNINTERRUPTIBLE 2

/* Who sleeps in a call is still in it. Only what the filter lets through. */
static __always_inline void tell_closing(struct bpf_iter_meta *meta, struct task_struct *task)
{
	bool compat = in_compat_call(task);
	struct pt_regs *regs;

	if (!wanted(task) || !(READ((struct task_struct___state *)task, __state) & TASK_UNINTERRUPTIBLE))
		return;
	/* It waits for io_uring before it is marked as exiting. */
	if (READ((struct task_struct___uring *)task, flags) & TASK_EXITING ||
	    READ((struct task_struct___uring *)task, signal, flags) & SIGNAL_GROUP_EXIT) {
		tell_held(meta, task, NULL, NULL, -1, IFL_HELD_EXITING);
		return;
	}
	if (READ((struct task_struct___uring *)task, flags) & TASK_KTHREAD)
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (READ(regs, orig_ax) != (compat ? NR_IO_DESTROY_I386 : NR_IO_DESTROY))
		return;
	tell_held(meta, task, (void *)(compat ? (__u32)READ(regs, bx) : READ(regs, di)), NULL, -1, IFL_HELD_DESTROYING);
}

SEC("iter/task")
int held_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct io_uring_task *tctx;

	if (!task)
		return 0;
	if (stands_for_process(task) && READ(task, mm))
		tell_held(ctx->meta, task, NULL, NULL, -1, IFL_HELD_PROCESS);
	tell_closing(ctx->meta, task);
	if (!bpf_core_type_exists(struct io_uring_task))
		return 0;
	tctx = READ((struct task_struct___uring *)task, io_uring);
	if (!tctx)
		return 0;
	for (__u32 i = 0; i < 16; i++) {
		struct file *file = NULL;

		bpf_probe_read_kernel(&file, sizeof(file),
				      (void *)tctx + bpf_core_field_offset(struct io_uring_task, registered_rings) +
					  i * sizeof(file));
		if (file)
			tell_held(ctx->meta, task, file, ring_of_file(file), i, IFL_HELD_REGISTERED);
	}
	return 0;
}

SEC("iter/task_vma")
int held_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *area = ctx->vma;
	struct task_struct *task = ctx->task;
	struct io_ring_ctx *ring;
	struct file *file;

	if (!task || !area)
		return 0;
	file = READ(area, vm_file);
	ring = file ? ring_of_file(file) : NULL;
	if (ring)
		tell_held(ctx->meta, task, file, ring, -1, IFL_HELD_MAPPED);
	return 0;
}
