/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes: children join the filter, the dead are reported, and those that were there before are looked up. */
#include "context.h"
#include "exits.h"
#include "request.h"

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_pid = process_id_of(parent), child_pid = process_id_of(child);
	__u8 one = 1;

	if (parent_pid != child_pid && bpf_map_lookup_elem(&pids, &parent_pid) &&
	    !bpf_map_update_elem(&pids, &child_pid, &one, BPF_ANY))
		__sync_fetch_and_add(&pids_changes, 1);
	return 0;
}

/* What its parent will get (wait_task_zombie() of kernel/exit.c). */
static __always_inline int wait_status_of(struct task_struct *task)
{
	if (READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		return READ(task, signal, group_exit_code);
	return READ(task, group_leader, exit_code);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct ifl_process_exit *record;
	__u32 pid;

	forget_thread(READ(task, pid));
	if (!wanted(task) || !is_end_of_process(task, EXIT_OF_PROCESS))
		return 0;
	pid = process_id_of(task);
	record = reserve(IFL_PROCESS_EXIT, sizeof(*record), IFL_TIER_TRACEPOINT, bpf_ktime_get_ns());
	if (record) {
		record->pid = pid;
		record->exit_code = wait_status_of(task);
		BPF_CORE_READ_INTO(&record->comm, task, group_leader, comm);
		submit(record);
	}
	/* The number may be another process's tomorrow. */
	if (config.by_pid && !bpf_map_delete_elem(&pids, &pid))
		__sync_fetch_and_add(&pids_changes, 1);
	return 0;
}

#define NR_MMAP 9
#define NR_MUNMAP 11
#define NR_MREMAP 25
#define MAP_FIXED 0x10

/* Loaded for checks only: it sees every system call of the machine. 32-bit tasks have other numbers, and are left out.
 */
SEC("tp_btf/sys_enter")
int BPF_PROG(process_unmap, struct pt_regs *regs, long nr)
{
	struct task_struct *task;
	struct ifl_unmap *record;
	__u64 id;

	if (nr != NR_MUNMAP && nr != NR_MREMAP && (nr != NR_MMAP || !(regs->r10 & MAP_FIXED)))
		return 0;
	task = current_task();
	if (in_compat_call(task) || !wanted(task))
		return 0;
	record = reserve(IFL_UNMAP, sizeof(*record), IFL_TIER_TRACEPOINT, bpf_ktime_get_ns());
	if (!record)
		return 0;
	id = current_ids();
	record->address = regs->di;
	record->length = regs->si;
	record->pid = id >> 32;
	record->tid = (__u32)id;
	record->syscall_number = nr;
	record->reserved = 0;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	submit(record);
	return 0;
}

struct walk {
	struct task_struct *task;
	struct kioctx_table *table;
	struct kioctx *kioctx;
	struct list_head *head;
	struct list_head *at;
	__u64 context_id;
	__u64 now;
	__u32 count;
};

#define MAX_REQUESTS_WALKED (1 << 17)

static __always_inline void note_existing(struct walk *walk, struct aio_kiocb *kiocb)
{
	__u64 address = (__u64)kiocb;
	struct ifl_request_entry *entry = find_request(address);
	struct task_struct *task = walk->task;
	struct kioctx *kioctx = walk->kioctx;
	struct ifl_context_entry *context;
	struct ifl_request *request;
	__u32 zero = 0;

	if (entry) {
		entry->iterated = iterator_pass;
		return;
	}
	/* Later passes only confirm. A request that they meet first was submitted while a hook was looking elsewhere.
	 */
	if (iterator_pass > 1)
		return;
	entry = bpf_map_lookup_elem(&scratch, &zero);
	if (!entry)
		return;
	__builtin_memset(entry, 0, sizeof(*entry));
	request = &entry->request;
	request->kiocb = address;
	request->kioctx = (__u64)walk->kioctx;
	request->context_id = walk->context_id;
	request->ctx_id = READ(kioctx, user_id);
	request->iocb = READ(kiocb, ki_res.obj);
	request->user_data = READ(kiocb, ki_res.data);
	/* active_reqs holds what can be cancelled, and of all operations poll alone can (fs/aio.c, aio_poll) */
	request->opcode = IOCB_CMD_POLL;
	request->buffer = READ(kiocb, poll.events);
	request->flags = IFL_REQ_EXISTED;
	request->fd = -1;
	request->pid = process_id_of(task);
	request->uid = READ(task, cred, uid.val);
	request->cgroup_id = cgroup_id_of(task);
	BPF_CORE_READ_INTO(&request->comm, task, comm);
	entry->file = (__u64)READ(kiocb, ki_filp);
	request->file_id = file_id_of((struct file *)entry->file, walk->now);
	entry->iterated = iterator_pass;
	entry->taken = IFL_ENTRY_IN_FLIGHT;
	if (!put_found_request(address, entry))
		return;
	context = context_of((__u64)walk->kioctx);
	if (context) {
		__u32 in_flight = __sync_fetch_and_add(&context->in_flight, 1) + 1;

		if (in_flight > context->in_flight_max)
			context->in_flight_max = in_flight;
	}
}

/* The list is not locked: a request may go while we look at it. Then its ki_ctx is another one and the walk ends. */
static long walk_request(__u32 index, struct walk *walk)
{
	struct list_head *at = walk->at;
	struct aio_kiocb *kiocb;

	if (!at || at == walk->head)
		return 1;
	kiocb = (void *)at - bpf_core_field_offset(struct aio_kiocb, ki_list);
	if (READ(kiocb, ki_ctx) != walk->kioctx)
		return 1;
	note_existing(walk, kiocb);
	walk->at = READ(at, next);
	return 0;
}

static __always_inline struct kioctx *live_context(struct walk *walk, __u32 slot)
{
	struct kioctx *kioctx = context_in_slot(walk->table, slot);

	return kioctx && !READ(kioctx, dead.counter) ? kioctx : NULL;
}

static long note_context(__u32 slot, struct walk *walk)
{
	if (slot >= walk->count)
		return 1;
	context_id_of(walk->task, live_context(walk, slot), IFL_TIER_NONE, walk->now);
	return 0;
}

/* Apart from note_context because the stack frames of nested callbacks add up. */
static long walk_context(__u32 slot, struct walk *walk)
{
	struct ifl_context_entry *context;
	struct kioctx *kioctx;

	if (slot >= walk->count)
		return 1;
	kioctx = live_context(walk, slot);
	context = context_of((__u64)kioctx);
	if (!kioctx || !context)
		return 0;
	walk->kioctx = kioctx;
	walk->context_id = context->context_id;
	walk->head = (void *)kioctx + bpf_core_field_offset(struct kioctx, active_reqs);
	walk->at = READ(kioctx, active_reqs.next);
	bpf_loop(MAX_REQUESTS_WALKED, walk_request, walk, 0);
	return 0;
}

SEC("iter/task")
int process_iterator(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct kioctx_table *table;
	struct walk walk = {};

	if (!task || !stands_for_process(task))
		return 0;
	table = READ(task, mm, ioctx_table);
	if (!table || !wanted(task))
		return 0;
	walk.task = task;
	walk.table = table;
	walk.count = READ(table, nr);
	walk.now = bpf_ktime_get_ns();
	/* Later passes only confirm: what they meet first is being made right now, and its own hook will tell. */
	if (iterator_pass == 1)
		bpf_loop(MAX_CONTEXTS_SCANNED, note_context, &walk, 0);
	bpf_loop(MAX_CONTEXTS_SCANNED, walk_context, &walk, 0);
	return 0;
}
