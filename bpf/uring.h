/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of an io_uring request: an entry of `uring_requests` from its submission to its end, then a record. Hooks
 * stand at io_uring's own tracepoints, in every tier.
 */
#ifndef INFLIGHT_BPF_URING_H
#define INFLIGHT_BPF_URING_H

#include "detail.h"
#include "ring.h"
#include "threads.h"
#include "../contract/owner.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1u << IFL_URING_SLOTS_LOG2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_uring_entry);
} uring_slots __weak SEC(".maps");

/*
 * What finds its slot taken by another. A lookup here costs more than all else together. Made in full at load: memory
 * that is asked for later may not be there in the middle of a burst.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IFL_URING_SPILLED);
	__type(key, __u64); /* struct io_kiocb * */
	__type(value, struct ifl_uring_entry);
} uring_requests __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ifl_uring_entry);
} blank_uring __weak SEC(".maps");

/* The files of this CPU's last submissions. Only the submission's hook uses it, and that does not interrupt itself. */
#define CACHED_FILES 16
struct cached_file {
	__u64 file, dentry, inode, operations, file_id;
};
struct file_cache {
	struct cached_file files[CACHED_FILES];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct file_cache);
} file_caches __weak SEC(".maps");

/* Something stands in uring_requests. */
__u32 uring_spilled __weak = 0;

static __always_inline struct ifl_uring_entry *slot_of(__u64 req)
{
	__u32 slot = ifl_place_of(req, IFL_URING_SLOTS_LOG2);

	return bpf_map_lookup_elem(&uring_slots, &slot);
}

static __always_inline struct ifl_uring_entry *entry_of(void *req)
{
	__u64 key = (__u64)req;
	struct ifl_uring_entry *slot = slot_of(key);

	/* What is void there, or just being written, may stand in the hash map by now. */
	if (slot && slot->request.req == key && ifl_is_open(slot->open))
		return slot;
	return uring_spilled ? bpf_map_lookup_elem(&uring_requests, &key) : NULL;
}

static __always_inline struct ifl_uring_entry *open_entry_of(void *req)
{
	struct ifl_uring_entry *entry = req ? entry_of(req) : NULL;

	return entry && entry->open == IFL_UENTRY_OPEN ? entry : NULL;
}

/* The request at `req` ends, and stands nowhere: a walk that is just filling it in must not leave it there. */
static __always_inline void contest_entry(__u64 req)
{
	struct ifl_uring_entry *slot = slot_of(req), *spilled;

	if (slot)
		ifl_contest(slot);
	spilled = uring_spilled ? bpf_map_lookup_elem(&uring_requests, &req) : NULL;
	if (spilled)
		ifl_contest(spilled);
}

static __always_inline struct ifl_uring_entry *spill(__u64 req)
{
	struct ifl_uring_entry *entry = bpf_map_lookup_elem(&uring_requests, &req), *empty;
	__u32 zero = 0;

	if (entry)
		return entry;
	empty = bpf_map_lookup_elem(&blank_uring, &zero);
	uring_spilled = 1;
	if (empty)
		bpf_map_update_elem(&uring_requests, &req, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&uring_requests, &req);
}

/* Where the request that begins at `req` is to stand, the caller's now. What stood there before is still in it. */
static __always_inline struct ifl_uring_entry *make_entry(__u64 req, __u32 *was)
{
	struct ifl_uring_entry *slot = slot_of(req), *entry;

	if (!slot)
		return NULL;
	if (ifl_take_to_begin(slot, req, was))
		return slot;
	entry = spill(req);
	if (!entry || !ifl_take_to_begin(entry, req, was))
		return NULL;
	ifl_clear_slot(slot, req);
	return entry;
}

/* Where a walk may write down what it has found at `req`, which has no entry; NULL: there is no room. */
static __always_inline struct ifl_uring_entry *find_room_for_found(__u64 req)
{
	struct ifl_uring_entry *slot = slot_of(req);

	return !slot || ifl_stands_elsewhere(slot, req) ? spill(req) : slot;
}

/* The same walk has taken `entry`: false if the request has begun elsewhere meanwhile. */
static __always_inline bool is_only_entry(const struct ifl_uring_entry *entry, __u64 req)
{
	struct ifl_uring_entry *spilled = uring_spilled ? bpf_map_lookup_elem(&uring_requests, &req) : NULL;

	return !spilled || spilled == entry || (__u32)ifl_state_of(spilled) == IFL_UENTRY_FREE;
}

