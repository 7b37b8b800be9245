/* SPDX-License-Identifier: GPL-2.0-only */
/* io_uring requests that a walk over the kernel's lists has found: they were submitted before the hooks. */
#ifndef INFLIGHT_BPF_URING_FOUND_H
#define INFLIGHT_BPF_URING_FOUND_H

#include "uring.h"

#define MAX_SLOTS_SEARCHED 1024

struct slot_search {
	struct io_ring_ctx *ctx;
	struct file *file;
	int found;
};

static long step_slot(__u32 slot, struct slot_search *search)
{
	if (fixed_file(search->ctx, slot) != search->file)
		return 0;
	search->found = slot;
	asm volatile(""); /* See step_hlist(). */
	return 1;
}

/*
 * The descriptor or index that stands for the request's file, -1 where that is not known here: cqe.fd is a union with
 * the result, which is written each time the request is woken. The user side looks for descriptors (held.bpf.c).
 */
static __always_inline int number_of(struct io_kiocb *req, struct task_struct *task, struct file *file)
{
	struct slot_search search = {.ctx = READ(req, ctx), .file = file, .found = -1};
	int number = READ(req, cqe.fd);

	if (!(READ(req, flags) & SQE_FIXED_FILE))
		return number >= 0 && file_of_fd(task, number) == file ? number : -1;
	if (number >= 0 && fixed_file(search.ctx, number) == file)
		return number;
	bpf_loop(MAX_SLOTS_SEARCHED, step_slot, &search, 0);
	return search.found;
}

/* As begin_uring_request() decides it. */
static __always_inline bool is_wanted_request(struct io_kiocb *req, const struct ifl_ring_entry *ring)
{
	if (ring->ring.setup_flags & RING_SETUP_SQPOLL)
		return ring->wanted;
	return ring->made_by_named || wanted(submitter_of(req));
}

static __always_inline void fill_existing(struct ifl_uring_entry *entry, struct ifl_ring_entry *ring,
					  struct io_kiocb *req, __u64 now)
{
	struct ifl_uring_request *request = &entry->request;
	struct task_struct *task = submitter_of(req);
	struct file *file = READ(req, file);

	__builtin_memset(request, 0, sizeof(*request));
	request->request_id = next_id();
	request->req = (__u64)req;
	request->ring = ring->ring.ring;
	request->context_id = ring->ring.context_id;
	request->user_data = READ(req, cqe.user_data);
	request->opcode = READ(req, opcode);
	request->sqe_flags = READ(req, flags);
	request->flags = IFL_UREQ_EXISTED | IFL_UREQ_SQE_UNREAD;
	if (request->sqe_flags & SQE_FIXED_FILE)
		request->flags |= IFL_UREQ_FIXED_FILE;
	request->fd = file && !has_fd_in_sqe_only(request->opcode) ? number_of(req, task, file) : -1;
	request->pid = process_id_of(task);
	request->tid = thread_id_of(task);
	request->uid = READ(task, cred, uid.val);
	request->cgroup_id = cgroup_id_of(task);
	if (ring->ring.setup_flags & RING_SETUP_SQPOLL) {
		request->flags |= IFL_UREQ_SQPOLL;
		request->sq_thread = request->tid;
		request->tid = 0;
		request->pid = ring->ring.pid;
		request->uid = ring->ring.uid;
	}
	BPF_CORE_READ_INTO(&request->comm, task, group_leader, comm);
	if (op_is(request->opcode, IFL_OP_IO_RW))
		take_rw(request, req);
	entry->file = 0;
	if (file && !works_on_no_file(request->opcode)) {
		entry->file = (__u64)file;
		request->file_id = file_id_of(file, now);
	}
	entry->full = 1;
	entry->on_free_list = 0;
}

/* Writes down a request that was there before the hooks. Others that want the place meanwhile are right. */
static __always_inline void note_existing_sqe(struct io_kiocb *req, __u64 ctx, __u32 place, __u32 walk_number)
{
	struct ifl_ring_entry *ring = ring_of((struct io_ring_ctx *)ctx);
	struct ifl_uring_entry *entry = ring ? find_room_for_found((__u64)req) : NULL;
	__u64 taken;

	if (ring && !entry && is_wanted_request(req, ring))
		COUNT(requests_untracked);
	if (!entry || !ifl_take_to_fill(entry, &taken))
		return;
	if (!is_only_entry(entry, (__u64)req)) {
		ifl_give_back(entry);
		return;
	}
	fill_existing(entry, ring, req, bpf_ktime_get_ns());
	note_process(submitter_of(req), bpf_ktime_get_ns());
	entry->request.place = place;
	entry->walked = walk_number;
	ifl_publish(entry, taken, is_wanted_request(req, ring) ? IFL_UENTRY_OPEN : IFL_UENTRY_IGNORED);
}

#endif
