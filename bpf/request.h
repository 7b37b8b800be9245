/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a request: an attempt while io_submit works on its iocb, then an entry of `requests`, then a record.
 * The hooks of every tier end in these functions.
 */
#ifndef INFLIGHT_BPF_REQUEST_H
#define INFLIGHT_BPF_REQUEST_H

#include "context.h"
#include "slots.h"
#include "threads.h"

static __always_inline void take_iocb(struct ifl_request *request, const struct iocb *iocb)
{
	request->user_data = iocb->aio_data;
	request->buffer = iocb->aio_buf;
	request->length = iocb->aio_nbytes;
	request->offset = iocb->aio_offset;
	request->fd = iocb->aio_fildes;
	request->resfd = iocb->aio_resfd;
	request->rw_flags = iocb->aio_rw_flags;
	request->aio_flags = iocb->aio_flags;
	request->opcode = iocb->aio_lio_opcode;
	request->ioprio = iocb->aio_reqprio;
}

static __always_inline void account_attempt(struct ifl_call_entry *call)
{
	struct ifl_context_entry *context = context_of(call->attempt.request.kioctx);

	call->in_flight_seen = context ? __sync_fetch_and_add(&context->in_flight, 1) + 1 : 0;
}

static __always_inline void account_accepted(struct ifl_call_entry *call)
{
	struct ifl_context_entry *context = context_of(call->attempt.request.kioctx);

	call->call.accepted++;
	if (!context)
		return;
	__sync_fetch_and_add(&context->submitted, 1);
	/* Two submitters may both raise it at once; the later store of the smaller one is raised again next time. */
	if (call->in_flight_seen > context->in_flight_max)
		context->in_flight_max = call->in_flight_seen;
}

static __always_inline void account_rejected(struct ifl_call_entry *call)
{
	struct ifl_context_entry *context = context_of(call->attempt.request.kioctx);

	if (context && call->in_flight_seen)
		__sync_fetch_and_add(&context->in_flight, -1);
}

static __always_inline void account_end(__u64 kioctx, __u64 context_id)
{
	struct ifl_context_entry *context = context_of(kioctx);

	if (!context || context->context_id != context_id)
		return;
	if (context->in_flight)
		__sync_fetch_and_add(&context->in_flight, -1);
	__sync_fetch_and_add(&context->completed, 1);
}

/* io_submit begins to work on the iocb at `address`; `kiocb` is 0 where the tier cannot know it yet. */
static __always_inline void begin_attempt(struct ifl_call_entry *call, __u64 kioctx, __u64 address, __u64 kiocb,
					  __u8 tier)
{
	struct ifl_request *request = &call->attempt.request;
	struct task_struct *task = current_task();
	struct iocb iocb;
	__u64 now = bpf_ktime_get_ns();

	request->header.tier = tier;
	request->header.time_ns = now;
	request->kiocb = kiocb;
	request->kioctx = kioctx;
	request->context_id = kioctx == call->call.kioctx ? call->call.context_id
							  : context_id_of(task, (struct kioctx *)kioctx, tier, now);
	request->ctx_id = call->call.ctx_id;
	request->iocb = address;
	request->submit_ns = now;
	request->call_id = call->call.call_id;
	request->cgroup_id = call->call.task.cgroup_id;
	request->pid = call->call.task.pid;
	request->tid = call->call.task.tid;
	request->uid = call->call.task.uid;
	request->flags = call->call.abi == IFL_ABI_X86_64 ? 0 : IFL_REQ_COMPAT;
	request->file_id = 0;
	__builtin_memcpy(request->comm, call->call.task.comm, sizeof(request->comm));
	call->attempt.file = 0;
	call->attempt.taken = IFL_ENTRY_IN_FLIGHT;
	if (bpf_probe_read_user(&iocb, sizeof(iocb), (void *)address))
		request->flags |= IFL_REQ_IOCB_UNREAD | IFL_REQ_OP_UNKNOWN;
	else
		take_iocb(request, &iocb);
	call->attempt_open = 1;
	call->attempt_bound = 0;
	call->attempt_unbound = 0;
	call->held_full = 0;
	account_attempt(call);
}

