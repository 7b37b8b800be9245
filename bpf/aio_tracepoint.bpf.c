/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel AIO seen by tracepoints only. AIO has none of its own: a request is born when io_submit_one takes its
 * struct aio_kiocb from the slab and ends when that goes back, and sys_enter and sys_exit show the calls.
 */
#include "regs.h"

#define CALL_OF_NUMBER(nr, id, way)                                                                                    \
	case nr:                                                                                                       \
		*syscall = (id);                                                                                       \
		*abi = (way);                                                                                          \
		return true;
#define CASE_OF_NUMBER(nr, id, way) case nr:
#define CASE_OF_CALL(nr, id, way) case id:

static __always_inline bool native_call(__u32 nr, __u8 *syscall, __u8 *abi)
{
	switch (nr) {
		IFL_FOR_EACH_NATIVE_NUMBER(CALL_OF_NUMBER)
	}
	return false;
}

static __always_inline bool i386_call(__u32 nr, __u8 *syscall, __u8 *abi)
{
	switch (nr) {
		IFL_FOR_EACH_I386_NUMBER(CALL_OF_NUMBER)
	}
	return false;
}

static __always_inline bool has_own_x32_number(__u8 syscall)
{
	switch (syscall) {
		IFL_FOR_EACH_X32_NUMBER(CASE_OF_CALL)
		return true;
	}
	return false;
}

static __always_inline bool x32_call(__u32 nr, __u8 *syscall, __u8 *abi)
{
	switch (nr) {
		IFL_FOR_EACH_X32_NUMBER(CALL_OF_NUMBER)
	}
	if (!native_call(nr, syscall, abi) || has_own_x32_number(*syscall))
		return false;
	*abi = IFL_ABI_X32;
	return true;
}

/* Nearly every system call of the machine ends here: a few comparisons, and no look at the task. */
static __always_inline bool may_be_aio_call(__u32 nr)
{
	switch (nr) {
		IFL_FOR_EACH_NATIVE_NUMBER(CASE_OF_NUMBER)
		return true;
	}
	switch (nr) {
		IFL_FOR_EACH_I386_NUMBER(CASE_OF_NUMBER)
		return true;
	}
	return nr & X32_SYSCALL_BIT;
}

/* The same number means another call to a 32-bit task, hence the look at the task. */
static __always_inline bool aio_call(__u32 nr, __u8 *syscall, __u8 *abi)
{
	if (!may_be_aio_call(nr))
		return false;
	if (nr & X32_SYSCALL_BIT)
		return x32_call(nr & ~X32_SYSCALL_BIT, syscall, abi);
	if (in_compat_call(current_task()))
		return i386_call(nr, syscall, abi);
	return native_call(nr, syscall, abi);
}

/* The other calls have hooks of their own, on this kernel. */
static __always_inline bool watched(__u8 syscall)
{
	return config.calls_by_tracepoint & (1u << syscall);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(tracepoint_sys_enter, struct pt_regs *regs, long nr)
{
	__u8 syscall, abi;
	__u64 args[6];

	if (!aio_call(nr, &syscall, &abi) || !watched(syscall) || !wanted_current())
		return 0;
	read_typed_args(regs, abi, args);
	open_call(syscall, abi, IFL_TIER_TRACEPOINT, args);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tracepoint_sys_exit, struct pt_regs *regs, long ret)
{
	__u8 syscall, abi;

	if (!aio_call(regs->orig_ax, &syscall, &abi) || !watched(syscall))
		return 0;
	/* A 32-bit return value stands zero-extended in the register. */
	if (abi == IFL_ABI_I386 || abi == IFL_ABI_I386_TIME32)
		ret = (int)ret;
	close_current_call(ret, IFL_TIER_TRACEPOINT);
	return 0;
}

/* The slab cache of struct aio_kiocb, often merged with others; learnt at the first allocation. */
__u64 kiocb_cache;

SEC("raw_tp/kmem_cache_alloc")
int tracepoint_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 call_site = ctx->args[0], kiocb = ctx->args[1], iocb = 0;
	struct ifl_call_entry *call;
	__u8 abi;

	if (call_site < config.submit_one_start || call_site >= config.submit_one_end)
		return 0;
	kiocb_cache = ctx->args[2];
	call = current_call();
	if (!call || call->call.syscall != IFL_IO_SUBMIT || call->call.abi == IFL_ABI_X32)
		return 0;
	settle_attempt(call, true);
	abi = call->call.abi;
	read_user_pointer(&iocb, call->call.args[2] + call->call.attempted * (abi == IFL_ABI_X86_64 ? 8 : 4), abi);
	call->call.attempted++;
	begin_attempt(call, call->call.kioctx, iocb, kiocb, IFL_TIER_TRACEPOINT);
	name_file(call, file_of_fd(current_task(), call->attempt.request.fd));
	bind_attempt(call, kiocb);
	return 0;
}

