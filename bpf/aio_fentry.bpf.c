/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel AIO seen by fentry and fexit: costs other system calls nothing. */
#include "call.h"
#include "regs.h"

#define CALL_PROGRAMS(function, syscall, abi)                                                                          \
	SEC("fentry/" #function)                                                                                       \
	int BPF_PROG(fentry_##function, const struct pt_regs *regs)                                                    \
	{                                                                                                              \
		open_call_from(regs, syscall, abi, IFL_TIER_FENTRY);                                                   \
		return 0;                                                                                              \
	}                                                                                                              \
	SEC("fexit/" #function)                                                                                        \
	int BPF_PROG(fexit_##function, const struct pt_regs *regs, long ret)                                           \
	{                                                                                                              \
		close_current(syscall, ret, IFL_TIER_FENTRY);                                                          \
		return 0;                                                                                              \
	}

IFL_FOR_EACH_ENTRY(CALL_PROGRAMS)

SEC("fentry/io_submit_one")
int BPF_PROG(fentry_io_submit_one, struct kioctx *kioctx, struct iocb *iocb)
{
	submit_one_begins(argument(ctx, 0), (__u64)iocb, IFL_TIER_FENTRY);
	return 0;
}

SEC("fexit/io_submit_one")
int BPF_PROG(fexit_io_submit_one, struct kioctx *kioctx, struct iocb *iocb, bool compat, int ret)
{
	submit_one_ends(ret);
	return 0;
}

SEC("fentry/aio_prep_rw")
int BPF_PROG(fentry_aio_prep_rw, struct aio_kiocb *kiocb, const struct iocb *iocb)
{
	show_request(argument(ctx, 0), iocb);
	return 0;
}

SEC("fentry/aio_poll_queue_proc")
int BPF_PROG(fentry_aio_poll_queue_proc, struct file *file, void *head, struct poll_table_struct *table)
{
	show_polled_request((struct poll_table_struct *)argument(ctx, 2));
	return 0;
}

SEC("fentry/aio_complete")
int BPF_PROG(fentry_aio_complete, struct aio_kiocb *kiocb)
{
	end_request((struct aio_kiocb *)argument(ctx, 0), IFL_TIER_FENTRY);
	return 0;
}

#define COMPLETE_AGAIN(n)                                                                                              \
	SEC("fentry/aio_complete") int BPF_PROG(fentry_aio_complete_##n, struct aio_kiocb *kiocb)                      \
	{                                                                                                              \
		end_request_again((struct aio_kiocb *)argument(ctx, 0), IFL_TIER_FENTRY);                              \
		return 0;                                                                                              \
	}

COMPLETE_AGAIN(2)
COMPLETE_AGAIN(3)