/* Most requests are for the file of the one before. */
static __always_inline void name_file(struct ifl_call_entry *call, struct file *file)
{
	__u64 dentry = (__u64)READ(file, f_path.dentry), inode = READ(file, f_inode, i_ino);
	__u64 operations = (__u64)READ(file, f_op);

	call->attempt.file = (__u64)file;
	if (call->last_file != (__u64)file || call->last_dentry != dentry || call->last_inode != inode ||
	    call->last_operations != operations || !call->last_file_id) {
		call->last_file = (__u64)file;
		call->last_dentry = dentry;
		call->last_inode = inode;
		call->last_operations = operations;
		call->last_file_id = file_id_of(file, call->attempt.request.submit_ns);
	}
	call->attempt.request.file_id = call->last_file_id;
}

/* What only the completed struct aio_kiocb tells. */
static __always_inline void take_completion(struct ifl_request *request, struct aio_kiocb *kiocb, __u64 now, bool exact)
{
	struct kioctx *kioctx = READ(kiocb, ki_ctx);
	__u64 completer = current_ids();

	request->header.time_ns = now;
	request->complete_ns = now;
	request->user_data = READ(kiocb, ki_res.data);
	request->result = READ(kiocb, ki_res.res);
	request->result2 = READ(kiocb, ki_res.res2);
	request->state = IFL_REQUEST_COMPLETED;
	request->completer_pid = completer >> 32;
	request->completer_tid = (__u32)completer;
	if (exact)
		request->flags |= IFL_REQ_EXACT_END;
	if (READ(kioctx, dead.counter))
		request->flags |= IFL_REQ_CONTEXT_DEAD;
	if (request->flags & IFL_REQ_OP_UNKNOWN)
		return;
	if (request->opcode == IOCB_CMD_POLL && READ(kiocb, poll.cancelled))
		request->flags |= IFL_REQ_POLL_CANCELLED;
	if ((request->opcode == IOCB_CMD_PWRITE || request->opcode == IOCB_CMD_PWRITEV) &&
	    READ(kiocb, rw.ki_flags) & IOCB_APPEND)
		request->flags |= IFL_REQ_APPENDED;
}

static __always_inline void write_request(const struct ifl_request *request, __u8 tier)
{
	struct ifl_request *record = reserve(IFL_REQUEST, sizeof(*record), tier, request->header.time_ns);

	if (!record)
		return;
	__builtin_memcpy(&record->kiocb, &request->kiocb, sizeof(*record) - sizeof(record->header));
	submit(record);
}

/* A request of a context that we watch, whose submission we did not see. */
static __always_inline void write_unseen(struct aio_kiocb *kiocb, __u64 kioctx, struct ifl_context_entry *context,
					 __u8 tier, __u64 now, bool exact)
{
	__u64 complete = (__u64)READ(kiocb, rw.ki_complete);
	__u64 cancel = (__u64)READ(kiocb, ki_cancel);
	struct ifl_request *record = reserve(IFL_REQUEST, sizeof(*record), tier, now);

	if (!record)
		return;
	__builtin_memset(&record->kiocb, 0, sizeof(*record) - sizeof(record->header));
	record->kiocb = (__u64)kiocb;
	record->kioctx = kioctx;
	record->context_id = context->context_id;
	record->ctx_id = context->ctx_id;
	record->iocb = READ(kiocb, ki_res.obj);
	record->user_data = READ(kiocb, ki_res.data);
	record->cgroup_id = context->cgroup_id;
	record->pid = context->pid;
	record->uid = context->uid;
	record->fd = -1;
	__builtin_memcpy(record->comm, context->comm, sizeof(record->comm));
	record->flags = IFL_REQ_IOCB_UNREAD;
	if (context->untracked) {
		/* Its end is reported, so it is no longer lost; what its submission would have shown is missing. */
		__sync_fetch_and_add(&context->untracked, -1);
		uncount_untracked();
	} else {
		record->flags |= context->created_ns ? IFL_REQ_UNPAIRED : IFL_REQ_EXISTED;
	}
	if (config.poll_cancel_address && cancel == config.poll_cancel_address)
		record->opcode = IOCB_CMD_POLL;
	else if (config.rw_complete_address && complete == config.rw_complete_address)
		record->opcode = READ(kiocb, rw.ki_flags) & IOCB_WRITE ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
	else
		record->flags |= IFL_REQ_OP_UNKNOWN;
	take_completion(record, kiocb, now, exact);
	submit(record);
}

