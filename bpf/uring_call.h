/* SPDX-License-Identifier: GPL-2.0-only */
/* The system calls of io_uring: which ring, and what the arguments point at. */
#ifndef INFLIGHT_BPF_URING_CALL_H
#define INFLIGHT_BPF_URING_CALL_H

#include "detail.h"
#include "ring.h"

#define ENTER_GETEVENTS (1u << 0)
#define ENTER_EXT_ARG (1u << 3)
#define ENTER_REGISTERED_RING (1u << 4)
#define ENTER_EXT_ARG_REG (1u << 6)
#define REG_WAIT_BYTES 64
#define REGISTER_USE_REGISTERED_RING (1u << 31)
#define REGISTER_RESTRICTIONS 11
#define RESTRICTION_BYTES 16 /* also what stands before them where they are a task's */
#define URING_PARAMS_BYTES 120

/* Pointers in the argument, which lead to something that is shown too. */
struct pointed_field {
	__u8 op;    /* of io_uring_register */
	__u8 kind;  /* enum ifl_detail_kind */
	__u8 at;    /* where the pointer stands */
	__u8 bytes; /* of what it leads to; 0: `sized_at` says where their number stands */
	__u8 sized_at;
	__u8 control; /* of ZCRX_CTRL: only with this operation, plus 1 */
};
static const struct pointed_field pointed_fields[] = {
    {.op = 32 /* ZCRX_IFQ */, .kind = IFL_DETAIL_ZCRX_AREA, .at = 16, .bytes = 48},
    {.op = 32, .kind = IFL_DETAIL_REGION, .at = 24, .bytes = 64},
    {.op = 32, .kind = IFL_DETAIL_ZCRX_EVENT, .at = 72, .bytes = 96},
    {.op = 34 /* MEM_REGION */, .kind = IFL_DETAIL_REGION, .at = 0, .bytes = 64},
    {.op = 35 /* QUERY */, .kind = IFL_DETAIL_QUERY, .at = 8, .sized_at = 20},
    {.op = 36 /* ZCRX_CTRL */, .kind = IFL_DETAIL_ZCRX_AREA, .at = 24, .bytes = 48, .control = 1 + 3 /* ADD_AREA */},
};
#define POINTED_FIELDS (sizeof(pointed_fields) / sizeof(pointed_fields[0]))
#define CONTROL_AT 4
#define ANSWER_BYTES_MOST 64

static __always_inline bool is_uring_call(__u8 syscall)
{
	return syscall >= IFL_IO_URING_SETUP && syscall <= IFL_IO_URING_REGISTER;
}

/* Registering is rare and always told. An io_uring_enter only if asked for, or if it may block in its submissions. */
static __always_inline bool uring_call_wanted(__u8 syscall, const __u64 args[6])
{
	if (syscall != IFL_IO_URING_ENTER)
		return syscall == IFL_IO_URING_REGISTER || config.calls_wanted & (1u << syscall);
	if (config.calls_wanted & (1u << IFL_IO_URING_ENTER))
		return true;
	return (__u32)args[1] && !(__u32)args[2];
}

/* Nobody asked for the event: whose ring it is needs to be found only if it took long. */
static __always_inline bool is_watched_for_time(__u8 syscall)
{
	return syscall == IFL_IO_URING_ENTER && !(config.calls_wanted & (1u << IFL_IO_URING_ENTER));
}

static __always_inline struct file *registered_ring(struct task_struct *task, __u32 index)
{
	struct io_uring_task *tctx = READ((struct task_struct___uring *)task, io_uring);
	struct file *file = NULL;

	if (tctx && index < REGISTERED_RINGS)
		bpf_core_read(&file, sizeof(file), &tctx->registered_rings[index]);
	return file;
}

static __always_inline bool by_index(const struct ifl_call *call)
{
	if (call->syscall == IFL_IO_URING_ENTER)
		return call->args[3] & ENTER_REGISTERED_RING;
	return call->args[1] & REGISTER_USE_REGISTERED_RING;
}

