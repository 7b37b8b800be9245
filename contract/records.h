/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The records that the kernel side writes and the user side reads. The one place where both agree.
 *
 * Plain C, fixed width, no padding that is not named. Every record starts with `struct ifl_header`; the
 * reader skips a kind that it does not know by `size_bytes`. Times are CLOCK_MONOTONIC in nanoseconds
 * (bpf_ktime_get_ns). Addresses of user memory are those of the traced task.
 */
#ifndef INFLIGHT_CONTRACT_RECORDS_H
#define INFLIGHT_CONTRACT_RECORDS_H

#include "kinds.h"
#include "syscalls.h"

#ifdef __bpf__
typedef unsigned char ifl_u8;
typedef unsigned short ifl_u16;
typedef unsigned int ifl_u32;
typedef int ifl_s32;
typedef unsigned long long ifl_u64;
typedef long long ifl_s64;
#else
#include <stdint.h>
typedef uint8_t ifl_u8;
typedef uint16_t ifl_u16;
typedef uint32_t ifl_u32;
typedef int32_t ifl_s32;
typedef uint64_t ifl_u64;
typedef int64_t ifl_s64;
#endif

#define IFL_COMM_BYTES 16
#define IFL_IOCBS_PER_RECORD 8
#define IFL_IO_EVENTS_PER_RECORD 32
#define IFL_NAMES_BYTES 1280
#define IFL_IOCB_BYTES 64

/* Which hook saw it. */
enum ifl_tier {
	IFL_TIER_NONE = 0, /* not seen by a hook: found by an iterator or read from the kernel's own tables */
	IFL_TIER_FENTRY = 1,
	IFL_TIER_KPROBE = 2,
	IFL_TIER_TRACEPOINT = 3,
};

struct ifl_header {
	ifl_u32 size_bytes;
	ifl_u16 kind; /* enum ifl_kind */
	ifl_u8 tier;  /* enum ifl_tier */
	ifl_u8 reserved;
	ifl_u32 cpu;
	ifl_u32 span_us; /* of some kinds, see there; else 0 */
	ifl_u64 time_ns;
};

/*
 * Ids of processes and threads are those of inflight's own pid namespace. What is not visible there has its id of the
 * machine with this bit.
 */
#define IFL_ID_ELSEWHERE (1u << 30)
#define IFL_IS_ELSEWHERE(id) (((id) & ~0x3fffffu) == IFL_ID_ELSEWHERE) /* ids are below PID_MAX_LIMIT, 2^22 */

struct ifl_task {
	ifl_u32 pid; /* thread group */
	ifl_u32 tid;
	ifl_u32 ppid;
	ifl_u32 uid;
	ifl_u32 ns_pid; /* the same three as the task's own pid namespace numbers them */
	ifl_u32 ns_tid;
	ifl_u32 ns_ppid;
	ifl_u32 pid_ns; /* inode numbers of the namespaces, as in /proc/PID/ns */
	ifl_u32 mnt_ns;
	ifl_u32 reserved;
	ifl_u64 cgroup_id;
	char comm[IFL_COMM_BYTES];
};

enum ifl_request_state {
	IFL_REQUEST_IN_FLIGHT = 0,
	IFL_REQUEST_COMPLETED = 1,
};

/* ifl_request.flags */
enum {
	IFL_REQ_EXISTED = 1u << 0,	  /* was in flight before the hooks were attached: submit_ns is not known */
	IFL_REQ_CONTEXT_DEAD = 1u << 1,	  /* kioctx->dead was set when it completed */
	IFL_REQ_POLL_CANCELLED = 1u << 2, /* poll_iocb.cancelled was set when it completed */
	IFL_REQ_OP_UNKNOWN = 1u << 3,	  /* opcode was not seen */
	IFL_REQ_KERNEL_IOCB = 1u << 4,	  /* the iocb fields are the kernel's own copy (K), else user memory (U) */
	IFL_REQ_IOCB_UNREAD = 1u << 5,	  /* neither could be read: opcode, fd, buffer, length, offset are void */
	IFL_REQ_KERNEL_POS = 1u << 6,	  /* offset is kiocb.ki_pos as the kernel used it (K) */
	IFL_REQ_SYNC = 1u << 7,		  /* completed inside the io_submit call, in the submitting task */
	IFL_REQ_UNPAIRED = 1u << 8,	  /* no submission was seen although its context was watched */
	IFL_REQ_COMPAT = 1u << 9,	  /* submitted by a 32-bit call */
	IFL_REQ_EXACT_END = 1u << 10,	  /* complete_ns was taken at aio_complete; else at the free after it */
	IFL_REQ_END_UNSEEN = 1u << 11,	  /* its memory is another request's now: it ended, unseen; complete_ns is when
					   * that was noticed, result is void */
	IFL_REQ_APPENDED = 1u << 12, /* a write to the end of the file, whatever its offset: O_APPEND, RWF_APPEND */
};

