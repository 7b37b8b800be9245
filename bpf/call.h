/* SPDX-License-Identifier: GPL-2.0-only */
/* A system call from its entry to its return, whichever hook shows them. */
#ifndef INFLIGHT_BPF_CALL_H
#define INFLIGHT_BPF_CALL_H

#include "request.h"
#include "uring_call.h"

#define MAX_BATCH 4096

static __always_inline void write_call(const struct ifl_call *call, __u32 flags, __s64 ret, __u8 tier, __u64 time_ns)
{
	struct ifl_call *record = reserve(IFL_CALL, sizeof(*record), tier, time_ns);

	if (!record)
		return;
	__builtin_memcpy(&record->call_id, &call->call_id, sizeof(*record) - sizeof(record->header));
	record->header.span_us = call->header.span_us;
	record->flags = call->flags | flags;
	record->ret = ret;
	submit(record);
}

/* x32 or i386 pointers are 32 bits wide in memory. */
static __always_inline long read_user_pointer(__u64 *out, __u64 address, __u8 abi)
{
	__u32 narrow = 0;
	long error;

	if (abi == IFL_ABI_X86_64)
		return bpf_probe_read_user(out, sizeof(*out), (void *)address);
	error = bpf_probe_read_user(&narrow, sizeof(narrow), (void *)address);
	*out = narrow;
	return error;
}

static __always_inline void read_timeout(struct ifl_call *call, __u64 address)
{
	__s64 wide[2] = {};
	__s32 narrow[2] = {};
	long error;

	if (!address) {
		call->timeout_state = IFL_READ_NULL;
		return;
	}
	if (call->abi == IFL_ABI_I386_TIME32) {
		error = bpf_probe_read_user(narrow, sizeof(narrow), (void *)address);
		wide[0] = narrow[0];
		wide[1] = narrow[1];
	} else {
		error = bpf_probe_read_user(wide, sizeof(wide), (void *)address);
	}
	call->timeout_state = error ? IFL_READ_FAULT : IFL_READ_OK;
	call->timeout_s = wide[0];
	call->timeout_ns = wide[1];
}

/* struct __aio_sigset { const sigset_t *sigmask; size_t sigsetsize; } */
static __always_inline void read_sigmask(struct ifl_call *call, __u64 address)
{
	__u64 mask_address = 0, bytes = 0;
	__u32 pointer_bytes = call->abi == IFL_ABI_X86_64 ? 8 : 4;

	if (!address) {
		call->sigmask_state = IFL_READ_NULL;
		return;
	}
	call->sigmask_state = IFL_READ_FAULT;
	if (read_user_pointer(&mask_address, address, call->abi) ||
	    read_user_pointer(&bytes, address + pointer_bytes, call->abi))
		return;
	call->sigset_bytes = bytes;
	if (!mask_address)
		call->sigmask_state = IFL_READ_NULL;
	else if (!bpf_probe_read_user(&call->sigmask, sizeof(call->sigmask), (void *)mask_address))
		call->sigmask_state = IFL_READ_OK;
}

static __always_inline void read_key(struct ifl_call *call, __u64 iocb)
{
	__u64 key = iocb + __builtin_offsetof(struct iocb, aio_key);

	if (!iocb)
		call->key_state = IFL_READ_NULL;
	else if (bpf_probe_read_user(&call->aio_key, sizeof(call->aio_key), (void *)key))
		call->key_state = IFL_READ_FAULT;
	else
		call->key_state = IFL_READ_OK;
}

static __always_inline __u32 span_us(__u64 span_ns)
{
	__u64 us = span_ns / 1000;

	return us < 0xffffffff ? us : 0xffffffff;
}

static __always_inline void note_running(struct ifl_call_entry *entry, struct task_struct *task)
{
	entry->running_ns = READ(task, se.sum_exec_runtime);
	entry->runnable_ns = READ(task, sched_info.run_delay);
	entry->sleeps = READ(task, nvcsw);
}