/* How many bytes at `arg` belong to the operation: include/uapi/linux/io_uring.h, io_uring/register.c */
static __always_inline __u32 register_bytes(__u32 op, __u32 count)
{
	if (count > 256)
		count = 256;
	switch (op) {
	case 0:	 /* BUFFERS, struct iovec[] */
	case 11: /* RESTRICTIONS */
	case 20: /* RING_FDS */
	case 21: /* UNREGISTER_RING_FDS */ return count * 16;
	case 2: /* FILES, int[] */ return count * 4;
	case 4: /* EVENTFD */
	case 7: /* EVENTFD_ASYNC */ return 4;
	case 6:	 /* FILES_UPDATE */
	case 25: /* FILE_ALLOC_RANGE */
	case 27: /* NAPI */
	case 28: /* UNREGISTER_NAPI */
	case 29: /* CLOCK */ return 16;
	case 8: /* PROBE */ return 16 + count * 8;
	case 13: /* FILES2 */
	case 14: /* FILES_UPDATE2 */
	case 15: /* BUFFERS2 */
	case 16: /* BUFFERS_UPDATE */
	case 30: /* CLONE_BUFFERS */ return 32;
	case 17: /* IOWQ_AFF */ return count;
	case 19: /* IOWQ_MAX_WORKERS */ return 8;
	case 22: /* PBUF_RING */
	case 23: /* UNREGISTER_PBUF_RING */
	case 26: /* PBUF_STATUS */ return 40;
	case 24: /* SYNC_CANCEL */
	case 31: /* SEND_MSG_RING */ return 64;
	case 33: /* RESIZE_RINGS */ return URING_PARAMS_BYTES;
	case 34: /* MEM_REGION */ return 32;
	case 32: /* ZCRX_IFQ */ return 96;
	case 35: /* QUERY */ return 40;
	case 36: /* ZCRX_CTRL */
	case 37: /* BPF_FILTER */ return 72;
	}
	return 0;
}

static __always_inline void add_call_detail(struct ifl_call *call, __u8 kind, __u64 address, __u32 count, __u32 total,
					    __u64 now)
{
	struct detail detail = {.owner_id = call->call_id,
				.address = address,
				.time_ns = now,
				.total = total,
				.kind = kind,
				.tier = call->header.tier};

	if (!address || !count)
		return;
	call->records++;
	if (!write_bytes(&detail, count))
		call->records_lost++;
}

/* With a descriptor of -1 the call is about the task, and its argument begins with a head that counts what follows. */
static __always_inline __u32 task_restrictions_bytes(__u64 argument)
{
	__u16 count = 0;

	bpf_probe_read_user(&count, sizeof(count), (void *)(argument + 2));
	return RESTRICTION_BYTES + count * RESTRICTION_BYTES;
}

static __always_inline void add_pointed(struct ifl_call *call, __u32 op, __u64 now)
{
	for (__u32 index = 0; index < POINTED_FIELDS; index++) {
		const struct pointed_field *field = &pointed_fields[index];
		__u32 bytes = field->bytes, control = 0;
		__u64 address = 0;

		if (field->op != op)
			continue;
		if (field->control &&
		    (bpf_probe_read_user(&control, sizeof(control), (void *)(call->args[2] + CONTROL_AT)) ||
		     control + 1 != field->control))
			continue;
		if (!bytes)
			bpf_probe_read_user(&bytes, sizeof(bytes), (void *)(call->args[2] + field->sized_at));
		if (bytes > ANSWER_BYTES_MOST && !field->bytes)
			bytes = ANSWER_BYTES_MOST;
		bpf_probe_read_user(&address, sizeof(address), (void *)(call->args[2] + field->at));
		add_call_detail(call, field->kind, address, bytes, bytes, now);
	}
}

/* Its argument is read before the kernel acts on it, but for those that the kernel fills in. */
static __always_inline void add_register_argument(struct ifl_call *call, __u64 now)
{
	__u32 op = (__u32)call->args[1] & ~REGISTER_USE_REGISTERED_RING;
	__u32 count = register_bytes(op, call->args[3]);

	if ((__u32)call->args[1] == REGISTER_RESTRICTIONS && (__u32)call->args[0] == ~0u)
		count = task_restrictions_bytes(call->args[2]);
	if (op == REGISTER_SYNC_CANCEL)
		add_call_detail(call, IFL_DETAIL_SYNC_CANCEL, call->args[2], count, count, now);
	else
		add_call_detail(call, IFL_DETAIL_REGISTER, call->args[2], count, count, now);
	if (op >= 32)
		add_pointed(call, op, now);
}

