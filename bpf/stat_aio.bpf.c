/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel AIO's requests counted where they begin and end, and io_cancel. Where functions can be hooked, a request is
 * known by its context and iocb from io_submit_one to aio_complete; elsewhere by its memory, from the slab and back.
 * No hook stands at the entry of system calls.
 */
#include "stat.h"

#define AIO 1
#define ERRNO_EINVAL 22

/* What kernel.h does not have of struct aio_kiocb. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct work_struct {
	void *func;
};
struct fsync_iocb___work {
	struct work_struct work;
};
struct poll_iocb___work {
	struct work_struct work;
};
struct kioctx___tail {
	unsigned int tail;
};
struct aio_kiocb___work {
	struct fsync_iocb___work fsync;
	struct poll_iocb___work poll;
};
#pragma clang attribute pop

static __always_inline __u32 row_of_op(__u32 op)
{
	return IFL_STAT_AIO_ROWS + (op <= IFL_STAT_AIO_UNKNOWN ? op : IFL_STAT_AIO_UNKNOWN);
}

static __always_inline bool op_wanted(__u32 op)
{
	return stat_config.aio_ops_wanted & (1ULL << (op <= IFL_STAT_AIO_UNKNOWN ? op : IFL_STAT_AIO_UNKNOWN));
}

static __always_inline bool moves_bytes(__u32 op)
{
	return op == IOCB_CMD_PREAD || op == IOCB_CMD_PWRITE || op == IOCB_CMD_PREADV || op == IOCB_CMD_PWRITEV ||
	       op == IFL_STAT_AIO_READ || op == IFL_STAT_AIO_WRITE;
}

/* Submissions of AIO never come from interrupts, but several hooks see them: no remembered keys. */
static __always_inline __u32 row_of_submission(struct task_struct *task, __u64 ctx_id)
{
	struct ifl_stat_key key = {.family = AIO};
	bool fresh;
	__u32 row;

	submitter_key(&key, task, ctx_id, process_id_of_known(task));
	row = row_of_key(&key, &fresh);
	if (fresh)
		label_row(row, &key, task, ctx_id);
	return row;
}

static __always_inline bool known_late(void)
{
	return stat_config.by == IFL_STAT_BY_FILE || stat_config.by == IFL_STAT_BY_OUTCOME;
}

static __always_inline __u32 row_at_end(__u32 row, __u32 op, __u32 outcome, struct aio_kiocb *kiocb)
{
	if (stat_config.by == IFL_STAT_BY_OUTCOME)
		return IFL_STAT_AIO_ROWS + outcome;
	if (stat_config.by == IFL_STAT_BY_FILE)
		return row_of_file(AIO, READ(kiocb, ki_filp));
	if (stat_config.by == IFL_STAT_BY_OP)
		return row_of_op(op);
	return row == IFL_STAT_ROW_LATE ? IFL_STAT_ROW_OTHERS_AIO : row;
}

/* What the request's memory tells of its operation: io_submit_one has not kept the opcode. */
static __always_inline __u32 op_from_memory(struct aio_kiocb *kiocb)
{
	__u64 complete = (__u64)READ(kiocb, rw.ki_complete);

	if (config.rw_complete_address && complete == config.rw_complete_address)
		return READ(kiocb, rw.ki_flags) & IOCB_WRITE ? IFL_STAT_AIO_WRITE : IFL_STAT_AIO_READ;
	if (stat_config.fsync_work_address &&
	    (__u64)READ((struct aio_kiocb___work *)kiocb, fsync.work.func) == stat_config.fsync_work_address)
		return IFL_STAT_AIO_FSYNC;
	if (stat_config.poll_work_address &&
	    (__u64)READ((struct aio_kiocb___work *)kiocb, poll.work.func) == stat_config.poll_work_address)
		return IOCB_CMD_POLL;
	return IFL_STAT_AIO_UNKNOWN;
}

static __always_inline void count_kiocb(struct aio_kiocb *kiocb, __u32 op, __u32 row, __u64 start_ns)
{
	__s64 result = READ(kiocb, ki_res.res);
	struct ended ended = {};

	if (!op_wanted(op))
		return;
	if (result < 0)
		ended.outcome = result == -ERRNO_ECANCELED ? IFL_STAT_CANCELLED : IFL_STAT_FAILED;
	else if (op == IOCB_CMD_POLL && READ(kiocb, poll.cancelled) && !result)
		ended.outcome = IFL_STAT_CANCELLED;
	if (result > 0 && moves_bytes(op))
		ended.bytes = result;
	if (start_ns) {
		ended.latency_ns = bpf_ktime_get_ns() - start_ns;
		ended.timed = true;
	}
	ended.row = row_at_end(row, op, ended.outcome, kiocb);
	count_ended(&ended);
}

