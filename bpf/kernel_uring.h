/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h for io_uring: the few fields in use, and what differs between kernels. Sources: include/linux/
 * io_uring_types.h and io_uring/ of Linux 6.1 to 7.3.
 */
#ifndef INFLIGHT_BPF_KERNEL_URING_H
#define INFLIGHT_BPF_KERNEL_URING_H

#include "../contract/uring_flags.h"
#include "kernel.h"
#include "kernel_uring_ops.h"
#include "typed.h"
#include "uring_ops.h"

/* Of linux/io_uring.h: shared with user space, hence not relocated. */
struct uring_sqe {
	__u8 opcode;
	__u8 flags;
	__u16 ioprio;
	__s32 fd;
	__u64 off;
	__u64 addr;
	__u32 len;
	__u32 op_flags;
	__u64 user_data;
	__u16 buf_index;
	__u16 personality;
	__u32 splice_fd_in;
	__u64 addr3;
	__u64 pad;
};
struct uring_cqe {
	__u64 user_data;
	__s32 res;
	__u32 flags;
	__u64 big[2];
};

#define SETUP_FLAG(ID, id, bit) RING_SETUP_##ID = 1u << (bit),
#define SQE_FLAG(ID, id, bit) SQE_##ID = 1u << (bit),
#define CQE_FLAG(ID, id, bit) CQE_F_##ID = 1u << (bit),
enum { IFL_FOR_EACH_SETUP_FLAG(SETUP_FLAG) IFL_FOR_EACH_SQE_FLAG(SQE_FLAG) IFL_FOR_EACH_CQE_FLAG(CQE_FLAG) };
#undef SETUP_FLAG
#undef SQE_FLAG
#undef CQE_FLAG
#define SQE_IOPRIO_MULTISHOT_ACCEPT (1u << 0)
#define SQE_IOPRIO_MULTISHOT_RECV (1u << 1)
#define SQE_IOPRIO_BUNDLE (1u << 4)
#define SQE_LEN_POLL_MULTI (1u << 0)
#define SQE_CMD_MULTISHOT (1u << 1)
/* SOCKET_URING_OP_TX_TIMESTAMP; the commands of other files are numbers as of ioctl(2), and far greater. */
#define CMD_TX_TIMESTAMP 4
#define SQE_TIMEOUT_MULTISHOT (1u << 6)
#define REGISTER_SYNC_CANCEL 24