static __always_inline bool is_filled_in(__u64 op)
{
	op &= ~(__u64)REGISTER_USE_REGISTERED_RING;
	return op == 8 || op == 19 || op == 20 || op == 26 || op == 28 || op == 32 || op == 35 || op == 36;
}

static __always_inline void note_ring(struct ifl_call *call, struct file *file, __u64 now)
{
	struct io_ring_ctx *ctx = ring_of_file(file);
	struct ifl_ring_entry *ring = ctx ? ring_in_use(ctx, now) : NULL;

	if (!ctx)
		return;
	call->kioctx = (__u64)ctx;
	if (ring)
		call->context_id = ring->ring.context_id;
}

/* How to wait stands in memory that the program has registered, and the argument is an offset there. */
static __always_inline void add_registered_wait(struct ifl_call *call, __u64 now)
{
	struct io_ring_ctx___wait *ctx = (void *)call->kioctx;
	struct detail detail = {.owner_id = call->call_id,
				.time_ns = now,
				.total = REG_WAIT_BYTES,
				.kind = IFL_DETAIL_REG_WAIT,
				.kernel = 1,
				.shared = 1,
				.tier = call->header.tier};
	__u64 offset = call->args[4];

	if (!ctx || !bpf_core_field_exists(ctx->cq_wait_arg))
		return;
	detail.address = (__u64)READ(ctx, cq_wait_arg);
	if (!detail.address || offset > READ(ctx, cq_wait_size) || READ(ctx, cq_wait_size) - offset < REG_WAIT_BYTES)
		return;
	detail.address += offset;
	call->records++;
	if (!write_bytes(&detail, REG_WAIT_BYTES))
		call->records_lost++;
}

static __always_inline void open_uring_call(struct ifl_call *call, struct task_struct *task, __u64 now)
{
	struct file *file;

	call->ctx_id = call->args[0];
	if (call->syscall == IFL_IO_URING_SETUP)
		return;
	file = by_index(call) ? registered_ring(task, call->args[0]) : file_of_fd(task, call->args[0]);
	note_ring(call, file, now);
	if (call->kioctx)
		call->flags |= IFL_CALL_CTX_AT_ENTRY;
	if (call->syscall == IFL_IO_URING_REGISTER) {
		if (!is_filled_in((__u32)call->args[1]))
			add_register_argument(call, now);
	} else if (call->args[3] & ENTER_EXT_ARG && config.calls_wanted & (1u << IFL_IO_URING_ENTER)) {
		if (call->args[3] & ENTER_EXT_ARG_REG)
			add_registered_wait(call, now);
		else
			add_call_detail(call, IFL_DETAIL_GETEVENTS, call->args[4], 24, 24, now);
	}
}

/* The tables of a ring that lives shorter than a survey comes. */
static __always_inline void note_registered(const struct ifl_call *call)
{
	struct io_ring_ctx *ctx = (struct io_ring_ctx *)call->kioctx;
	struct ifl_ring_entry *ring = ctx ? ring_of(ctx) : NULL;

	if (!ring)
		return;
	ring->ring.files = registered_files(ctx);
	ring->ring.buffers = registered_buffers(ctx);
}

static __always_inline void close_uring_call(struct ifl_call *call, __s64 ret, __u64 now)
{
	if (call->syscall == IFL_IO_URING_REGISTER) {
		if (is_filled_in((__u32)call->args[1]))
			add_register_argument(call, now);
		note_registered(call);
		return;
	}
	add_call_detail(call, IFL_DETAIL_PARAMS, call->args[1], URING_PARAMS_BYTES, URING_PARAMS_BYTES, now);
	if (ret >= 0) {
		call->ctx_id = ret;
		note_ring(call, file_of_fd(current_task(), ret), now);
	}
}

#endif