/* One kernel AIO request. Written once, at its completion, or read from the table of requests in flight. */
struct ifl_request {
	struct ifl_header header;
	ifl_u64 kiocb;	    /* address of struct aio_kiocb: the identity while it is in flight */
	ifl_u64 kioctx;	    /* address of struct kioctx */
	ifl_u64 context_id; /* inflight's own number of the context, never used twice in a run; 0 unknown */
	ifl_u64 ctx_id;	    /* what io_setup returned to user space */
	ifl_u64 iocb;	    /* user address of struct iocb (ki_res.obj) */
	ifl_u64 user_data;  /* aio_data */
	ifl_u64 buffer;	    /* aio_buf: buffer, iovec array or poll mask */
	ifl_u64 length;	    /* aio_nbytes: bytes, or number of iovecs */
	ifl_s64 offset;
	ifl_u64 submit_ns;   /* 0: not known */
	ifl_u64 complete_ns; /* 0: still in flight */
	ifl_s64 result;
	ifl_s64 result2;
	ifl_u64 file_id; /* see struct ifl_file; 0: not known */
	ifl_u64 call_id; /* the io_submit that brought it; 0: not known */
	ifl_u64 cgroup_id;
	ifl_u32 pid;
	ifl_u32 tid;
	ifl_u32 uid;
	ifl_s32 fd;
	ifl_u32 resfd;
	ifl_u32 rw_flags;
	ifl_u32 aio_flags;
	ifl_u32 flags;	       /* IFL_REQ_* */
	ifl_u32 completer_pid; /* the task that ran when it completed: often a kworker or an unlucky stranger */
	ifl_u32 completer_tid;
	ifl_u16 opcode; /* IOCB_CMD_* */
	ifl_u16 ioprio;
	ifl_u8 state; /* enum ifl_request_state */
	ifl_u8 reserved[3];
	char comm[IFL_COMM_BYTES];
};

enum ifl_read_state {
	IFL_READ_NOT_TRIED = 0,
	IFL_READ_NULL = 1,
	IFL_READ_OK = 2,
	IFL_READ_FAULT = 3,
};

/* ifl_call.flags */
enum {
	IFL_CALL_IN_PROGRESS = 1u << 0,	 /* has not returned: header.time_ns is when we looked, ret is void */
	IFL_CALL_EXIT_MISSED = 1u << 1,	 /* its return was not seen (a return probe ran out of instances) */
	IFL_CALL_NOT_DECODED = 1u << 2,	 /* ABI whose structures are not decoded */
	IFL_CALL_CTX_AT_ENTRY = 1u << 3, /* ctx_id named a live context when the call began */
	IFL_CALL_CTX_AT_EXIT = 1u << 4,	 /* ... and when it returned */
	IFL_CALL_SLEPT_KNOWN = 1u << 5,	 /* header.span_us: how long its thread slept in it, at most 2^32 - 1 */
};

/* One system call. header.time_ns is the time of its return. */
struct ifl_call {
	struct ifl_header header;
	ifl_u64 call_id;
	ifl_u64 start_ns;
	ifl_s64 ret;
	ifl_u64 args[6];
	struct ifl_task task;
	ifl_u64 kioctx; /* that ctx_id names in the caller's mm, 0: none */
	ifl_u64 context_id;
	ifl_u64 ctx_id;	   /* the argument; for io_setup what it wrote to *ctx_idp */
	ifl_s64 timeout_s; /* struct timespec behind `timeout` */
	ifl_s64 timeout_ns;
	ifl_u64 sigmask;
	ifl_u64 sigset_bytes;
	ifl_u32 aio_key;      /* iocb->aio_key of io_cancel */
	ifl_u32 flags;	      /* IFL_CALL_* */
	ifl_u32 accepted;     /* io_submit: iocbs accepted so far */
	ifl_u32 attempted;    /* io_submit: iocbs that the kernel began to work on; 0 where not known */
	ifl_s32 submit_error; /* io_submit: errno (negative) of the iocb that ended the batch; 0: none or not known */
	ifl_u32 records;      /* IFL_IOCBS or IFL_IO_EVENTS records that belong to this call */
	ifl_u32 records_lost; /* of these, lost */
	ifl_u32 entries_skipped; /* iocbs or events that were not read (unreadable memory, or more than the limit) */
	ifl_u8 syscall;		 /* enum ifl_syscall */
	ifl_u8 abi;		 /* enum ifl_abi */
	ifl_u8 timeout_state;	 /* enum ifl_read_state, also the next three */
	ifl_u8 sigmask_state;
	ifl_u8 key_state;
	ifl_u8 ctx_idp_state;
	ifl_u8 reserved[2];
};

