/* SPDX-License-Identifier: GPL-2.0-only */
/* What the hooks of the fentry and the kprobe tier have in common: they stand at the same functions. */
#ifndef INFLIGHT_BPF_REGS_H
#define INFLIGHT_BPF_REGS_H

#include "call.h"

/* The arguments of a system call, from the registers that its entry code saved; REGISTER(name) reads one. */
#define TAKE_ARGS(args, abi, REGISTER)                                                                                 \
	do {                                                                                                           \
		bool wide_ = (abi) == IFL_ABI_X86_64 || (abi) == IFL_ABI_X32;                                          \
		(args)[0] = wide_ ? REGISTER(di) : (__u32)REGISTER(bx);                                                \
		(args)[1] = wide_ ? REGISTER(si) : (__u32)REGISTER(cx);                                                \
		(args)[2] = wide_ ? REGISTER(dx) : (__u32)REGISTER(dx);                                                \
		(args)[3] = wide_ ? REGISTER(r10) : (__u32)REGISTER(si);                                               \
		(args)[4] = wide_ ? REGISTER(r8) : (__u32)REGISTER(di);                                                \
		(args)[5] = wide_ ? REGISTER(r9) : (__u32)REGISTER(bp);                                                \
	} while (0)

static __always_inline void read_args(const struct pt_regs *regs, __u8 abi, __u64 args[6])
{
#define WITH_HELPER(name) READ(regs, name)
	TAKE_ARGS(args, abi, WITH_HELPER);
#undef WITH_HELPER
}

/* For a program whose `regs` has a type (tp_btf). */
static __always_inline void read_typed_args(const struct pt_regs *regs, __u8 abi, __u64 args[6])
{
#define DIRECTLY(name) regs->name
	TAKE_ARGS(args, abi, DIRECTLY);
#undef DIRECTLY
}

static __always_inline void open_call_from(const struct pt_regs *regs, __u8 syscall, __u8 abi, __u8 tier)
{
	__u64 args[6];

	if (!wanted_current())
		return;
	/* The entry points that x32 shares with x86-64. */
	if (abi == IFL_ABI_X86_64 && READ(regs, orig_ax) & X32_SYSCALL_BIT)
		abi = IFL_ABI_X32;
	read_args(regs, abi, args);
	open_call(syscall, abi, tier, args);
}

static __always_inline void flush_held(struct ifl_call_entry *call)
{
	if (call->held_full) {
		write_request(&call->held, call->held.header.tier);
		account_end(call->held.kioctx, call->held.context_id);
	}
	call->held_full = 0;
}

/*
 * Where requests are seen at the slab only: io_submit went on to another iocb, or returned, and the last one was
 * accepted if the count says so.
 */
static __always_inline void settle_attempt(struct ifl_call_entry *call, bool accepted)
{
	struct ifl_request_entry *entry;
	__u64 kiocb = call->attempt.request.kiocb;

	if (!call->attempt_open)
		return;
	call->attempt_open = 0;
	if (accepted) {
		account_accepted(call);
		flush_held(call);
		return;
	}
	call->held_full = 0;
	account_rejected(call);
	entry = find_request(kiocb);
	if (entry && entry->request.call_id == call->call.call_id)
		remove_request(entry, kiocb);
}

static __always_inline void close_call_of(struct ifl_call_entry *entry, __u8 syscall, __s64 ret, __u8 tier)
{
	if (syscall == IFL_IO_SUBMIT)
		settle_attempt(entry, ret > 0 && entry->call.attempted <= ret);
	close_call(entry, syscall, ret, tier);
	entry->open = 0;
}

/* Whichever call it is. */
static __always_inline void close_current_call(__s64 ret, __u8 tier)
{
	struct ifl_call_entry *entry = current_call();

	if (entry)
		close_call_of(entry, entry->call.syscall, ret, tier);
}

/* Where a hook stands at the functions of one call only, which takes the verifier a tenth of the time. */
static __always_inline void close_current(__u8 syscall, __s64 ret, __u8 tier)
{
	struct ifl_call_entry *entry = current_call();

	if (entry && entry->call.syscall == syscall)
		close_call_of(entry, syscall, ret, tier);
}

