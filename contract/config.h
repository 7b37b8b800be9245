/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the user side tells the kernel side before it is loaded: filters and the few addresses that BTF does not
 * give. Read-only data for the verifier, so that a filter nobody asked for is dead code.
 */
#ifndef INFLIGHT_CONTRACT_CONFIG_H
#define INFLIGHT_CONTRACT_CONFIG_H

#include "records.h"

/* ifl_config.cgroup_level */
#define IFL_LEVEL_UNKNOWN 0xffffffffu

struct ifl_config {
	ifl_u64 cgroup_id;	  /* the task's cgroup or one of its ancestors on the unified hierarchy */
	ifl_u64 slow_submit_ns;	  /* an io_submit at least this long is reported though nobody asked for its event */
	ifl_u64 submit_one_start; /* text of io_submit_one: call sites of the allocation of a request */
	ifl_u64 submit_one_end;
	ifl_u64 rw_complete_address; /* aio_complete_rw: tells a read or write from a poll, 0: not known */
	ifl_u64 poll_cancel_address; /* aio_poll_cancel, 0: not known */
	ifl_u64 ring_exit_address;   /* io_ring_exit_work: what a kworker does that frees a ring, 0: not known */
	ifl_u64 buffer_key;	     /* of contract/buffer.h; a multiple of 8 */
	ifl_u32 buffer_bytes;	     /* a power of two */
	ifl_u32 uid;
	ifl_u32 calls_wanted; /* bit per enum ifl_syscall: report each of these calls */
	ifl_u32 cgroup_level;
	ifl_u8 by_pid; /* only processes in the map `pids` */
	ifl_u8 by_comm;
	ifl_u8 by_uid;
	ifl_u8 by_cgroup;
	ifl_u8 follow_children;
	ifl_u8 iocbs_wanted;   /* report the iocbs of io_submit as they stand in user memory */
	ifl_u8 cqe_by_pointer; /* io_uring_complete shows a struct io_uring_cqe * (6.18), not its fields */
	ifl_u8 iovecs_wanted;  /* report the iovecs of io_uring's vectored reads and writes */
	ifl_u32 unmaps_wanted; /* report calls that take memory away */
	ifl_u32 typed_reads;   /* the kernel has bpf_rdonly_cast (6.2 and later): its memory is read without a helper */
	ifl_u32 calls_by_tracepoint; /* bit per enum ifl_syscall: seen at sys_enter and sys_exit */
	ifl_u32 census_cpus;	     /* possible CPUs; 0: no census is wanted */
	ifl_u32 pid_ns;		     /* inode number of inflight's own pid namespace; 0: it is the first one */
	ifl_u32 by_maker;	     /* with by_pid: what others submit to the rings of such a process is let through */
	ifl_u32 without_details;     /* of io_uring requests: paths, addresses and times are not read */
	ifl_u32 compat_flag; /* IO_RING_F_COMPAT in io_ring_ctx.int_flags (7.1); 0: the kernel has no such flag */
	char comm[IFL_COMM_BYTES];
};

#ifdef __cplusplus
static_assert(sizeof(ifl_config) == 64 + 16 + 8 + 16 + 8 + 16 + 8, "no hidden padding");
#endif

#endif