/* Of a call that took long: how much of that its thread slept. The rest it ran, or was ready to. */
static __always_inline void take_slept(struct ifl_call_entry *entry, __u64 now)
{
	struct task_struct *task = current_task();
	struct ifl_call *call = &entry->call;
	__u64 took = now - call->start_ns, awake;

	if (!bpf_core_field_exists(task->sched_info.run_delay))
		return;
	awake =
	    READ(task, se.sum_exec_runtime) - entry->running_ns + READ(task, sched_info.run_delay) - entry->runnable_ns;
	call->flags |= IFL_CALL_SLEPT_KNOWN;
	call->header.span_us = READ(task, nvcsw) != entry->sleeps && awake < took ? span_us(took - awake) : 0;
}

/* These are rare, and the model needs them whatever the user wants to see. */
static __always_inline bool is_always_written(__u8 syscall)
{
	return syscall == IFL_IO_SETUP || syscall == IFL_IO_DESTROY || syscall == IFL_IO_CANCEL ||
	       syscall == IFL_IO_URING_REGISTER;
}

/* What a program calls again and again with one context. */
static __always_inline bool is_repeated(__u8 syscall)
{
	return syscall == IFL_IO_SUBMIT || syscall == IFL_IO_GETEVENTS;
}

/* The context that the call's first argument names. */
static __always_inline void take_context(struct ifl_call_entry *entry, struct task_struct *task, __u8 tier, __u64 now)
{
	struct ifl_call *call = &entry->call;
	bool again = is_repeated(call->syscall);
	struct kioctx *kioctx = NULL;

	call->ctx_id = call->args[0];
	if (again)
		kioctx = find_kioctx_again(entry, task, call->ctx_id);
	if (kioctx && entry->last_contexts_known == contexts_changes) {
		call->context_id = entry->last_context_id;
	} else {
		kioctx = find_kioctx(task, call->ctx_id);
		call->context_id = context_id_of(task, kioctx, tier, now);
		if (again)
			remember_kioctx(entry, call->ctx_id, kioctx, call->context_id);
	}
	call->kioctx = (__u64)kioctx;
	if (kioctx)
		call->flags |= IFL_CALL_CTX_AT_ENTRY;
}

/* The call says that its context is not there: see find_kioctx_again(). */
static __always_inline void look_again(struct ifl_call_entry *entry)
{
	struct ifl_call *call = &entry->call;

	entry->last_kioctx = 0;
	if (!call->kioctx || find_kioctx(current_task(), call->ctx_id))
		return;
	call->flags &= ~IFL_CALL_CTX_AT_ENTRY;
	call->kioctx = 0;
	call->context_id = 0;
}

static __always_inline void open_call(__u8 syscall, __u8 abi, __u8 tier, const __u64 args[6])
{
	struct task_struct *task = current_task();
	__u64 now = bpf_ktime_get_ns();
	struct ifl_call_entry *entry = thread_entry();
	struct ifl_call *call;

	if (!entry || (is_uring_call(syscall) && !uring_call_wanted(syscall, args)))
		return;
	call = &entry->call;
	if (entry->open) {
		COUNT(exits_missed);
		write_call(call, IFL_CALL_EXIT_MISSED, 0, tier, now);
	}
	/* Who looks at the table while this goes on finds it closed, or with the time when it began. */
	*(volatile __u8 *)&entry->open = 0;
	__builtin_memset(call, 0, sizeof(*call));
	entry->attempt_open = 0;
	entry->held_full = 0;
	call->header.tier = tier;
	call->call_id = next_id();
	call->start_ns = now;
	entry->start_jiffies = bpf_jiffies64();
	if (syscall == IFL_IO_SUBMIT || syscall == IFL_IO_URING_ENTER)
		note_running(entry, task);
	asm volatile("" ::: "memory");
	*(volatile __u8 *)&entry->open = 1;
	__builtin_memcpy(call->args, args, sizeof(call->args));
	call->syscall = syscall;
	call->abi = abi;
	if (is_always_written(syscall) || config.calls_wanted & (1u << syscall))
		describe_task(&call->task, task);
	else
		describe_current_briefly(&call->task);
	note_process(task, now);
	if (entry->cgroup_noted != call->task.cgroup_id) {
		note_cgroup(task, call->task.cgroup_id, now);
		entry->cgroup_noted = call->task.cgroup_id;
	}
	if (abi == IFL_ABI_X32) {
		call->flags = IFL_CALL_NOT_DECODED;
		return;
	}
	if (is_uring_call(syscall)) {
		if (!is_watched_for_time(syscall))
			open_uring_call(call, task, now);
		return;
	}
	if (syscall == IFL_IO_SETUP)
		return;
	take_context(entry, task, tier, now);
	if (syscall == IFL_IO_CANCEL)
		read_key(call, args[1]);
	if (syscall == IFL_IO_GETEVENTS || syscall == IFL_IO_PGETEVENTS)
		read_timeout(call, args[4]);
	if (syscall == IFL_IO_PGETEVENTS)
		read_sigmask(call, args[5]);
}