static __always_inline void submit_one_begins(__u64 kioctx, __u64 iocb, __u8 tier)
{
	struct ifl_call_entry *call = current_call();
	struct ifl_request *request;

	if (!call || call->call.syscall != IFL_IO_SUBMIT)
		return;
	begin_attempt(call, kioctx, iocb, 0, tier);
	call->call.attempted++;
	request = &call->attempt.request;
	/* The worker of an fsync may complete it before io_submit_one returns, and shows its kiocb only then. */
	if (request->opcode == IOCB_CMD_FSYNC || request->opcode == IOCB_CMD_FDSYNC ||
	    request->flags & IFL_REQ_IOCB_UNREAD) {
		struct ifl_unbound_key key = {.kioctx = kioctx, .iocb = iocb};

		name_file(call, file_of_fd(current_task(), request->fd));
		call->attempt_unbound = 1;
		if (bpf_map_update_elem(&unbound, &key, &call->attempt, BPF_ANY))
			count_untracked(kioctx, 1);
	}
}

static __always_inline void drop_unbound(struct ifl_call_entry *call)
{
	struct ifl_unbound_key key = {.kioctx = call->attempt.request.kioctx, .iocb = call->attempt.request.iocb};

	if (call->attempt_unbound)
		bpf_map_delete_elem(&unbound, &key);
	call->attempt_unbound = 0;
}

/*
 * At its entry io_submit_one has not touched the iocb yet, and a program cannot bring in a page. Later the kernel has
 * copied it, so the page is there.
 */
static __always_inline bool read_cold_iocb(struct ifl_request *request)
{
	struct iocb copy;

	if (!(request->flags & IFL_REQ_IOCB_UNREAD) || bpf_probe_read_user(&copy, sizeof(copy), (void *)request->iocb))
		return false;
	take_iocb(request, &copy);
	request->flags &= ~(IFL_REQ_IOCB_UNREAD | IFL_REQ_OP_UNKNOWN);
	return true;
}

/* An fsync whose iocb could not be read when it began, and whose worker has not ended it yet. */
static __always_inline void complete_unbound(struct ifl_call_entry *call)
{
	struct ifl_unbound_key key = {.kioctx = call->attempt.request.kioctx, .iocb = call->attempt.request.iocb};
	struct ifl_request_entry *entry;

	if (!read_cold_iocb(&call->attempt.request))
		return;
	name_file(call, file_of_fd(current_task(), call->attempt.request.fd));
	entry = bpf_map_lookup_elem(&unbound, &key);
	if (entry && entry->request.call_id == call->call.call_id)
		bpf_map_update_elem(&unbound, &key, &call->attempt, BPF_ANY);
}

/* `iocb` is the kernel's copy of it, or NULL. */
static __always_inline void show_request(__u64 kiocb, const struct iocb *iocb)
{
	struct ifl_call_entry *call = current_call();
	struct iocb copy;

	if (!call || !call->attempt_open || call->attempt_bound)
		return;
	if (iocb && !bpf_probe_read_kernel(&copy, sizeof(copy), iocb)) {
		take_iocb(&call->attempt.request, &copy);
		call->attempt.request.flags &= ~(IFL_REQ_IOCB_UNREAD | IFL_REQ_OP_UNKNOWN);
		call->attempt.request.flags |= IFL_REQ_KERNEL_IOCB;
	} else {
		read_cold_iocb(&call->attempt.request);
	}
	drop_unbound(call);
	name_file(call, READ((struct aio_kiocb *)kiocb, ki_filp));
	bind_attempt(call, kiocb);
}

static __always_inline void show_polled_request(struct poll_table_struct *table)
{
	struct aio_poll_table *outer = (void *)table - bpf_core_field_offset(struct aio_poll_table, pt);

	show_request((__u64)READ(outer, iocb), NULL);
}

static __always_inline void submit_one_ends(int ret)
{
	struct ifl_call_entry *call = current_call();
	struct ifl_request_entry *entry;
	__u64 kiocb;

	if (!call || !call->attempt_open)
		return;
	call->attempt_open = 0;
	if (!ret) {
		account_accepted(call);
		if (call->attempt_unbound)
			complete_unbound(call);
		return;
	}
	call->call.submit_error = ret;
	account_rejected(call);
	drop_unbound(call);
	kiocb = call->attempt.request.kiocb;
	entry = find_request(kiocb);
	/* Its memory is free by now and may already be somebody else's request. */
	if (call->attempt_bound && entry && entry->request.call_id == call->call.call_id)
		remove_request(entry, kiocb);
}

#endif
