/* SPDX-License-Identifier: GPL-2.0-only */
/* What io_uring's tracepoints do not show, where functions can be hooked: by fentry and by kprobe. */
#include "uring.h"

SEC("fentry/io_wq_submit_work")
int BPF_PROG(fentry_io_wq_submit_work, void *work)
{
	note_worker((void *)argument(ctx, 0));
	return 0;
}

SEC("fentry/io_ring_ctx_wait_and_kill")
int BPF_PROG(fentry_io_ring_ctx_wait_and_kill, struct io_ring_ctx *ring)
{
	note_ring_closed((struct io_ring_ctx *)argument(ctx, 0));
	return 0;
}

SEC("kprobe")
int kprobe_io_wq_submit_work(struct pt_regs *ctx)
{
	note_worker((void *)PT_REGS_PARM1(ctx));
	return 0;
}

SEC("kprobe")
int kprobe_io_ring_ctx_wait_and_kill(struct pt_regs *ctx)
{
	note_ring_closed((struct io_ring_ctx *)PT_REGS_PARM1(ctx));
	return 0;
}