#define PERCPU_REF_DEAD 2 /* __PERCPU_REF_DEAD, include/linux/percpu-refcount.h */
#define TASK_EXITING 0x00000004
#define TASK_WQ_WORKER 0x00000020
#define TASK_IO_WORKER 0x00000010 /* io-wq workers and SQ threads */
#define TASK_KTHREAD 0x00200000
#define ANON_INODE_FS_MAGIC 0x09041934
#define FILE_POINTER_MASK (~7ULL) /* the low bits of a fixed file's pointer are flags */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct percpu_ref_data {
	struct {
		long long counter;
	} count;
};
struct percpu_ref {
	unsigned long percpu_count_ptr;
	struct percpu_ref_data *data;
};
struct io_uring {
	__u32 head, tail;
};
struct io_rings {
	struct io_uring sq, cq;
	__u32 sq_dropped;
	atomic_t sq_flags;
	__u32 cq_overflow;
};
struct io_wq_work_node {
	struct io_wq_work_node *next;
};
struct io_wq_work_list {
	struct io_wq_work_node *first;
};
struct io_submit_link {
	struct io_kiocb *head;
};
struct io_submit_state {
	struct io_wq_work_node free_list;
	struct io_submit_link link;
	__u16 submit_nr;
};
struct io_sq_data {
	struct task_struct *thread;
};
struct io_fixed_file {
	unsigned long file_ptr;
};
struct io_rsrc_node {
	unsigned long file_ptr;
};
struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};
/* A table of nodes in 6.18; of tagged pointers in 6.1 and 6.12. */
struct io_file_table {
	struct io_rsrc_data data;
};
struct io_file_table___pointers {
	struct io_fixed_file *files;
};
struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};
struct io_hash_bucket {
	struct hlist_head list;
};
struct io_hash_table {
	struct io_hash_bucket *hbs;
	unsigned int hash_bits;
};
struct wait_queue_head {
	struct list_head head;
};
struct wait_queue_entry {
	void *private;
	struct list_head entry;
};
struct work_struct___exit {
	void *func;
};
struct io_ring_ctx {
	struct wait_queue_head cq_wait;
	struct work_struct___exit exit_work;
	unsigned int flags;
	struct io_rings *rings;
	struct percpu_ref refs;
	__u32 *sq_array;
	void *sq_sqes;
	unsigned int cached_sq_head, sq_entries, cached_cq_tail, cq_entries;
	struct io_file_table file_table;
	struct io_rsrc_data buf_table;
	struct io_submit_state submit_state;
	struct io_sq_data *sq_data;
	struct mm_struct *mm_account;
	struct list_head tctx_list;
	struct io_hash_table cancel_table;
	struct list_head timeout_list, ltimeout_list, defer_list;
	unsigned int compat : 1;
};
/* Requests whose device the program polls; since 7.0 the list has two ends. */
struct io_ring_ctx___polled {
	struct io_wq_work_list iopoll_list;
};
struct io_ring_ctx___polled_list {
	struct list_head iopoll_list;
};
struct io_kiocb___polled {
	struct list_head iopoll_node;
};
/* What a ring may be asked for, its own and its maker's. Filters since 7.0. */
struct io_restriction {
	unsigned long sqe_op[2];
	__u8 sqe_flags_allowed, sqe_flags_required;
};
struct io_restriction___filtered {
	void *bpf_filters;
	bool op_registered;
};
struct io_ring_ctx___restricted {
	struct io_restriction restrictions;
};
struct io_ring_ctx___filtered {
	struct io_restriction___filtered restrictions;
};
/* Since 7.1 a flag says what `compat` said. */
struct io_ring_ctx___flags {
	unsigned int int_flags;
};
/* Since 7.1: the program that io_uring_enter runs instead of its own loop, NULL: none. */
struct io_ring_ctx___loop {
	void *loop_step;
};
struct llist_node {
	struct llist_node *next;
};
struct llist_head {
	struct llist_node *first;
};
/* Work that only the ring's thread does; the second list since 6.12. */
struct io_ring_ctx___work {
	struct llist_head work_llist;
	struct llist_head retry_llist;
};
struct io_task_work {
	struct llist_node node;
};
struct io_kiocb___work {
	struct io_task_work io_task_work;
};
struct io_uring_task___work {
	struct llist_head task_list;
};
/* Since 6.13. */
struct io_ring_ctx___wait {
	void *cq_wait_arg;
	unsigned long cq_wait_size;
};
/*
 * Since 7.2 such a list is a queue that many append to. What is in it can be reached from the node that comes next,
 * one of them the stub, which belongs to no request.
 */
struct mpscq {
	struct llist_node *tail;
	struct llist_node stub;
};
struct io_ring_ctx___queue {
	struct mpscq work_list;
	struct llist_node *work_head;
};
struct io_uring_task___queue {
	struct mpscq task_list;
	struct llist_node *task_head;
};
/* Since 6.2. */
struct io_ring_ctx___waited {
	atomic_t cq_wait_nr;
};
/* Not in 6.1, but for the last, which is not in 6.18. */
struct io_ring_ctx___lists {
	struct hlist_head futex_list, waitid_list, cancelable_uring_cmd;
	struct io_hash_table cancel_table_locked;
};
struct io_defer_entry {
	struct list_head list;
	struct io_kiocb *req;
};
struct io_timeout {
	struct list_head list;
};
struct io_ring_ctx___counted {
	unsigned int nr_user_files, nr_user_bufs;
	struct io_wq_work_list locked_free_list;
	struct io_file_table___pointers file_table;
};
struct io_wq_work {
	struct io_wq_work_node list;
};
struct io_cqe {
	__u64 user_data;
	__s32 res;
	int fd;
};
struct io_kiocb {
	struct file *file;
	__u8 opcode;
	unsigned int flags;
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	struct io_wq_work_node comp_list;
	void *async_data;
	struct io_kiocb *link;
	struct hlist_node hash_node;
	struct io_wq_work work;
	struct io_uring_task *tctx;
};
/* In 6.1 and 6.12. */
struct io_kiocb___task {
	struct task_struct *task;
};