struct ifl_iocb {
	ifl_u64 address;
	ifl_u64 file_id;	      /* of aio_fildes, at that moment; 0: none open */
	ifl_u8 bytes[IFL_IOCB_BYTES]; /* struct iocb of linux/aio_abi.h, the same in 32-bit tasks */
	ifl_u8 state;		      /* enum ifl_read_state */
	ifl_u8 reserved[7];
};

/* iocbs of one io_submit call, as they stood in user memory. */
struct ifl_iocbs {
	struct ifl_header header;
	ifl_u64 call_id;
	ifl_u32 first_index;
	ifl_u32 count;
	struct ifl_iocb iocbs[IFL_IOCBS_PER_RECORD];
};

/* struct io_event of linux/aio_abi.h */
struct ifl_io_event {
	ifl_u64 data;
	ifl_u64 obj;
	ifl_s64 res;
	ifl_s64 res2;
};

/*
 * What one io_getevents call returned, as it stood in user memory. header.time_ns is the time of its return, and the
 * call began header.span_us (at most 2^32 - 1) before; 0: before it was known or at that moment. The record may end
 * after the last event that it has.
 */
struct ifl_io_events {
	struct ifl_header header;
	ifl_u64 call_id;
	ifl_u64 kioctx;
	ifl_u64 context_id;
	ifl_u32 pid;
	ifl_u32 tid;
	ifl_u32 first_index;
	ifl_u32 count;
	struct ifl_io_event events[IFL_IO_EVENTS_PER_RECORD];
};

enum ifl_context_state {
	IFL_CONTEXT_CREATED = 1,
	IFL_CONTEXT_FOUND = 2, /* existed before the hooks were attached */
	IFL_CONTEXT_DESTROYED = 3,
	IFL_CONTEXT_SNAPSHOT = 4, /* counters of a context that goes on, at the end of the trace */
	IFL_CONTEXT_COUNTERS = 5, /* counters of a context whose process is about to be reported as ended */
};

struct ifl_context {
	struct ifl_header header;
	ifl_u64 kioctx;
	ifl_u64 context_id;
	ifl_u64 ctx_id;
	ifl_u64 created_ns; /* 0: before the trace */
	ifl_u64 submitted;  /* requests accepted, as far as seen */
	ifl_u64 completed;
	ifl_u32 in_flight;
	ifl_u32 in_flight_max;
	ifl_u32
	    capacity; /* requests it really accepts: kioctx->nr_events without what get_reqs_available leaves over */
	ifl_u32 max_reqs; /* kioctx->max_reqs: its share of aio-max-nr */
	ifl_u32 pid;	  /* owner: the process that called io_setup */
	ifl_u32 uid;
	ifl_u8 state;	      /* enum ifl_context_state */
	ifl_u8 refused_error; /* the last known errno of these, 0: none known */
	ifl_u8 reserved[2];
	ifl_u32 refused; /* iocbs that io_submit did not take */
	char comm[IFL_COMM_BYTES];
};

/* ifl_file.flags */
enum {
	IFL_FILE_UNLINKED = 1u << 0,
	IFL_FILE_TRUNCATED = 1u << 1, /* names holds the end of the path only */
};

/* A file, written before the first record that refers to it. */
struct ifl_file {
	struct ifl_header header;
	ifl_u64 file_id;
	ifl_u64 inode;
	ifl_u64 sb_magic;   /* super_block.s_magic */
	ifl_u32 device;	    /* kernel's dev_t: major << 20 | minor */
	ifl_u32 mode;	    /* inode.i_mode */
	ifl_u32 open_flags; /* file.f_flags */
	ifl_u32 flags;	    /* IFL_FILE_* */
	ifl_u32 names_bytes;
	ifl_u32 names_count;
	char names[IFL_NAMES_BYTES]; /* names_count strings, each ended by NUL, from the file up to the root */
};