#include "batches.h"

static __always_inline void close_setup(struct ifl_call_entry *entry, __u8 tier, __u64 now)
{
	struct ifl_call *call = &entry->call;
	struct task_struct *task = current_task();
	struct ifl_context_entry *context;
	struct kioctx *kioctx;

	if (read_user_pointer(&call->ctx_id, call->args[1], call->abi)) {
		call->ctx_idp_state = IFL_READ_FAULT;
		return;
	}
	call->ctx_idp_state = IFL_READ_OK;
	kioctx = find_kioctx(task, call->ctx_id);
	if (!kioctx)
		return;
	call->kioctx = (__u64)kioctx;
	/* Another thread cannot have used it yet, but the iterator of the start may have met it just now. */
	context = context_of((__u64)kioctx);
	if (context && !context->created_ns && !context->submitted && context->ctx_id == call->ctx_id &&
	    context->pid == call->task.pid)
		call->context_id = context->context_id;
	else
		call->context_id = new_context(task, kioctx, IFL_CONTEXT_CREATED, tier, now);
}

static __always_inline void close_destroy(struct ifl_call_entry *entry, __u8 tier, __u64 now)
{
	__u64 kioctx = entry->call.kioctx;
	struct ifl_context_entry *context = context_of(kioctx);

	if (!context || context->context_id != entry->call.context_id)
		return;
	write_context(kioctx, context, IFL_CONTEXT_DESTROYED, tier, now);
	bpf_map_delete_elem(&contexts, &kioctx);
	__sync_fetch_and_add(&contexts_changes, 1);
}

static __always_inline void close_submit(struct ifl_call_entry *entry, __s64 ret, __u8 tier, __u64 now)
{
	struct ifl_call *call = &entry->call;
	bool wanted_call = config.calls_wanted & (1u << IFL_IO_SUBMIT);

	if (ret < 0)
		call->submit_error = ret;
	if (ret > 0 && ret > call->accepted)
		count_untracked(call->kioctx, ret - call->accepted);
	if (config.iocbs_wanted && wanted_call && (__s64)call->args[1] > 0) {
		struct batch batch = {.entry = entry, .address = call->args[2], .time_ns = now, .tier = tier};

		batch.count = call->args[1] < MAX_BATCH ? call->args[1] : MAX_BATCH;
		call->entries_skipped = call->args[1] - batch.count;
		bpf_loop(MAX_BATCH / IFL_IOCBS_PER_RECORD, write_iocbs, &batch, 0);
	}
	if (!wanted_call && now - call->start_ns < config.slow_submit_ns)
		return;
	take_slept(entry, now);
	if (!described_in_full(&call->task))
		describe_task(&call->task, current_task());
	write_call(call, 0, ret, tier, now);
}