struct io_wq;
struct io_uring_task {
	struct io_ring_ctx *last;
	struct task_struct *task;
	struct io_wq *io_wq;
	struct file *registered_rings[16];
};
struct io_tctx_node {
	struct list_head ctx_node;
	struct task_struct *task;
};
struct signal_struct___group {
	unsigned int flags;
};
/* A kworker: kernel/kthread.c, kernel/workqueue_internal.h. */
struct kthread {
	void *data;
};
struct worker {
	struct work_struct___exit *current_work;
	void *current_func;
};
struct task_struct___uring {
	void *worker_private; /* struct kthread * of a thread of the kernel, struct io_worker * of an io-wq worker */
	unsigned int flags;
	struct signal_struct___group *signal;
	struct io_uring_task *io_uring;
};
struct file___private {
	void *private_data;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

/* Made by a 32-bit program. */
static __always_inline bool is_compat_ring(struct io_ring_ctx *ctx)
{
	if (bpf_core_field_exists(ctx->compat))
		return BPF_CORE_READ_BITFIELD_PROBED(ctx, compat);
	if (bpf_core_field_exists(((struct io_ring_ctx___flags *)0)->int_flags))
		return READ((struct io_ring_ctx___flags *)ctx, int_flags) & config.compat_flag;
	return false;
}

/* The task whose memory the ring is accounted to has made it; NULL: it has ended, or the kernel keeps no owners. */
static __always_inline struct task_struct *maker_of(struct io_ring_ctx *ctx)
{
	struct mm_struct *mm = READ(ctx, mm_account);

	return mm && bpf_core_field_exists(mm->owner) ? READ(mm, owner) : NULL;
}

/* The file of a registered slot, NULL when it is empty. */
static __always_inline struct file *fixed_file(struct io_ring_ctx *ctx, __u32 slot)
{
	unsigned long pointer = 0;

	if (bpf_core_type_exists(struct io_fixed_file)) {
		struct io_ring_ctx___counted *old = (void *)ctx;
		struct io_fixed_file *files = READ(old, file_table.files);

		if (files && slot < READ(old, nr_user_files))
			bpf_probe_read_kernel(&pointer, sizeof(pointer), (void *)files + slot * sizeof(pointer));
	} else {
		struct io_rsrc_node **nodes = READ(ctx, file_table.data.nodes), *node = NULL;

		if (nodes && slot < READ(ctx, file_table.data.nr))
			bpf_probe_read_kernel(&node, sizeof(node), nodes + slot);
		if (node)
			pointer = READ(node, file_ptr);
	}
	return (struct file *)(pointer & FILE_POINTER_MASK);
}

static __always_inline __u32 registered_files(struct io_ring_ctx *ctx)
{
	if (bpf_core_field_exists(((struct io_ring_ctx___counted *)0)->nr_user_files))
		return READ((struct io_ring_ctx___counted *)ctx, nr_user_files);
	return READ(ctx, file_table.data.nr);
}

static __always_inline __u32 registered_buffers(struct io_ring_ctx *ctx)
{
	if (bpf_core_field_exists(((struct io_ring_ctx___counted *)0)->nr_user_bufs))
		return READ((struct io_ring_ctx___counted *)ctx, nr_user_bufs);
	return READ(ctx, buf_table.nr);
}

/* Whether it has 32 bytes. In a ring of both sizes each CQE says so itself. */
static __always_inline bool is_big_cqe(const struct uring_cqe *cqe, __u32 setup_flags)
{
	return setup_flags & RING_SETUP_CQE32 || (setup_flags & RING_SETUP_CQE_MIXED && cqe->flags & CQE_F_32);
}

/* The fields of a CQE that io_uring_complete shows: in 6.1 and 6.12 as arguments, later behind a pointer. */
static __always_inline void take_cqe(struct uring_cqe *out, const __u64 *args, bool by_pointer, __u32 setup_flags)
{
	if (by_pointer) {
		copy_kernel(out, (void *)args[2], 16);
		if (is_big_cqe(out, setup_flags))
			copy_kernel(out->big, (void *)args[2] + 16, 16);
		return;
	}
	out->user_data = args[2];
	out->res = args[3];
	out->flags = args[4];
	out->big[0] = args[5];
	out->big[1] = args[6];
}

/* Who submitted it. */
static __always_inline struct task_struct *submitter_of(struct io_kiocb *req)
{
	if (bpf_core_field_exists(((struct io_kiocb___task *)0)->task))
		return READ((struct io_kiocb___task *)req, task);
	return READ(req, tctx, task);
}

#endif
