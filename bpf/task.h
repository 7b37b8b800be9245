/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is running: the filter, and what a record says of its task. */
#ifndef INFLIGHT_BPF_TASK_H
#define INFLIGHT_BPF_TASK_H

#include "typed.h"

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* How deep pid namespaces can be nested (MAX_PID_NS_LEVEL). */
#define PID_NS_LEVELS 32

/*
 * `task`'s id in inflight's own pid namespace, which is not the first one; what is not visible there has its id of the
 * machine, marked. A function of its own keeps its loop in one place.
 */
static __attribute__((noinline)) __u32 id_inside(struct task_struct *task, __u32 machine_id)
{
	struct pid *pid = READ(task, thread_pid);
	__u32 level = READ(pid, level);
	struct upid upid = {};

	for (__u32 each = 1; each <= PID_NS_LEVELS; each++) {
		if (each > level)
			break;
		bpf_core_read(&upid, sizeof(upid), &pid->numbers[each]);
		if (READ(upid.ns, ns.inum) == config.pid_ns)
			return upid.nr;
	}
	return machine_id | IFL_ID_ELSEWHERE;
}

/* The ids that records, filters and tables have: those that the user knows. */
static __always_inline __u32 thread_id_of(struct task_struct *task)
{
	return config.pid_ns ? id_inside(task, READ(task, pid)) : (__u32)READ(task, pid);
}

static __always_inline __u32 process_id_of(struct task_struct *task)
{
	return config.pid_ns ? id_inside(READ(task, group_leader), READ(task, tgid)) : (__u32)READ(task, tgid);
}

/* The same for a `task` whose type the verifier knows. It costs less, which matters at each submission. */
static __always_inline __u32 process_id_of_known(struct task_struct *task)
{
	return config.pid_ns ? process_id_of(task) : (__u32)task->tgid;
}

/*
 * Process and thread as bpf_get_current_pid_tgid() packs them. That function gives the machine's ids, which are used
 * only for tables that nobody outside of the kernel side reads.
 */
static __always_inline __u64 current_ids(void)
{
	if (!config.pid_ns)
		return bpf_get_current_pid_tgid();
	return (__u64)process_id_of(current_task()) << 32 | thread_id_of(current_task());
}

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return READ(task, cgroups, dfl_cgrp);
}

/* How many levels of cgroups are looked at. */
#define CGROUP_LEVELS 32

/* The id of the cgroup that stands at `level` above, or is, this one. */
static __always_inline __u64 cgroup_above(struct cgroup *cgroup, __u32 level)
{
	__u64 found = 0;

	if (bpf_core_field_exists(((struct cgroup___ancestors *)0)->ancestors)) {
		struct cgroup *ancestor = NULL;

		bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				      (void *)cgroup + bpf_core_field_offset(struct cgroup___ancestors, ancestors) +
					  level * sizeof(void *));
		found = READ(ancestor, kn, id);
	} else if (bpf_core_field_exists(((struct cgroup___ids *)0)->ancestor_ids)) {
		bpf_probe_read_kernel(&found, sizeof(found),
				      (void *)cgroup + bpf_core_field_offset(struct cgroup___ids, ancestor_ids) +
					  level * sizeof(__u64));
	}
	return found;
}

static __always_inline bool in_cgroup(struct task_struct *task, __u32 level, __u64 id)
{
	struct cgroup *cgroup = task_cgroup(task);

	/* Inside a cgroup namespace the level of a cgroup is not known. */
	if (level == IFL_LEVEL_UNKNOWN) {
		for (level = 0; level < CGROUP_LEVELS; level++) {
			if (READ(cgroup, level) < (int)level)
				return false;
			if (cgroup_above(cgroup, level) == id)
				return true;
		}
		return false;
	}
	return READ(cgroup, level) >= (int)level && cgroup_above(cgroup, level) == id;
}