/* --- Where functions can be hooked ------------------------------------------------------------------------------ */

/* A typed pointer as a number to calculate with: the verifier wants it to have been in memory. */
static __always_inline __u64 number_from(const void *pointer)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/* A context and an iocb as one number; the lowest bit stays free. */
static __always_inline __u64 id_of_iocb(__u64 kioctx, __u64 iocb)
{
	return (kioctx * 0x9e3779b97f4a7c15ULL ^ iocb << 1) & ~SLOT_OPEN;
}

static __always_inline void submit_one_begins(__u64 kioctx, __u64 iocb)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ifl_stat_slot begun = {.row = IFL_STAT_ROW_LATE}, *slot;
	__u16 op = 0;
	__u64 id;

	if (bpf_probe_read_user(&op, sizeof(op), (void *)(iocb + __builtin_offsetof(struct iocb, aio_lio_opcode))))
		op = IFL_STAT_AIO_UNKNOWN;
	begun.op = op <= IFL_STAT_AIO_UNKNOWN ? op : IFL_STAT_AIO_UNKNOWN;
	if (!op_wanted(begun.op) || (stat_config.filtered && !wanted_anew(task)))
		return;
	if (stat_config.by == IFL_STAT_BY_OP)
		begun.row = row_of_op(begun.op);
	else if (!known_late())
		begun.row = row_of_submission(task, READ((struct kioctx *)kioctx, user_id));
	id = id_of_iocb(kioctx, iocb);
	slot = find_request(id, AIO);
	if (slot) {
		/* Which of them will end when nobody knows: they count, without a latency. */
		slot->flags |= IFL_STAT_SLOT_DOUBLED;
		__sync_fetch_and_add(&slot->mark, 1);
		return;
	}
	begun.flags = IFL_STAT_SLOT_AIO;
	begun.pid = current_ids() >> 32;
	begun.start_ns = bpf_ktime_get_ns();
	begin_request(id, &begun, AIO);
}

/* One of the requests that stand in the slot ends. False: it was none of them, another program has seen its end. */
static __always_inline bool take_one(__u64 id, struct ifl_stat_slot *slot)
{
	__u32 more = slot->mark;

	if (slot->flags & IFL_STAT_SLOT_DOUBLED && more)
		return __sync_val_compare_and_swap(&slot->mark, more, more - 1) == more;
	return take_request(id, slot);
}

static __always_inline void submit_one_ends(__u64 kioctx, __u64 iocb, int error)
{
	__u64 id = id_of_iocb(kioctx, iocb);
	struct ifl_stat_slot *slot;

	if (!error)
		return;
	slot = find_request(id, AIO);
	if (slot && take_one(id, slot))
		STAT_COUNT(refused);
}

/* `first`: of the programs at this function; what it does not find none of them has ended. */
static __always_inline void kiocb_completes(struct aio_kiocb *kiocb, bool first)
{
	__u64 kioctx = (__u64)READ(kiocb, ki_ctx), iocb = READ(kiocb, ki_res.obj), start_ns;
	__u64 id = id_of_iocb(kioctx, iocb);
	struct ifl_stat_slot *slot = find_request(id, AIO);
	__u32 op, row;

	if (!slot) {
		if (first && !take_excess(AIO) && !stat_config.filtered) {
			STAT_COUNT(unmatched);
			count_kiocb(kiocb, op_from_memory(kiocb), IFL_STAT_ROW_LATE, 0);
		}
		return;
	}
	/* Several requests: they cannot be told apart, so only one program may count. */
	if (slot->flags & IFL_STAT_SLOT_DOUBLED && !first)
		return;
	start_ns = slot->flags & IFL_STAT_SLOT_DOUBLED ? 0 : slot->start_ns;
	op = slot->op;
	row = slot->row;
	if (take_one(id, slot))
		count_kiocb(kiocb, op, row, start_ns);
}

SEC("fentry/io_submit_one")
int BPF_PROG(stat_fentry_io_submit_one, struct kioctx *kioctx, struct iocb *iocb)
{
	submit_one_begins(number_from(kioctx), number_from(iocb));
	return 0;
}

SEC("fexit/io_submit_one")
int BPF_PROG(stat_fexit_io_submit_one, struct kioctx *kioctx, struct iocb *iocb, bool compat, int ret)
{
	submit_one_ends(number_from(kioctx), number_from(iocb), ret);
	return 0;
}

/*
 * Three programs that do the same: the kernel skips one that would interrupt itself, and completions come in
 * interrupts. Whoever comes first takes the request.
 */