/* `bytes` is a constant. */
static __always_inline void write_uring_bytes(const struct ifl_uring_request *request, __u32 bytes, __u8 state,
					      __u64 time_ns)
{
	struct ifl_uring_request *record = reserve(IFL_URING_REQUEST, bytes, IFL_TIER_TRACEPOINT, time_ns);

	if (!record)
		return;
	__builtin_memcpy(&record->request_id, &request->request_id, bytes - sizeof(record->header));
	record->state = state;
	submit(record);
}

static __always_inline void write_uring_request(const struct ifl_uring_entry *entry, __u8 state, __u64 time_ns)
{
	if (entry->full)
		write_uring_bytes(&entry->request, sizeof(entry->request), state, time_ns);
	else
		write_uring_bytes(&entry->request, IFL_UREQ_BRIEF_BYTES, state, time_ns);
}

static __always_inline void account_unseen_end(const struct ifl_uring_entry *entry, struct ifl_ring_entry *ring)
{
	if (!ring || ring->ring.context_id != entry->request.context_id || entry->request.flags & IFL_UREQ_EXISTED)
		return;
	if (ring->unseen_ends)
		__sync_fetch_and_add(&ring->unseen_ends, -1);
	else
		__sync_fetch_and_add(&ring->completed_elsewhere, 1);
}

/* Its memory is free or another request's: it has ended and no event said how. */
static __always_inline void end_unseen(struct ifl_uring_entry *entry, struct ifl_ring_entry *ring, __u64 now)
{
	entry->request.complete_ns = now;
	entry->request.flags |= IFL_UREQ_END_UNSEEN;
	entry->full = 1;
	write_uring_request(entry, IFL_UREQ_ENDED, now);
	account_unseen_end(entry, ring);
}

/*
 * Like end_unseen(), for the survey. The survey does not own the entry: another CPU may give the memory to a new
 * request at the same time, which must not be overwritten. `seen` is the state of the entry when the survey judged it.
 */
static __always_inline void end_unseen_if_still(struct ifl_uring_entry *entry, struct ifl_ring_entry *ring, __u64 seen,
						__u64 now)
{
	struct ifl_uring_request *record = reserve(IFL_URING_REQUEST, sizeof(*record), IFL_TIER_TRACEPOINT, now);

	if (!record)
		return;
	__builtin_memcpy(&record->request_id, &entry->request.request_id, sizeof(*record) - sizeof(record->header));
	record->complete_ns = now;
	record->flags |= IFL_UREQ_END_UNSEEN;
	record->state = IFL_UREQ_ENDED;
	if (!ifl_change_state(entry, seen, IFL_STATE_OF(IFL_UENTRY_FREE, seen))) {
		take_back(record, IFL_URING_REQUEST);
		return;
	}
	submit(record);
	account_unseen_end(entry, ring);
}

static __always_inline __u64 cached_file_id(struct file *file, __u64 now)
{
	__u64 dentry, inode, operations;
	struct cached_file *cached;
	struct file_cache *cache;
	__u32 zero = 0, slot;

	if (!file)
		return 0;
	cache = bpf_map_lookup_elem(&file_caches, &zero);
	if (!cache)
		return 0;
	dentry = (__u64)READ(file, f_path.dentry);
	/* Its number, not its address: a new pipe may stand at all three addresses of one that was closed. */
	inode = READ(file, f_inode, i_ino);
	operations = (__u64)READ(file, f_op);
	slot = ((__u64)file >> 8 ^ (__u64)file >> 12) & (CACHED_FILES - 1);
	cached = &cache->files[slot];
	if (cached->file == (__u64)file && cached->dentry == dentry && cached->inode == inode &&
	    cached->operations == operations && cached->file_id)
		return cached->file_id;
	cached->file_id = 0;
	cached->file = (__u64)file;
	cached->dentry = dentry;
	cached->inode = inode;
	cached->operations = operations;
	cached->file_id = file_id_of(file, now);
	return cached->file_id;
}

/* The next four are for programs whose arguments have types (tp_btf): they read through pointers without a helper. */

/* The SQE that was taken last, as it stands in the ring. */
static __always_inline bool read_sqe(struct uring_sqe *out, struct io_ring_ctx *ctx, __u32 setup_flags, __u8 opcode)
{
	/* In a ring of both sizes a wide one takes two places, and the head has passed both. */
	__u32 places = setup_flags & RING_SETUP_SQE_MIXED && op_is(opcode, IFL_OP_WIDE) ? 2 : 1;
	__u32 index = (ctx->cached_sq_head - places) & (ctx->sq_entries - 1);

	if (!(setup_flags & RING_SETUP_NO_SQARRAY)) {
		if (!copy_kernel(&index, ctx->sq_array + index, sizeof(index)))
			return false;
	}
	if (setup_flags & RING_SETUP_SQE128)
		index <<= 1;
	return copy_kernel(out, (void *)((__u64)ctx->sq_sqes + index * sizeof(*out)), sizeof(*out));
}

