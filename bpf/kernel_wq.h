/* SPDX-License-Identifier: GPL-2.0-only */
/* io_uring's workers, as kernel_uring.h. Sources: io_uring/io-wq.c and io_uring/tctx.h of Linux 6.1 to 6.18. */
#ifndef INFLIGHT_BPF_KERNEL_WQ_H
#define INFLIGHT_BPF_KERNEL_WQ_H

#include "kernel_uring.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* io-wq: one table of workers per task in 6.12 and 6.18, in 6.1 one per node. */
struct io_wq_acct {
	unsigned int nr_workers, max_workers;
	struct io_wq_work_list work_list;
};
/* In 6.18 each class has its own list of workers. */
struct io_wq_acct___workers {
	struct list_head all_list;
};
struct io_wq {
	struct io_wq_acct acct[2]; /* bound, unbound */
};
struct io_wq___workers {
	struct list_head all_list;
};
struct io_wqe_acct {
	unsigned int nr_workers, max_workers;
	struct io_wq_work_list work_list;
};
struct io_wqe {
	struct io_wqe_acct acct[2];
	struct list_head all_list;
};
struct io_worker {
	struct list_head all_list;
	struct io_wq_work *cur_work;
};
struct io_wq___nodes {
	struct io_wqe *wqes[0];
};
#pragma clang attribute pop

struct worker_count {
	__u32 now, limit;
};

/* A task's workers and their work, NULL: it has none. Of 6.1's tables, one per node, that of the first node. */
static __always_inline void *wq_of(struct io_uring_task *tctx)
{
	struct io_wq *wq = READ(tctx, io_wq);
	struct io_wqe *node = NULL;

	if (!wq || !bpf_core_type_exists(struct io_wqe))
		return wq;
	bpf_core_read(&node, sizeof(node), &((struct io_wq___nodes *)wq)->wqes[0]);
	return node;
}

/* `class` 0: bounded work, 1: unbounded. */
static __always_inline void *wq_account(void *wq, __u32 class)
{
	if (bpf_core_type_exists(struct io_wqe))
		return wq + bpf_core_field_offset(struct io_wqe, acct) + class * bpf_core_type_size(struct io_wqe_acct);
	return wq + bpf_core_field_offset(struct io_wq, acct) + class * bpf_core_type_size(struct io_wq_acct);
}

static __always_inline struct io_wq_work_node *wq_queue(void *account)
{
	if (bpf_core_type_exists(struct io_wqe))
		return READ((struct io_wqe_acct *)account, work_list.first);
	return READ((struct io_wq_acct *)account, work_list.first);
}

/* The list of io_worker.all_list that has the workers of this class, and perhaps the others too. */
static __always_inline struct list_head *wq_workers(void *wq, void *account)
{
	if (bpf_core_type_exists(struct io_wqe))
		return wq + bpf_core_field_offset(struct io_wqe, all_list);
	if (bpf_core_field_exists(((struct io_wq___workers *)0)->all_list))
		return wq + bpf_core_field_offset(struct io_wq___workers, all_list);
	return account + bpf_core_field_offset(struct io_wq_acct___workers, all_list);
}

/* Of one class. False: the task has none. */
static __always_inline bool read_workers(struct io_uring_task *tctx, __u32 class, struct worker_count *out)
{
	void *wq = wq_of(tctx), *account;

	if (!wq)
		return false;
	account = wq_account(wq, class);
	if (bpf_core_type_exists(struct io_wqe)) {
		out->now = READ((struct io_wqe_acct *)account, nr_workers);
		out->limit = READ((struct io_wqe_acct *)account, max_workers);
	} else {
		out->now = READ((struct io_wq_acct *)account, nr_workers);
		out->limit = READ((struct io_wq_acct *)account, max_workers);
	}
	return true;
}

#endif