/*
 * The attempt that io_submit is working on goes back to the slab. Either it was refused, or it has completed at once.
 * ki_refcnt tells, but for the -EAGAIN of a full ring: aio_get_req() then frees memory that still holds what the
 * request before it left there. So it waits here until io_submit has shown whether it counts it.
 */
static __always_inline void end_inside_submit(struct ifl_call_entry *call, struct ifl_request_entry *entry,
					      struct aio_kiocb *kiocb, __u64 now)
{
	if (READ(kiocb, ki_refcnt.refs.counter) || READ(kiocb, ki_res.obj) != entry->request.iocb)
		return;
	take_completion(&entry->request, kiocb, now, false);
	entry->request.flags |= IFL_REQ_SYNC;
	__builtin_memcpy(&call->held, &entry->request, sizeof(call->held));
	call->held_full = 1;
}

static __always_inline void check_file(struct ifl_request_entry *entry, struct aio_kiocb *kiocb)
{
	struct file *file = READ(kiocb, ki_filp);

	/* Another thread put another file at this fd between our look and the kernel's. */
	if ((__u64)file != entry->file)
		entry->request.file_id = 0;
}

/* `first`: of the three programs, the one that runs first. Only it may conclude that nobody knows the request. */
static __always_inline void on_free(__u64 address, __u64 cache, bool first)
{
	struct aio_kiocb *kiocb = (struct aio_kiocb *)address;
	struct ifl_request_entry *entry;
	struct ifl_context_entry *context;
	struct ifl_call_entry *call;
	__u64 kioctx, now;

	if (kiocb_cache ? cache != kiocb_cache : !contexts_found)
		return;
	entry = find_request(address);
	if (!entry) {
		if (!first || !contexts_found || !kiocb_cache || READ(kiocb, ki_refcnt.refs.counter))
			return;
		kioctx = (__u64)READ(kiocb, ki_ctx);
		context = context_of(kioctx);
		if (!context || context->created_ns || READ(kiocb, ki_list.next) == 0)
			return;
		contest_request(address);
		write_unseen(kiocb, kioctx, context, IFL_TIER_TRACEPOINT, bpf_ktime_get_ns(), false);
		return;
	}
	if (!take(entry))
		return;
	now = bpf_ktime_get_ns();
	check_file(entry, kiocb);
	call = current_call();
	if (call && call->attempt_open && call->attempt.request.kiocb == address) {
		end_inside_submit(call, entry, kiocb, now);
	} else {
		take_completion(&entry->request, kiocb, now, false);
		write_request(&entry->request, IFL_TIER_TRACEPOINT);
		account_end(entry->request.kioctx, entry->request.context_id);
	}
	remove_request(entry, address);
}

/*
 * Three programs that do the same. The kernel skips a program that interrupts itself on one CPU, and a completion
 * in an interrupt may well interrupt a free; the second or third then sees it. Whoever comes first takes the entry.
 */
#define FREE_PROGRAM(n)                                                                                                \
	SEC("raw_tp/kmem_cache_free") int tracepoint_free_##n(struct bpf_raw_tracepoint_args *ctx)                     \
	{                                                                                                              \
		on_free(ctx->args[1], ctx->args[2], n == 1);                                                           \
		return 0;                                                                                              \
	}

FREE_PROGRAM(1)
FREE_PROGRAM(2)
FREE_PROGRAM(3)