static __always_inline void close_getevents(struct ifl_call_entry *entry, __s64 ret, __u8 tier, __u64 now)
{
	struct ifl_call *call = &entry->call;

	if (ret > 0) {
		struct batch batch = {.entry = entry, .address = call->args[3], .time_ns = now, .tier = tier};

		batch.count = ret;
		bpf_loop(1 << 20, write_io_events, &batch, 0);
	}
	if (config.calls_wanted & (1u << call->syscall))
		write_call(call, 0, ret, tier, now);
}

/* io_submit ends at the first iocb that the kernel does not take. It looks at no more than the context has places. */
static __always_inline void note_refused(const struct ifl_call *call, __s64 ret)
{
	struct ifl_context_entry *context;
	__s64 wanted = call->args[1];
	__u32 places;

	if (wanted <= 0 || ret >= wanted || !call->kioctx)
		return;
	places = READ((struct kioctx *)call->kioctx, nr_events);
	if (ret >= places)
		return;
	context = context_of(call->kioctx);
	if (!context)
		return;
	__sync_fetch_and_add(&context->refused, 1);
	if (ret < 0)
		context->refused_error = -ret;
	else if (call->submit_error < 0)
		context->refused_error = -call->submit_error;
}

#define LONGEST_TICK_NS 10000000 /* CONFIG_HZ is 100 at least */

/* Nobody wants to hear of the call but that it took long. Of most a look at the ticks tells that they have not. */
static __always_inline bool is_quick(const struct ifl_call_entry *entry, __u8 syscall, __s64 ret)
{
	const struct ifl_call *call = &entry->call;

	if (syscall == IFL_IO_URING_ENTER) {
		if (!is_watched_for_time(syscall))
			return false;
	} else if (syscall == IFL_IO_SUBMIT) {
		if (config.calls_wanted & (1u << IFL_IO_SUBMIT) || ret > call->accepted || call->abi == IFL_ABI_X32)
			return false;
	} else {
		return false;
	}
	return config.slow_submit_ns >= LONGEST_TICK_NS && bpf_jiffies64() == entry->start_jiffies;
}

/* `syscall` is the call's own; where it is a constant, the verifier has to look at no other. */
static __always_inline void close_call(struct ifl_call_entry *entry, __u8 syscall, __s64 ret, __u8 tier)
{
	struct ifl_call *call = &entry->call;
	__u64 now;

	if (syscall == IFL_IO_SUBMIT)
		note_refused(call, ret);
	if (is_quick(entry, syscall, ret)) {
		if (ret == -ERRNO_EINVAL && is_repeated(syscall))
			look_again(entry);
		return;
	}
	now = bpf_ktime_get_ns();
	if (ret == -ERRNO_EINVAL && is_repeated(syscall))
		look_again(entry);
	if (call->abi != IFL_ABI_X32) {
		switch (syscall) {
		case IFL_IO_SUBMIT: close_submit(entry, ret, tier, now); return;
		case IFL_IO_GETEVENTS:
		case IFL_IO_PGETEVENTS: close_getevents(entry, ret, tier, now); return;
		case IFL_IO_SETUP:
			if (!ret)
				close_setup(entry, tier, now);
			break;
		case IFL_IO_DESTROY:
			if (!ret)
				close_destroy(entry, tier, now);
			break;
		case IFL_IO_URING_SETUP:
		case IFL_IO_URING_REGISTER: close_uring_call(call, ret, now); break;
		case IFL_IO_URING_ENTER:
			if (is_watched_for_time(syscall)) {
				if (now - call->start_ns < config.slow_submit_ns)
					return;
				open_uring_call(call, current_task(), now);
			}
			take_slept(entry, now);
			if (!described_in_full(&call->task))
				describe_task(&call->task, current_task());
			break;
		case IFL_IO_CANCEL:
			if (find_kioctx(current_task(), call->ctx_id))
				call->flags |= IFL_CALL_CTX_AT_EXIT;
			if (call->key_state == IFL_READ_FAULT)
				read_key(call, call->args[1]);
			break;
		}
	}
	write_call(call, 0, ret, tier, now);
}

#endif