/* No hook saw this request end, but its memory has been given to another one. */
static __always_inline void end_unseen_request(struct ifl_request_entry *entry, __u64 kiocb, __u8 tier)
{
	if (!take(entry))
		return;
	entry->request.flags |= IFL_REQ_END_UNSEEN;
	entry->request.state = IFL_REQUEST_COMPLETED;
	entry->request.complete_ns = bpf_ktime_get_ns();
	entry->request.header.time_ns = entry->request.complete_ns;
	write_request(&entry->request, tier);
	account_end(entry->request.kioctx, entry->request.context_id);
	remove_request(entry, kiocb);
}

/* From now on the request is known by its struct aio_kiocb. */
static __always_inline void bind_attempt(struct ifl_call_entry *call, __u64 kiocb)
{
	struct ifl_request_entry *left = find_request(kiocb);

	if (left)
		end_unseen_request(left, kiocb, call->attempt.request.header.tier);
	call->attempt.request.kiocb = kiocb;
	call->attempt_bound = 1;
	if (!put_request(kiocb, &call->attempt))
		count_untracked(call->attempt.request.kioctx, 1);
}

static __always_inline void end_tracked(struct ifl_request_entry *entry, struct aio_kiocb *kiocb, __u8 tier, __u64 now)
{
	__u64 address = (__u64)kiocb;
	struct ifl_call_entry *call;

	if (!take(entry))
		return;
	take_completion(&entry->request, kiocb, now, true);
	call = current_call();
	if (call && call->attempt_open && call->attempt.request.kiocb == address)
		entry->request.flags |= IFL_REQ_SYNC;
	write_request(&entry->request, tier);
	account_end(entry->request.kioctx, entry->request.context_id);
	remove_request(entry, address);
}

/*
 * For the further programs at aio_complete: the kernel skips one that would interrupt itself, and another sees it then.
 * What the table does not know is the first one's to judge.
 */
static __always_inline void end_request_again(struct aio_kiocb *kiocb, __u8 tier)
{
	__u64 address = (__u64)kiocb;
	struct ifl_request_entry *entry = find_request(address);

	if (entry)
		end_tracked(entry, kiocb, tier, bpf_ktime_get_ns());
}

/* aio_complete: the result is there, the request is about to go. */
static __always_inline void end_request(struct aio_kiocb *kiocb, __u8 tier)
{
	__u64 address = (__u64)kiocb, now = bpf_ktime_get_ns();
	struct ifl_request_entry *entry = find_request(address);
	struct ifl_unbound_key key = {};
	struct ifl_context_entry *context;
	struct ifl_call_entry *call;

	if (entry) {
		end_tracked(entry, kiocb, tier, now);
		return;
	}
	key.kioctx = (__u64)READ(kiocb, ki_ctx);
	context = context_of(key.kioctx);
	if (!context)
		return;
	key.iocb = READ(kiocb, ki_res.obj);
	call = current_call();
	if (call && call->attempt_open && !call->attempt_bound && call->attempt.request.iocb == key.iocb &&
	    call->attempt.request.kioctx == key.kioctx) {
		call->attempt_bound = 1;
		call->attempt.request.kiocb = address;
		call->attempt.request.flags |= IFL_REQ_SYNC;
		name_file(call, READ(kiocb, ki_filp));
		take_completion(&call->attempt.request, kiocb, now, true);
		write_request(&call->attempt.request, tier);
		account_end(key.kioctx, call->attempt.request.context_id);
		return;
	}
	entry = bpf_map_lookup_elem(&unbound, &key);
	if (entry && take(entry)) {
		entry->request.kiocb = address;
		take_completion(&entry->request, kiocb, now, true);
		write_request(&entry->request, tier);
		account_end(key.kioctx, entry->request.context_id);
		bpf_map_delete_elem(&unbound, &key);
		return;
	}
	contest_request(address);
	write_unseen(kiocb, key.kioctx, context, tier, now, true);
}

#endif