/* Has several CQEs, so that the model wants to know of it before it ends. */
static __always_inline bool has_several_cqes(const struct uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case OP_ACCEPT: return sqe->ioprio & SQE_IOPRIO_MULTISHOT_ACCEPT;
	case OP_RECV:
	case OP_RECVMSG: return sqe->ioprio & SQE_IOPRIO_MULTISHOT_RECV;
	case OP_SEND: return sqe->ioprio & SQE_IOPRIO_BUNDLE;
	case OP_URING_CMD:
	case OP_URING_CMD128: return sqe->op_flags & SQE_CMD_MULTISHOT || (__u32)sqe->off == CMD_TX_TIMESTAMP;
	case OP_POLL_ADD: return sqe->len & SQE_LEN_POLL_MULTI;
	case OP_TIMEOUT: return sqe->op_flags & SQE_TIMEOUT_MULTISHOT;
	case OP_SEND_ZC:
	case OP_SENDMSG_ZC:
	case OP_READ_MULTISHOT:
	case OP_RECV_ZC: return true;
	}
	return false;
}

/* The number of the call that submits the request. Where no call has a record, the number would be of no use. */
static __always_inline void take_call(struct ifl_uring_entry *entry)
{
	struct ifl_call_entry *call;

	if (!(config.calls_wanted & (1u << IFL_IO_URING_ENTER)))
		return;
	call = current_call();
	if (!call || call->call.syscall != IFL_IO_URING_ENTER)
		return;
	entry->full = 1;
	entry->request.call_id = call->call.call_id;
}

static __always_inline void take_submitter(struct ifl_uring_entry *entry, struct ifl_ring_entry *ring)
{
	struct ifl_uring_request *request = &entry->request;

	if (ring->ring.setup_flags & RING_SETUP_SQPOLL) {
		entry->full = 1;
		request->tid = 0;
		request->flags |= IFL_UREQ_SQPOLL;
		request->sq_thread = (__u32)current_ids();
		request->pid = ring->ring.pid;
		request->uid = ring->ring.uid;
		request->cgroup_id = ring->ring.cgroup_id;
		__builtin_memcpy(request->comm, ring->ring.comm, sizeof(request->comm));
	} else {
		struct task_struct *task = bpf_get_current_task_btf();

		request->pid = process_id_of_known(task);
		request->tid = config.pid_ns ? thread_id_of(task) : (__u32)task->pid;
		request->uid = task->cred->uid.val;
		request->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
		take_own_comm(request->comm, task);
		take_call(entry);
	}
}

/* The kernel's own copy of what a read or write works on. */
static __always_inline void take_rw(struct ifl_uring_request *request, struct io_kiocb *req)
{
	struct io_rw *rw = (void *)req;

	/* A union of plain bytes to the verifier: read with a helper. */
	request->k_offset = READ(rw, kiocb.ki_pos);
	request->k_address = READ(rw, addr);
	request->k_length = READ(rw, len);
	request->flags |= IFL_UREQ_KERNEL_RW;
}

static __always_inline bool works_on_no_file(__u8 opcode)
{
	return op_is(opcode, IFL_OP_NO_FILE);
}

static __always_inline bool has_fd_in_sqe_only(__u8 opcode)
{
	return op_is(opcode, IFL_OP_NO_FILE | IFL_OP_OWN_FD);
}

/* file_of_fd() of the current task. */
static __always_inline struct file *own_file(__u32 fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = NULL;
	struct fdtable *table;

	table = task->files->fdt;
	if (fd < table->max_fds)
		copy_kernel(&file, table->fd + fd, sizeof(file));
	return file;
}

static __always_inline void take_file(struct ifl_uring_entry *entry, struct io_ring_ctx *ctx, __u64 now)
{
	struct ifl_uring_request *request = &entry->request;
	struct file *file;

	entry->file = 0;
	if (works_on_no_file(request->opcode) || request->fd < 0)
		return;
	/* A close of a registered slot has no descriptor. */
	if (request->opcode == OP_CLOSE && ((struct uring_sqe *)request->sqe)->splice_fd_in)
		return;
	if (request->flags & IFL_UREQ_FIXED_FILE)
		file = fixed_file(ctx, request->fd);
	else
		file = own_file(request->fd);
	entry->file = (__u64)file;
	request->file_id = cached_file_id(file, now);
}

static __always_inline void fill_entry(struct ifl_uring_entry *entry, struct ifl_ring_entry *ring,
				       struct io_ring_ctx *ctx, struct io_kiocb *req, __u64 now)
{
	struct ifl_uring_request *request = &entry->request;
	__u32 sqe_flags = req->flags;