#define COMPLETE_PROGRAM(n)                                                                                            \
	SEC("fentry/aio_complete") int BPF_PROG(stat_fentry_aio_complete_##n, struct aio_kiocb *kiocb)                 \
	{                                                                                                              \
		kiocb_completes(kiocb, n == 1);                                                                        \
		return 0;                                                                                              \
	}

COMPLETE_PROGRAM(1)
COMPLETE_PROGRAM(2)
COMPLETE_PROGRAM(3)

/*
 * A kretprobe does not have the arguments any more. An entry stands here while its thread is in io_submit_one; of a
 * return that the kretprobe missed it ages out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64); /* pid and tid */
	__type(value, __u64);
} stat_submitting SEC(".maps");

SEC("kprobe")
int stat_kprobe_io_submit_one(struct pt_regs *ctx)
{
	__u64 kioctx = PT_REGS_PARM1(ctx), iocb = PT_REGS_PARM2(ctx), task = bpf_get_current_pid_tgid();
	__u64 id = id_of_iocb(kioctx, iocb);

	submit_one_begins(kioctx, iocb);
	bpf_map_update_elem(&stat_submitting, &task, &id, BPF_ANY);
	return 0;
}

SEC("kretprobe")
int stat_kretprobe_io_submit_one(struct pt_regs *ctx)
{
	__u64 task = bpf_get_current_pid_tgid(), *id;
	struct ifl_stat_slot *slot;

	id = bpf_map_lookup_elem(&stat_submitting, &task);
	if (!id)
		return 0;
	if ((int)PT_REGS_RC(ctx)) {
		slot = find_request(*id, AIO);
		if (slot && take_one(*id, slot))
			STAT_COUNT(refused);
	}
	bpf_map_delete_elem(&stat_submitting, &task);
	return 0;
}

SEC("kprobe")
int stat_kprobe_aio_complete(struct pt_regs *ctx)
{
	kiocb_completes((struct aio_kiocb *)PT_REGS_PARM1(ctx), true);
	return 0;
}

/* --- Where they cannot: the slab -------------------------------------------------------------------------------- */

/* The slab cache of struct aio_kiocb, often merged with others; learnt at the first allocation. */
__u64 stat_kiocb_cache;

/* Places in io_submit_one where memory was freed as it had been taken: a full ring gives it back unused there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u8);
} stat_unused_sites SEC(".maps");

#define KERNEL_HALF 0x1ffff /* the upper bits of an address of the kernel's */

/*
 * Changes when the memory is used for a request that completes: if it is not the context that changes, it is the number
 * of events in that context's ring. In free memory anything may stand there: to read at what is no address at all would
 * raise an exception, which costs more than all the rest.
 */
static __always_inline __u32 mark_of(struct aio_kiocb *kiocb)
{
	struct kioctx___tail *kioctx = (struct kioctx___tail *)READ(kiocb, ki_ctx);
	__u64 address = (__u64)kioctx;

	if (address >> 47 != KERNEL_HALF)
		return address * 31;
	return address * 31 + READ(kioctx, tail);
}

/*
 * The memory is taken for another request, and no hook saw the last one there end: there are kernels that run no
 * program in some interrupts. What it left there still tells how it ended, unless somebody else used the memory
 * meanwhile, who would not have left the address of one of AIO's functions.
 */
static __always_inline void end_unseen(__u64 address, struct ifl_stat_slot *slot)
{
	struct aio_kiocb *kiocb = (struct aio_kiocb *)address;
	__u32 op = op_from_memory(kiocb), row = slot->row;

	if (op == IFL_STAT_AIO_UNKNOWN || READ(kiocb, ki_refcnt.refs.counter))
		return;
	if (take_request(address, slot))
		count_kiocb(kiocb, op, row, 0);
}

SEC("raw_tp/kmem_cache_alloc")
int stat_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	struct ifl_stat_slot begun = {.row = IFL_STAT_ROW_LATE, .op = IFL_STAT_AIO_UNKNOWN}, *left;
	__u64 call_site = ctx->args[0], kiocb = ctx->args[1];
	struct task_struct *task;
	struct pt_regs *regs;

	if (call_site < config.submit_one_start || call_site >= config.submit_one_end)
		return 0;
	stat_kiocb_cache = ctx->args[2];
	left = find_request(kiocb, AIO);
	if (left)
		end_unseen(kiocb, left);
	task = bpf_get_current_task_btf();
	if (stat_config.filtered && !wanted_anew(task)) {
		begin_unwanted(kiocb, AIO);
		return 0;
	}
	if (stat_config.by != IFL_STAT_BY_OP && !known_late()) {
		/* io_submit's first argument; a 32-bit task has it in another register. */
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
		begun.row = row_of_submission(task, in_compat_call(task) ? READ(regs, bx) : READ(regs, di));
	}
	begun.flags = IFL_STAT_SLOT_AIO;
	begun.pid = current_ids() >> 32;
	begun.mark = mark_of((struct aio_kiocb *)kiocb);
	begun.start_ns = bpf_ktime_get_ns();
	begin_request(kiocb, &begun, AIO);
	return 0;
}

