/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring's requests counted where they begin and end. On the way of each request there are two programs, each with
 * one look at the clock; the others run when something rarer happens.
 */
#include "stat.h"

#define SQE_FLAGS_SKIP SQE_CQE_SKIP_SUCCESS /* the first bits of io_kiocb.flags are those of the SQE */
#define RING_FD_UNKNOWN (~0ULL)

static __always_inline __u32 uring_row_of_op(__u8 op)
{
	return IFL_OP_ROW(op);
}

static __always_inline __u32 row_at_begin(__u8 op, __u64 ctx, struct task_struct *task, struct remembered *mine)
{
	struct ifl_stat_key key = {};

	if (stat_config.by == IFL_STAT_BY_OP)
		return uring_row_of_op(op);
	if (stat_config.by == IFL_STAT_BY_FILE || stat_config.by == IFL_STAT_BY_OUTCOME)
		return IFL_STAT_ROW_LATE;
	submitter_key(&key, task, ctx, 0);
	return remembered_row(&key, mine, task, RING_FD_UNKNOWN);
}

static __always_inline void note_submission(struct io_kiocb *req)
{
	struct remembered *mine = remembered();
	struct ifl_stat_slot begun = {};
	struct task_struct *task = NULL;
	__u64 id, ring = 0;

	if (!mine)
		return;
	id = number_of(req, mine);
	begun.op = req->opcode;
	begun.pid = current_ids() >> 32;
	if (stat_config.filtered || stat_config.by != IFL_STAT_BY_OP)
		task = submitter();
	if (!ifl_has_op(&stat_config.uring_ops_wanted, begun.op) ||
	    (stat_config.filtered && !stat_wanted(task, mine) && !maker_wanted(READ(req, ctx)))) {
		begin_unwanted(id, 0);
		return;
	}
	if (stat_config.by == IFL_STAT_BY_CONTEXT)
		ring = number_of(req->ctx, mine);
	begun.row = row_at_begin(begun.op, ring, task, mine);
	if (req->flags & SQE_FLAGS_SKIP)
		begun.flags = IFL_STAT_SLOT_SKIP;
	begun.start_ns = bpf_ktime_get_ns();
	begin_request(id, &begun, 0);
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(stat_submit_req, struct io_kiocb *req)
{
	note_submission(req);
	return 0;
}

/* Its name in 6.1. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(stat_submit_sqe, struct io_kiocb *req)
{
	note_submission(req);
	return 0;
}

/* An SQE that was refused when it was read: there is no submission, a CQE follows. */
SEC("raw_tp/io_uring_req_failed")
int stat_req_failed(struct bpf_raw_tracepoint_args *ctx)
{
	struct uring_sqe *sqe = (struct uring_sqe *)ctx->args[0];
	struct task_struct *task = submitter();
	struct ifl_stat_slot begun = {};
	struct ifl_stat_key key = {};
	__u64 id = ctx->args[1];
	bool fresh;

	/* The kernel had not taken it over when it refused. */
	bpf_probe_read_kernel(&begun.op, sizeof(begun.op), &sqe->opcode);
	if (!ifl_has_op(&stat_config.uring_ops_wanted, begun.op) ||
	    (stat_config.filtered && !wanted_anew(task) && !maker_wanted(READ((struct io_kiocb *)id, ctx)))) {
		begin_unwanted(id, 0);
		return 0;
	}
	begun.row = IFL_STAT_ROW_LATE;
	begun.pid = current_ids() >> 32;
	if (stat_config.by == IFL_STAT_BY_OP) {
		begun.row = uring_row_of_op(begun.op);
	} else if (stat_config.by != IFL_STAT_BY_FILE && stat_config.by != IFL_STAT_BY_OUTCOME) {
		submitter_key(&key, task, (__u64)READ((struct io_kiocb *)id, ctx), 0);
		begun.row = row_of_key(&key, &fresh);
		if (fresh)
			label_row(begun.row, &key, task, RING_FD_UNKNOWN);
	}
	begun.start_ns = bpf_ktime_get_ns();
	begin_request(id, &begun, 0);
	return 0;
}

static __always_inline __u32 outcome_of(int result)
{
	if (result >= 0)
		return IFL_STAT_COMPLETED;
	return result == -ERRNO_ECANCELED ? IFL_STAT_CANCELLED : IFL_STAT_FAILED;
}

static __always_inline __u32 uring_row_at_end(__u32 row, __u32 outcome, __u64 req)
{
	if (stat_config.by == IFL_STAT_BY_OUTCOME)
		return outcome;
	if (stat_config.by == IFL_STAT_BY_FILE)
		return row_of_file(0, READ((struct io_kiocb *)req, file));
	return row;
}

/* Its submission was before the hooks, or was not seen. With a filter nobody knows whose it was. */
static __always_inline void count_unmatched(__u64 req, int result)
{
	struct ended ended = {.outcome = outcome_of(result)};
	__u8 op;

	if (stat_config.filtered)
		return;
	op = READ((struct io_kiocb *)req, opcode);
	if (!ifl_has_op(&stat_config.uring_ops_wanted, op))
		return;
	if (take_excess(0))
		return;
	STAT_COUNT(unmatched);
	if (result > 0 && ifl_has_op(&stat_config.uring_ops_with_bytes, op))
		ended.bytes = result;
	ended.row = stat_config.by == IFL_STAT_BY_OP ? uring_row_of_op(op) : row_of_unknown(0);
	ended.row = uring_row_at_end(ended.row, ended.outcome, req);
	count_ended_alone(&ended);
}

static __always_inline void count_cancel_op(__u8 op, int result)
{
	if (op == 7)
		count_cancel(IFL_STAT_POLL_REMOVE, result);
	else if (op == 12)
		count_cancel(IFL_STAT_TIMEOUT_REMOVE, result);
	else
		count_cancel(IFL_STAT_ASYNC_CANCEL, result);
}

/* A CQE that is not the last of its request: its bytes count, the request goes on. */
static __always_inline void count_more(__u32 row, __u64 req, int result, bool with_bytes)
{
	struct ifl_stat_row *counters;

	counters = row_of(IFL_STAT_LANE_COMPLETE, uring_row_at_end(row, outcome_of(result), req));
	if (!counters)
		return;
	counters->more++;
	if (result > 0 && with_bytes)
		counters->bytes += result;
}

SEC("tp_btf/io_uring_complete")
int stat_complete(unsigned long long *ctx)
{
	__u64 id = ctx[1];
	bool with_bytes;
	struct ifl_stat_slot *slot;
	struct ended ended = {};
	__u32 flags;
	int result;
	__u8 op;

	if (stat_config.cqe_by_pointer) {
		struct uring_cqe *cqe = (struct uring_cqe *)ctx[2];

		result = cqe->res;
		flags = cqe->flags;
	} else {
		result = (int)ctx[3];
		flags = ctx[4];
	}
	if (flags & (CQE_F_MORE | CQE_F_NOTIF)) {
		if (flags & CQE_F_NOTIF) {
			STAT_COUNT(notifications);
			return 0;
		}
		if (!id) {
			STAT_COUNT(more_unknown);
			return 0;
		}
	}
	/* A message from another ring, or the CQE of a request that is over. */
	if (!id)
		return 0;
	slot = find_request(id, 0);
	if (!slot) {
		if (!(flags & CQE_F_MORE))
			count_unmatched(id, result);
		return 0;
	}
	op = slot->op;
	with_bytes = ifl_has_op(&stat_config.uring_ops_with_bytes, op);
	if (flags & CQE_F_MORE && !op_is(op, IFL_OP_ZERO_COPY)) {
		count_more(slot->row, id, result, with_bytes);
		return 0;
	}
	ended.latency_ns = bpf_ktime_get_ns() - slot->start_ns;
	ended.timed = true;
	ended.outcome = outcome_of(result);
	ended.row = slot->row;
	end_request_alone(id, slot);
	if (result > 0 && with_bytes)
		ended.bytes = result;
	if (op_is(op, IFL_OP_CANCELS))
		count_cancel_op(op, result);
	ended.row = uring_row_at_end(ended.row, ended.outcome, id);
	count_ended_alone(&ended);
	return 0;
}

/* There is no other event for this CQE, and it names no request: which one it was shows when its memory is used again.
 */
SEC("raw_tp/io_uring_cqe_overflow")
int stat_cqe_overflow(struct bpf_raw_tracepoint_args *ctx)
{
	if (!(ctx->args[3] & (CQE_F_MORE | CQE_F_NOTIF)))
		STAT_COUNT(overflowed);
	return 0;
}

/* (ctx, opcode, nr_files, nr_bufs, ret) */
SEC("raw_tp/io_uring_register")
int stat_register(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] == REGISTER_SYNC_CANCEL &&
	    (!stat_config.filtered || wanted_anew(submitter()) || maker_wanted((void *)ctx->args[0])))
		count_cancel(IFL_STAT_SYNC_CANCEL, ctx->args[4]);
	return 0;
}

/* For `--by context`: a new ring may stand where an older one was. */
SEC("raw_tp/io_uring_create")
int stat_create(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_stat_key key = {.words = {ctx->args[1], 0}};
	struct task_struct *task = submitter();
	bool fresh;
	__u32 row;

	bpf_map_delete_elem(&stat_keys, &key);
	STAT_COUNT(contexts_changed);
	if (stat_config.filtered && !wanted_anew(task))
		return 0;
	row = row_of_key(&key, &fresh);
	if (fresh)
		label_row(row, &key, task, (int)ctx->args[0]);
	return 0;
}

/* Children of a process that is counted are counted; the dead give their number back. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(stat_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_pid = process_id_of_known(parent), child_pid = process_id_of_known(child);
	__u8 one = 1;

	if (parent_pid == child_pid || !bpf_map_lookup_elem(&pids, &parent_pid))
		return 0;
	bpf_map_update_elem(&pids, &child_pid, &one, BPF_ANY);
	STAT_COUNT(pids_changed);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(stat_exit, struct task_struct *task)
{
	__u32 pid = process_id_of_known(task);

	if (task->signal->live.counter == 0 && !bpf_map_delete_elem(&pids, &pid))
		STAT_COUNT(pids_changed);
	return 0;
}