	if (entry->full) {
		__builtin_memset(&request->defer_ns, 0, sizeof(*request) - IFL_UREQ_BRIEF_BYTES);
		entry->full = 0;
	}
	request->request_id = next_uring_id();
	request->req = (__u64)req;
	request->ring = (__u64)ctx;
	request->context_id = ring->ring.context_id;
	request->user_data = req->cqe.user_data;
	request->fd = req->cqe.fd;
	request->opcode = req->opcode;
	request->sqe_flags = sqe_flags;
	request->submit_ns = now;
	request->complete_ns = 0;
	request->task_work_ns = 0;
	request->file_id = 0;
	request->k_offset = 0;
	request->k_address = 0;
	request->k_length = 0;
	request->result = 0;
	request->cqe_flags = 0;
	request->cq_tail = 0;
	request->cq_head = 0;
	request->completer_pid = 0;
	request->completer_tid = 0;
	request->flags = sqe_flags & SQE_FIXED_FILE ? IFL_UREQ_FIXED_FILE : 0;
	request->task_works = 0;
	request->cqes = 0;
	request->details = 0;
	request->batch = ctx->submit_state.submit_nr;
	if (is_driven(ctx)) {
		request->flags |= IFL_UREQ_DRIVEN;
		ring->ring.flags |= IFL_RING_DRIVEN;
	}
	if (sqe_flags & SQE_CQE_SKIP_SUCCESS)
		ring->skipping = 1;
	take_submitter(entry, ring);
}

static __always_inline __u64 ended_of(const struct ifl_ring_entry *ring)
{
	return ring->completed - ring->completed_unknown + ring->completed_elsewhere;
}

/* A ring's submissions come one after the other: its uring_lock is held. */
static __always_inline void account_ring_submission(struct ifl_ring_entry *ring)
{
	__u64 ended = ended_of(ring);
	__u64 submitted = ++ring->ring.submitted;

	if (submitted > ended && submitted - ended > ring->ring.in_flight_max)
		ring->ring.in_flight_max = submitted - ended;
}

/* Where functions of the kernel can be hooked: a worker of io-wq takes the request that `work` is part of. */
static __always_inline void note_worker(void *work)
{
	struct ifl_uring_entry *entry = open_entry_of(work - bpf_core_field_offset(struct io_kiocb, work));

	if (!entry)
		return;
	entry->full = 1;
	entry->request.worker_tid = (__u32)current_ids();
	if (!entry->request.worker_ns)
		entry->request.worker_ns = bpf_ktime_get_ns();
}

/* The same: nobody has the ring open or mapped any more. */
static __always_inline void note_ring_closed(struct io_ring_ctx *ctx)
{
	struct ifl_ring_entry *ring = ring_of(ctx);
	__u64 now;

	if (!ring || ring->closed)
		return;
	now = bpf_ktime_get_ns();
	close_ring(ring, now);
	count_ring(&ring->ring, ctx);
	if (ring->wanted)
		write_ring(ring, IFL_CONTEXT_DESTROYED, now);
}

/* An entry for `req`, which begins now, to be filled in and set open; NULL if nobody wants to see it. */
static __always_inline struct ifl_uring_entry *begin_uring_request(struct io_kiocb *req, struct ifl_ring_entry *ring,
								   __u64 now, __u32 user)
{
	bool by_thread = ring->ring.setup_flags & RING_SETUP_SQPOLL;
	bool let_through = by_thread ? ring->wanted : ring->made_by_named || wanted_current();
	struct ifl_uring_entry *entry;
	__u32 was = IFL_UENTRY_FREE;

	if (!let_through && !ring->wanted)
		return NULL;
	entry = make_entry((__u64)plain(req, user), &was);
	if (!entry) {
		/* No room. Its end will be seen, and must not be told: it is counted here. */
		if (let_through) {
			COUNT(requests_untracked);
			__sync_fetch_and_add(&ring->untracked, 1);
		}
		return NULL;
	}
	/* Its memory is given to another: it has ended. What a walk has found may have ended before. */
	if (was == IFL_UENTRY_OPEN && !ifl_is_unconfirmed(entry))
		end_unseen(entry, ring, now);
	entry->on_free_list = 0;
	entry->request.req = (__u64)req;
	if (!let_through) {
		/* Its CQE is known by that. */
		entry->request.user_data = READ(req, cqe.user_data);
		ifl_set_open(entry, IFL_UENTRY_IGNORED);
		return NULL;
	}
	note_process(current_task(), now);
	if (!ring->wanted) {
		ring->wanted = 1;
		write_ring(ring, IFL_CONTEXT_FOUND, now);
	}
	return entry;
}

#endif
