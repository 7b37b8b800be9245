/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring at its own tracepoints. What is read comes from the request; of the tracepoints' arguments only those are
 * used that are nowhere else, because they changed between kernels.
 */
#include "uring_details.h"

SEC("raw_tp/io_uring_create")
int uring_create(struct bpf_raw_tracepoint_args *ctx)
{
	new_ring((struct io_ring_ctx *)ctx->args[1], current_task(), ctx->args[0], IFL_CONTEXT_CREATED,
		 bpf_ktime_get_ns(), false);
	return 0;
}

static __always_inline void note_submission(struct io_kiocb *req)
{
	__u64 now = bpf_ktime_get_ns();
	struct io_ring_ctx *ctx = req->ctx;
	struct ifl_ring_entry *ring = ring_in_use(plain(ctx, ROOM_OF_SUBMISSION), now);
	struct ifl_uring_request *request;
	struct ifl_uring_entry *entry;
	struct uring_sqe *sqe;

	if (!ring)
		return;
	entry = begin_uring_request(req, ring, now, ROOM_OF_SUBMISSION);
	if (!entry)
		return;
	fill_entry(entry, ring, ctx, req, now);
	ring->ring.cq_head = ctx->rings->cq.head;
	request = &entry->request;
	sqe = (struct uring_sqe *)request->sqe;
	if (!read_sqe(sqe, ctx, ring->ring.setup_flags, request->opcode) || sqe->user_data != request->user_data) {
		request->flags |= IFL_UREQ_SQE_UNREAD;
		__builtin_memset(sqe, 0, sizeof(*sqe));
		if (has_fd_in_sqe_only(request->opcode))
			request->fd = -1;
	} else if (has_fd_in_sqe_only(request->opcode)) {
		request->fd = sqe->fd; /* io_init_req() takes over that of the others only */
	}
	if (op_is(request->opcode, IFL_OP_IO_RW))
		take_rw(request, req);
	take_file(entry, ctx, now);
	account_ring_submission(ring);
	ifl_set_open(entry, IFL_UENTRY_OPEN);
	if (request->flags & IFL_UREQ_SQE_UNREAD)
		return;
	if (!config.without_details)
		add_details(request, req, sqe, now);
	if (has_several_cqes(sqe))
		write_uring_request(entry, IFL_UREQ_ANNOUNCED, now);
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(uring_submit_req, struct io_kiocb *req)
{
	note_submission(req);
	return 0;
}

/* Its name in 6.1. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(uring_submit_sqe, struct io_kiocb *req)
{
	note_submission(req);
	return 0;
}

/* An SQE that was refused when it was read: there is no submission, a CQE follows. */
/* As io_check_restriction() in io_uring/io_uring.c. */
static __always_inline bool is_allowed(struct io_ring_ctx *ctx, const struct uring_sqe *sqe)
{
	struct io_ring_ctx___restricted *restricted = (void *)ctx;
	__u8 required = READ(restricted, restrictions.sqe_flags_required);
	__u8 allowed = READ(restricted, restrictions.sqe_flags_allowed) | required;
	__u64 operations = 0;

	bpf_probe_read_kernel(&operations, sizeof(operations),
			      (void *)ctx +
				  bpf_core_field_offset(struct io_ring_ctx___restricted, restrictions.sqe_op) +
				  (sqe->opcode & 64 ? sizeof(operations) : 0));
	return operations & (1ULL << (sqe->opcode & 63)) && (sqe->flags & required) == required &&
	       !(sqe->flags & ~allowed);
}

/* Who says EACCES when an SQE is read; no other part of io_uring does. */
static __always_inline __u32 who_denied(struct io_ring_ctx *ctx, const struct uring_sqe *sqe)
{
	struct io_ring_ctx___filtered *filtered = (void *)ctx;

	if (!bpf_core_field_exists(((struct io_ring_ctx___restricted *)0)->restrictions.sqe_op))
		return 0;
	if (bpf_core_field_exists(filtered->restrictions.bpf_filters) && READ(filtered, restrictions.bpf_filters) &&
	    (!READ(filtered, restrictions.op_registered) || is_allowed(ctx, sqe)))
		return IFL_UREQ_FILTERED;
	return IFL_UREQ_RESTRICTED;
}

SEC("tp_btf/io_uring_req_failed")
int BPF_PROG(uring_req_failed, const void *sqe_read, struct io_kiocb *req, int error)
{
	__u64 now = bpf_ktime_get_ns();
	struct io_ring_ctx *ring_ctx = req->ctx;
	struct ifl_ring_entry *ring = ring_in_use(plain(ring_ctx, ROOM_OF_REFUSAL), now);
	struct ifl_uring_entry *entry, *head;
	struct ifl_uring_request *request;
	struct uring_sqe *sqe;

	if (!ring)
		return 0;
	entry = begin_uring_request(req, ring, now, ROOM_OF_REFUSAL);
	if (!entry)
		return 0;
	fill_entry(entry, ring, ring_ctx, req, now);
	request = &entry->request;
	sqe = (struct uring_sqe *)request->sqe;
	entry->full = 1;
	request->flags |= IFL_UREQ_PREP_FAILED;
	request->prep_error = error;
	if (bpf_probe_read_kernel(sqe, sizeof(*sqe), sqe_read)) {
		request->flags |= IFL_UREQ_SQE_UNREAD;
	} else {
		/* The kernel had not taken all of it over when it refused. */
		request->opcode = sqe->opcode;
		request->fd = sqe->fd;
		request->user_data = sqe->user_data;
		request->sqe_flags = sqe->flags;
		if (error == -ERRNO_EACCES)
			request->flags |= who_denied(plain(ring_ctx, ROOM_OF_REFUSAL), sqe);
	}
	account_ring_submission(ring);
	ifl_set_open(entry, IFL_UENTRY_OPEN);
	/* The head of a chain ends with it, and no event says why. */
	head = open_entry_of(plain(ring_ctx->submit_state.link.head, ROOM_OF_REFUSAL));
	if (head) {
		request->link_head = head->request.request_id;
		head->full = 1;
		head->request.flags |= IFL_UREQ_LINK_FAILED;
		head->request.failed_by = request->request_id;
	}
	return 0;
}

/* The head is as the last submission or survey saw it: here it would cost two reads. What it says was true earlier. */
static __always_inline void take_cqe_into(struct ifl_uring_request *request, const struct uring_cqe *cqe,
					  struct io_ring_ctx *ctx, const struct ifl_ring *ring)
{
	request->result = cqe->res;
	request->cqe_flags = cqe->flags;
	request->cq_tail = READ(ctx, cached_cq_tail);
	request->cq_head = ring->cq_head;
	if (is_big_cqe(cqe, ring->setup_flags)) {
		request->flags |= IFL_UREQ_BIG_CQE;
		request->big_cqe[0] = cqe->big[0];
		request->big_cqe[1] = cqe->big[1];
	}
}

static __always_inline void take_completer(struct ifl_uring_request *request, struct io_ring_ctx *ctx)
{
	__u64 id = current_ids();
	__u32 flags = own_task_flags();

	request->completer_pid = id >> 32;
	request->completer_tid = (__u32)id;
	/* It is the submitter's for nearly all. */
	if ((__u32)id == request->tid)
		__builtin_memcpy(request->completer_comm, request->comm, sizeof(request->completer_comm));
	else
		bpf_get_current_comm(request->completer_comm, sizeof(request->completer_comm));
	if (flags & TASK_IO_WORKER && !(flags & TASK_KTHREAD) &&
	    !(request->flags & IFL_UREQ_SQPOLL && request->sq_thread == (__u32)id)) {
		request->flags |= IFL_UREQ_BY_WORKER;
		request->worker_tid = (__u32)id;
	}
	if (request->result >= 0)
		return;
	if (flags & (TASK_EXITING | TASK_KTHREAD) || own_process_exits())
		request->flags |= IFL_UREQ_TASK_EXITING;
	if (is_dying(ctx))
		request->flags |= IFL_UREQ_RING_DYING;
}

static __always_inline void write_cqe(struct ifl_ring_entry *ring, struct io_ring_ctx *ctx, __u64 req, __u64 request_id,
				      const struct uring_cqe *cqe, __u32 flags, __u64 now)
{
	struct ifl_uring_cqe *record = reserve(IFL_URING_CQE, sizeof(*record), IFL_TIER_TRACEPOINT, now);
	__u64 id = current_ids();

	if (!record)
		return;
	record->request_id = request_id;
	record->req = req;
	record->ring = (__u64)ctx;
	record->context_id = ring->ring.context_id;
	record->user_data = cqe->user_data;
	record->big_cqe[0] = cqe->big[0];
	record->big_cqe[1] = cqe->big[1];
	record->result = cqe->res;
	record->cqe_flags = cqe->flags;
	record->cq_tail = READ(ctx, cached_cq_tail);
	record->cq_head = ring->ring.cq_head;
	record->flags = flags;
	record->completer_pid = id >> 32;
	record->completer_tid = (__u32)id;
	record->reserved = 0;
	submit(record);
}

/* A request that no entry is there for: it was submitted before the hooks, or its submission was not seen. */
static __always_inline void end_unknown(struct ifl_ring_entry *ring, struct io_ring_ctx *ctx, struct io_kiocb *req,
					const struct uring_cqe *cqe, __u64 now)
{
	struct ifl_uring_request *record;

	/* One that the tables had no room for is counted as lost already: it is not told a second time. */
	if (ring->untracked) {
		__sync_fetch_and_add(&ring->untracked, -1);
		ring->completed++;
		return;
	}
	record = reserve(IFL_URING_REQUEST, sizeof(*record), IFL_TIER_TRACEPOINT, now);
	if (!record)
		return;
	__builtin_memset(&record->request_id, 0, sizeof(*record) - sizeof(record->header));
	record->req = (__u64)req;
	record->ring = (__u64)ctx;
	record->context_id = ring->ring.context_id;
	record->request_id = next_id();
	record->user_data = cqe->user_data;
	record->opcode = READ(req, opcode);
	record->sqe_flags = READ(req, flags);
	record->fd = -1;
	record->pid = ring->ring.pid;
	record->uid = ring->ring.uid;
	record->cgroup_id = ring->ring.cgroup_id;
	__builtin_memcpy(record->comm, ring->ring.comm, sizeof(record->comm));
	record->flags = IFL_UREQ_SQE_UNREAD | (ring->ring.created_ns ? IFL_UREQ_UNPAIRED : IFL_UREQ_EXISTED);
	record->complete_ns = now;
	record->state = IFL_UREQ_ENDED;
	take_cqe_into(record, cqe, ctx, &ring->ring);
	take_completer(record, ctx);
	submit(record);
	ring->completed++;
	ring->completed_unknown++;
}

static __always_inline void end_request_with(struct ifl_uring_entry *entry, struct ifl_ring_entry *ring,
					     struct io_ring_ctx *ctx, struct io_kiocb *req, const struct uring_cqe *cqe,
					     __u64 now)
{
	struct ifl_uring_request *request = &entry->request;
	struct file *file = READ(req, file);

	/* Another may take the place once it is free: not before the record is written. */
	ifl_set_open(entry, IFL_UENTRY_BUSY);
	request->complete_ns = now;
	take_cqe_into(request, cqe, ctx, &ring->ring);
	take_completer(request, ctx);
	/* A file that was not there yet at the submission: of a chain that opens it, or of an index filled meanwhile.
	 */
	if (file && (__u64)file != entry->file && !works_on_no_file(request->opcode) &&
	    !(request->flags & IFL_UREQ_PREP_FAILED))
		request->file_id = file_id_of(file, now);
	/* One that was never issued has none. */
	if (request->result >= 0 && op_is(request->opcode, IFL_OP_WRITES) &&
	    READ((struct io_rw *)req, kiocb.ki_flags) & IOCB_APPEND)
		request->flags |= IFL_UREQ_APPENDED;
	if (!config.without_details)
		add_peer(request, now);
	if (request->completer_tid != request->tid || request->flags & (IFL_UREQ_BIG_CQE | IFL_UREQ_BY_WORKER))
		entry->full = 1;
	write_uring_request(entry, IFL_UREQ_ENDED, now);
	ring->completed++;
	if (request->flags & IFL_UREQ_EXISTED)
		ring->completed_unknown++;
	ifl_set_open(entry, IFL_UENTRY_FREE);
}

/* A poll gets another user_data by IORING_POLL_UPDATE_USER_DATA. What it had stands in its SQE. */
static __always_inline bool takes_new_user_data(struct ifl_uring_entry *entry, struct io_ring_ctx *ctx,
						const struct uring_cqe *cqe)
{
	if (entry->open != IFL_UENTRY_OPEN && entry->open != IFL_UENTRY_IGNORED)
		return false;
	if (entry->open == IFL_UENTRY_OPEN &&
	    (entry->request.opcode != OP_POLL_ADD || entry->request.ring != (__u64)ctx))
		return false;
	if (READ((struct io_kiocb *)entry->request.req, opcode) != OP_POLL_ADD)
		return false;
	entry->full = 1;
	entry->request.user_data = cqe->user_data;
	entry->request.flags |= IFL_UREQ_NEW_USER_DATA;
	return true;
}

SEC("raw_tp/io_uring_complete")
int uring_complete(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns(), args[7];
	struct io_ring_ctx *ring_ctx = (struct io_ring_ctx *)ctx->args[0];
	struct io_kiocb *req = (struct io_kiocb *)ctx->args[1];
	struct ifl_ring_entry *ring = ring_in_use(ring_ctx, now);
	struct ifl_uring_entry *entry;
	struct uring_cqe cqe = {};
	__u32 flags = 0;

	if (!ring)
		return 0;
	args[2] = ctx->args[2];
	if (!config.cqe_by_pointer) {
		args[3] = ctx->args[3];
		args[4] = ctx->args[4];
		args[5] = ctx->args[5];
		args[6] = ctx->args[6];
	}
	take_cqe(&cqe, args, config.cqe_by_pointer, ring->ring.setup_flags);
	if (is_big_cqe(&cqe, ring->ring.setup_flags))
		flags = IFL_UCQE_BIG;
	ring->cqes++;
	entry = req ? entry_of(req) : NULL;
	if (entry && entry->request.user_data != cqe.user_data && !takes_new_user_data(entry, ring_ctx, &cqe))
		entry = NULL;
	if (!entry || entry->open == IFL_UENTRY_FREE || entry->open == IFL_UENTRY_BUSY) {
		if (!ring->wanted)
			return 0;
		if (!req || cqe.flags & CQE_F_NOTIF)
			write_cqe(ring, ring_ctx, (__u64)req, 0, &cqe, flags, now);
		else
			end_unknown(ring, ring_ctx, req, &cqe, now);
		if (req && !(cqe.flags & CQE_F_MORE))
			contest_entry((__u64)req);
		return 0;
	}
	if (entry->open == IFL_UENTRY_IGNORED) {
		if (!(cqe.flags & CQE_F_MORE))
			entry->open = IFL_UENTRY_FREE;
		return 0;
	}
	if (cqe.flags & CQE_F_MORE && !op_is(entry->request.opcode, IFL_OP_ZERO_COPY)) {
		entry->request.cqes++;
		write_cqe(ring, ring_ctx, (__u64)req, entry->request.request_id, &cqe, flags, now);
		return 0;
	}
	end_request_with(entry, ring, ring_ctx, req, &cqe, now);
	return 0;
}

/* There is no other event for this CQE. The request is not told. */
SEC("raw_tp/io_uring_cqe_overflow")
int uring_cqe_overflow(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct io_ring_ctx *ring_ctx = (struct io_ring_ctx *)ctx->args[0];
	struct ifl_ring_entry *ring = ring_in_use(ring_ctx, now);
	struct uring_cqe cqe = {.user_data = ctx->args[1], .res = ctx->args[2], .flags = ctx->args[3]};
	__u32 flags = IFL_UCQE_OVERFLOWED | (ctx->args[4] ? 0 : IFL_UCQE_DROPPED);

	if (!ring)
		return 0;
	__sync_fetch_and_add(&ring->ring.overflowed, 1);
	if (!ctx->args[4])
		__sync_fetch_and_add(&ring->ring.cq_overflow, 1);
	/* Tags of files and buffers, and messages of other rings, end no request; here there is none that could end. */
	if (ring->ring.created_ns && ring->ring.submitted <= ended_of(ring)) {
		__sync_fetch_and_add(&ring->ring.overflowed_others, 1);
		flags |= IFL_UCQE_OF_NO_REQUEST;
	} else if (!(cqe.flags & CQE_F_MORE)) {
		__sync_fetch_and_add(&ring->unseen_ends, 1);
		__sync_fetch_and_add(&ring->completed_elsewhere, 1);
	}
	if (ring->wanted)
		write_cqe(ring, ring_ctx, 0, 0, &cqe, flags, now);
	return 0;
}

SEC("raw_tp/io_uring_queue_async_work")
int uring_punt(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_uring_entry *entry = open_entry_of((void *)ctx->args[0]);

	if (!entry)
		return 0;
	entry->full = 1;
	entry->request.punts++;
	if (!entry->request.punt_ns)
		entry->request.punt_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/io_uring_poll_arm")
int uring_poll_arm(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_uring_entry *entry = open_entry_of((void *)ctx->args[0]);

	if (!entry)
		return 0;
	entry->full = 1;
	entry->request.arms++;
	if (!entry->request.arm_ns)
		entry->request.arm_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/io_uring_task_add")
int uring_task_add(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_uring_entry *entry = open_entry_of((void *)ctx->args[0]);

	if (!entry)
		return 0;
	entry->request.task_works++;
	entry->request.task_work_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/io_uring_defer")
int uring_defer(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_uring_entry *entry = open_entry_of((void *)ctx->args[0]);

	if (!entry || entry->request.defer_ns)
		return 0;
	entry->full = 1;
	entry->request.defer_ns = bpf_ktime_get_ns();
	return 0;
}

/* The second argument is the request before it in the chain. */
SEC("raw_tp/io_uring_link")
int uring_link(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_uring_entry *entry = open_entry_of((void *)ctx->args[0]);
	struct ifl_uring_entry *before = open_entry_of((void *)ctx->args[1]);

	if (!entry || !before)
		return 0;
	entry->full = 1;
	entry->request.link_head = before->request.link_head ? before->request.link_head : before->request.request_id;
	return 0;
}

SEC("raw_tp/io_uring_fail_link")
int uring_fail_link(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_uring_entry *failed = open_entry_of((void *)ctx->args[0]);
	struct ifl_uring_entry *entry = open_entry_of((void *)ctx->args[1]);

	if (!entry)
		return 0;
	entry->request.flags |= IFL_UREQ_LINK_FAILED;
	if (failed) {
		entry->full = 1;
		entry->request.failed_by = failed->request.request_id;
	}
	return 0;
}