/* In ifl_cgroup.names_count: there are more levels above, for which there was no room. */
#define IFL_CGROUP_CUT (1u << 31)

struct ifl_cgroup {
	struct ifl_header header;
	ifl_u64 cgroup_id;
	ifl_u32 names_bytes;
	ifl_u32 names_count;	     /* IFL_CGROUP_CUT may be added */
	char names[IFL_NAMES_BYTES]; /* from the cgroup up to, and without, the root */
};

/* Only where inflight is in a pid namespace of its own: once for each process, before what it does. */
struct ifl_process {
	struct ifl_header header;
	ifl_u32 pid;	  /* as everywhere: in that namespace */
	ifl_u32 host_pid; /* of the machine */
};

struct ifl_process_exit {
	struct ifl_header header;
	ifl_u32 pid;
	ifl_s32 exit_code; /* task_struct.exit_code: wait status */
	char comm[IFL_COMM_BYTES];
};

/* A call that takes memory away from its process, at its entry; only where config.unmaps_wanted. */
struct ifl_unmap {
	struct ifl_header header;
	ifl_u64 address;
	ifl_u64 length;
	ifl_u32 pid;
	ifl_u32 tid;
	ifl_u32 syscall_number; /* of x86-64: 11 munmap, 9 mmap with MAP_FIXED, 25 mremap (what it moves away) */
	ifl_u32 reserved;
	char comm[IFL_COMM_BYTES];
};

/*
 * The reader has looked at the table of requests in flight: the IFL_REQUEST records in state IN_FLIGHT before this one
 * are all there were. Written by the user side; header.time_ns is when the look was over. A request that was submitted
 * after begin_ns may be missing.
 */
struct ifl_snapshot {
	struct ifl_header header;
	ifl_u64 begin_ns;
	ifl_u32 requests; /* of both families */
	ifl_u8 final;	  /* the last one of the trace */
	ifl_u8 reserved[3];
};

/* One per CPU and kind, kept by the kernel side. generated == written + lost, always. */
struct ifl_counters {
	ifl_u64 generated[IFL_KIND_COUNT];
	ifl_u64 lost[IFL_KIND_COUNT]; /* the buffer of that CPU was full */
	ifl_u64 requests_untracked;   /* accepted, but the table of requests in flight was full or busy */
	ifl_u64 calls_untracked;      /* the table of calls in progress was full or busy */
	ifl_u64 frees_unmatched;      /* completed, but by a second free hook: the first was skipped by the kernel */
	ifl_u64 contexts_untracked;
	ifl_u64 exits_missed; /* calls whose return was not seen */
	ifl_u64 reserved[3];
};

#ifdef __cplusplus
static_assert(sizeof(ifl_header) == 24 && sizeof(ifl_task) == 64, "layout");
static_assert(sizeof(ifl_request) == 24 + 16 * 8 + 10 * 4 + 8 + 16, "no hidden padding");
static_assert(sizeof(ifl_call) == 24 + 9 * 8 + 64 + 7 * 8 + 8 * 4 + 8, "no hidden padding");
static_assert(sizeof(ifl_iocb) == 88 && sizeof(ifl_io_event) == 32, "layout");
static_assert(sizeof(ifl_iocbs) == 40 + 88 * IFL_IOCBS_PER_RECORD, "no hidden padding");
static_assert(sizeof(ifl_io_events) == 64 + 32 * IFL_IO_EVENTS_PER_RECORD, "no hidden padding");
static_assert(sizeof(ifl_context) == 24 + 48 + 24 + 8 + 16, "no hidden padding");
static_assert(sizeof(ifl_file) == 24 + 24 + 24 + IFL_NAMES_BYTES, "no hidden padding");
static_assert(sizeof(ifl_cgroup) == 40 + IFL_NAMES_BYTES, "no hidden padding");
static_assert(sizeof(ifl_unmap) == 72, "no hidden padding");
static_assert(sizeof(ifl_process_exit) == 48 && sizeof(ifl_snapshot) == 40, "no hidden padding");
#endif

#endif