/*
 * It goes back inside io_submit_one, its reference count 0: it has completed, or the ring was full and it was never
 * used, which leaves all as it was, also a count of 0. A place in the code is one or the other.
 */
static __always_inline bool was_never_used(struct aio_kiocb *kiocb, __u64 call_site, __u32 mark)
{
	__u8 one = 1;

	if (call_site < config.submit_one_start || call_site >= config.submit_one_end)
		return false;
	if (bpf_map_lookup_elem(&stat_unused_sites, &call_site))
		return true;
	if (mark_of(kiocb) != mark)
		return false;
	bpf_map_update_elem(&stat_unused_sites, &call_site, &one, BPF_ANY);
	return true;
}

static __always_inline void on_free(__u64 call_site, __u64 address, __u64 cache)
{
	struct aio_kiocb *kiocb = (struct aio_kiocb *)address;
	struct ifl_stat_slot *slot;
	__u32 row, mark;
	__u64 start_ns;

	if (cache != stat_kiocb_cache || !cache)
		return;
	slot = find_request(address, AIO);
	if (!slot)
		return;
	start_ns = slot->start_ns;
	mark = slot->mark;
	row = slot->row;
	if (!take_request(address, slot))
		return;
	if (READ(kiocb, ki_refcnt.refs.counter) || was_never_used(kiocb, call_site, mark)) {
		STAT_COUNT(refused);
		return;
	}
	count_kiocb(kiocb, op_from_memory(kiocb), row, start_ns);
}

#define FREE_PROGRAM(n)                                                                                                \
	SEC("raw_tp/kmem_cache_free") int stat_free_##n(struct bpf_raw_tracepoint_args *ctx)                           \
	{                                                                                                              \
		on_free(ctx->args[0], ctx->args[1], ctx->args[2]);                                                     \
		return 0;                                                                                              \
	}

FREE_PROGRAM(1)
FREE_PROGRAM(2)
FREE_PROGRAM(3)

/* --- io_cancel -------------------------------------------------------------------------------------------------- */

/* EINVAL has six reasons, and only the whole story tells which. */
static __always_inline void note_io_cancel(long ret)
{
	__u32 answer = IFL_STAT_SAID_OTHER;

	if (stat_config.filtered && !wanted_anew(bpf_get_current_task_btf()))
		return;
	if (!ret || ret == -ERRNO_EINPROGRESS)
		answer = IFL_STAT_SAID_CANCELLED;
	else if (ret == -ERRNO_EINVAL)
		answer = IFL_STAT_SAID_REFUSED;
	STAT_COUNT(cancels[IFL_STAT_IO_CANCEL][answer]);
}

SEC("fexit/__x64_sys_io_cancel")
int BPF_PROG(stat_fexit_io_cancel, const struct pt_regs *regs, long ret)
{
	note_io_cancel(ret);
	return 0;
}

SEC("kretprobe")
int stat_kretprobe_io_cancel(struct pt_regs *ctx)
{
	note_io_cancel(PT_REGS_RC(ctx));
	return 0;
}

/* struct syscall_trace_exit, kernel/trace/trace.h */
struct exit_of_call {
	__u64 common;
	int nr;
	long ret;
};

SEC("tracepoint/syscalls/sys_exit_io_cancel")
int stat_sys_exit_io_cancel(struct exit_of_call *ctx)
{
	note_io_cancel(ctx->ret);
	return 0;
}

#define NUMBER_OF_CANCEL(nr, id, abi) +((id) == IFL_IO_CANCEL ? (nr) : 0)
#define NR_IO_CANCEL (0 IFL_FOR_EACH_NATIVE_NUMBER(NUMBER_OF_CANCEL))
#define NR_IO_CANCEL_I386 (0 IFL_FOR_EACH_I386_NUMBER(NUMBER_OF_CANCEL))

/* Where tracefs is not mounted. Every system call of the machine ends here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(stat_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 nr = regs->orig_ax & ~X32_SYSCALL_BIT;

	if (nr != NR_IO_CANCEL && nr != NR_IO_CANCEL_I386)
		return 0;
	if (in_compat_call(bpf_get_current_task_btf()) ? nr != NR_IO_CANCEL_I386 : nr != NR_IO_CANCEL)
		return 0;
	note_io_cancel((int)ret);
	return 0;
}