static __always_inline bool same_comm(const char *comm)
{
	for (int i = 0; i < IFL_COMM_BYTES; i++) {
		if (comm[i] != config.comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

/* What the last look into `pids` said on this CPU: process, answer, and the number of changes at that time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last_pid __weak SEC(".maps");

#define PID_IS_IN (1u << 31)

/* Counts on whenever `pids` changes. */
__u32 pids_changes __weak = 0;

static __always_inline bool is_in_pids(__u32 pid)
{
	__u64 key = (__u64)pids_changes << 32 | pid;
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&last_pid, &zero), known = last ? *(volatile __u64 *)last : 0;
	bool in;

	if (pid && (known & ~(__u64)PID_IS_IN) == key)
		return known & PID_IS_IN;
	in = bpf_map_lookup_elem(&pids, &pid);
	if (last)
		*(volatile __u64 *)last = key | (in ? PID_IS_IN : 0);
	return in;
}

/* Costs nothing where no filter was given: config is constant for the verifier. */
static __always_inline bool wanted_of(struct task_struct *task, __u32 pid)
{
	if (config.by_pid && !is_in_pids(pid))
		return false;
	if (config.by_uid && READ(task, cred, uid.val) != config.uid)
		return false;
	if (config.by_comm) {
		char comm[IFL_COMM_BYTES] = {};

		BPF_CORE_READ_INTO(&comm, task, comm);
		if (!same_comm(comm))
			return false;
	}
	if (config.by_cgroup && !in_cgroup(task, config.cgroup_level, config.cgroup_id))
		return false;
	return true;
}

static __always_inline bool lets_all_through(void)
{
	return !config.by_pid && !config.by_uid && !config.by_comm && !config.by_cgroup;
}

static __always_inline bool wanted(struct task_struct *task)
{
	return wanted_of(task, config.by_pid ? process_id_of(task) : 0);
}

static __always_inline bool wanted_current(void)
{
	return wanted_of(current_task(), config.by_pid ? current_ids() >> 32 : 0);
}

/* A task's id as the task's own pid namespace numbers it. */
static __always_inline __u32 id_in_own_namespace(struct task_struct *task, struct pid_namespace **own)
{
	struct pid *pid = READ(task, thread_pid);
	__u32 level = READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
	*own = upid.ns;
	return upid.nr;
}

/* `task`'s id as `space` numbers it, 0 when it is not visible there. */
static __always_inline __u32 id_in_namespace(struct task_struct *task, struct pid_namespace *space, __u32 space_level)
{
	struct pid *pid = READ(task, thread_pid);
	struct upid upid = {};

	if (READ(pid, level) < space_level)
		return 0;
	bpf_core_read(&upid, sizeof(upid), &pid->numbers[space_level]);
	return upid.ns == space ? upid.nr : 0;
}

static __always_inline __u64 cgroup_id_of(struct task_struct *task)
{
	return READ(task, cgroups, dfl_cgrp, kn, id);
}

/*
 * Whether an iterator over threads shall look at a process here: at its main thread, or where that has ended at each of
 * the others, which then find nothing twice.
 */
static __always_inline bool stands_for_process(struct task_struct *task)
{
	return READ(task, pid) == READ(task, tgid) || !READ(task, group_leader, mm);
}

static __always_inline void describe_task(struct ifl_task *out, struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(task, real_parent);
	struct pid_namespace *space = NULL, *ignored = NULL;

	out->pid = process_id_of(task);
	out->tid = thread_id_of(task);
	out->ppid = process_id_of(parent);
	out->uid = READ(task, cred, uid.val);
	out->ns_tid = id_in_own_namespace(task, &space);
	out->ns_pid = id_in_own_namespace(leader, &ignored);
	out->ns_ppid = id_in_namespace(READ(parent, group_leader), space, READ(task, thread_pid, level));
	out->pid_ns = READ(space, ns.inum);
	out->mnt_ns = READ(task, nsproxy, mnt_ns, ns.inum);
	out->cgroup_id = cgroup_id_of(task);
	BPF_CORE_READ_INTO(&out->comm, task, comm);
}

/* What every record has, of the current task; where memory is read by helpers, those of their own cost less. */
static __always_inline void describe_current_briefly(struct ifl_task *out)
{
	struct task_struct *task = current_task();

	if (!config.typed_reads) {
		__u64 pid_tgid = current_ids();

		out->pid = pid_tgid >> 32;
		out->tid = (__u32)pid_tgid;
		out->uid = (__u32)bpf_get_current_uid_gid();
		out->cgroup_id = bpf_get_current_cgroup_id();
		bpf_get_current_comm(out->comm, sizeof(out->comm));
		return;
	}
	out->pid = process_id_of(task);
	out->tid = thread_id_of(task);
	out->uid = READ(task, cred, uid.val);
	out->cgroup_id = cgroup_id_of(task);
	take_own_comm(out->comm, task);
}

static __always_inline bool described_in_full(const struct ifl_task *task)
{
	return task->pid_ns;
}

static __always_inline bool in_compat_call(struct task_struct *task)
{
	return READ(task, thread_info.status) & TS_COMPAT;
}

#endif
