/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel AIO seen by kprobe and kretprobe. One program serves every system call: the attach cookie says which. The
 * classic name of the hook on io_cancel is do_io_cancel; no kernel function is called so.
 */
#include "call.h"
#include "regs.h"

/* The cookie of a system call's probes: enum ifl_syscall, and enum ifl_abi above it. */
#define COOKIE_ABI_SHIFT 8

SEC("kprobe")
int kprobe_call(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	open_call_from((const struct pt_regs *)PT_REGS_PARM1(ctx), cookie & 0xff, cookie >> COOKIE_ABI_SHIFT,
		       IFL_TIER_KPROBE);
	return 0;
}

SEC("kretprobe")
int kretprobe_call(struct pt_regs *ctx)
{
	close_current_call(PT_REGS_RC(ctx), IFL_TIER_KPROBE);
	return 0;
}

SEC("kprobe")
int kprobe_io_submit_one(struct pt_regs *ctx)
{
	submit_one_begins(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), IFL_TIER_KPROBE);
	return 0;
}

SEC("kretprobe")
int kretprobe_io_submit_one(struct pt_regs *ctx)
{
	submit_one_ends((int)PT_REGS_RC(ctx));
	return 0;
}

SEC("kprobe")
int kprobe_aio_prep_rw(struct pt_regs *ctx)
{
	show_request(PT_REGS_PARM1(ctx), (const struct iocb *)PT_REGS_PARM2(ctx));
	return 0;
}

SEC("kprobe")
int kprobe_aio_poll_queue_proc(struct pt_regs *ctx)
{
	show_polled_request((struct poll_table_struct *)PT_REGS_PARM3(ctx));
	return 0;
}

SEC("kprobe")
int kprobe_aio_complete(struct pt_regs *ctx)
{
	end_request((struct aio_kiocb *)PT_REGS_PARM1(ctx), IFL_TIER_KPROBE);
	return 0;
}
