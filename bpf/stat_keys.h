/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of `inflight stat`, whose requests are wanted, and which row of counters a key has. */
#ifndef INFLIGHT_BPF_STAT_KEYS_H
#define INFLIGHT_BPF_STAT_KEYS_H

#include "names.h"

#include "../contract/stat.h"
#include "kernel_uring.h"

#define MAP_MMAPABLE (1u << 10) /* BPF_F_MMAPABLE, include/uapi/linux/bpf.h */
#define SLOT_OPEN 1ULL
#define KEYS_REMEMBERED 16 /* per CPU */
#define ERRNO_ECANCELED 125
#define ERRNO_ENOENT 2
#define ERRNO_EALREADY 114

const volatile struct ifl_stat_config stat_config __weak = {};
struct ifl_stat_shared stat_shared __weak = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IFL_STAT_SLOTS);
	__uint(map_flags, MAP_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_stat_slot);
} stat_slots __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IFL_STAT_COLLIDED);
	__type(key, __u64);
	__type(value, struct ifl_stat_slot);
} stat_collided __weak SEC(".maps");

/* By lane, CPU and row. An array that is mapped, not a per-CPU one: the user side reads it without system calls, and
 * its look-up is a few instructions on every kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) */
	__uint(map_flags, MAP_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_stat_row);
} stat_rows __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* (set) */
	__type(key, struct ifl_stat_key);
	__type(value, __u32);
} stat_keys __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) */
	__uint(map_flags, MAP_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_stat_label);
} stat_labels __weak SEC(".maps");

/* Names of files, by row; only with `--by file`. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) */
	__type(key, __u32);
	__type(value, struct ifl_file);
} stat_files __weak SEC(".maps");

/* What this CPU's submissions last found in the maps of processes and of keys. */
struct remembered_key {
	struct ifl_stat_key key;
	__u64 contexts_changed;
	__u32 row;
	__u32 known;
};
struct remembered {
	__u64 number;
	__u64 pids_changed;
	__u32 pid;
	__u32 pid_wanted;
	struct remembered_key keys[KEYS_REMEMBERED];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* (set) CPUs */
	__type(key, __u32);
	__type(value, struct remembered);
} stat_remembered __weak SEC(".maps");

#define STAT_COUNT(field) __sync_fetch_and_add(&stat_shared.field, 1)

static __always_inline struct remembered *remembered(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&stat_remembered, &cpu);
}

/*
 * A typed pointer as a number to calculate with, which the verifier does not let a program do before it has been to
 * memory. The submission's hook alone may use `mine`.
 */
static __always_inline __u64 number_of(const void *pointer, struct remembered *mine)
{
	*(volatile __u64 *)&mine->number = (__u64)pointer;
	return *(volatile __u64 *)&mine->number;
}

static __always_inline struct ifl_stat_row *row_of(__u32 lane, __u32 row)
{
	__u32 index = (lane * stat_config.cpus + bpf_get_smp_processor_id()) * stat_config.rows + row;

	if (row >= stat_config.rows)
		return NULL;
	return bpf_map_lookup_elem(&stat_rows, &index);
}

/* The task that a submission belongs to: a thread of the kernel's for a ring stands for its process. */
static __always_inline struct task_struct *submitter(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (((struct task_struct___uring *)task)->flags & TASK_IO_WORKER)
		return task->group_leader;
	return task;
}

/* wanted(), and the process, whose look-up is remembered: only the hook of a submission may use `mine`. */
static __always_inline bool stat_wanted(struct task_struct *task, struct remembered *mine)
{
	__u32 pid;

	if (!stat_config.filtered)
		return true;
	if (stat_config.by_pid) {
		pid = process_id_of_known(task);
		if (mine->pid != pid || mine->pids_changed != stat_shared.pids_changed) {
			mine->pids_changed = stat_shared.pids_changed;
			mine->pid = pid;
			mine->pid_wanted = bpf_map_lookup_elem(&pids, &pid) != NULL;
		}
		if (!mine->pid_wanted)
			return false;
	}
	return wanted(task);
}

/* The same without a memory, for hooks that are not a submission's. */
static __always_inline bool wanted_anew(struct task_struct *task)
{
	__u32 pid = process_id_of_known(task);

	if (stat_config.by_pid && !bpf_map_lookup_elem(&pids, &pid))
		return false;
	return wanted(task);
}

/* By the process that made the ring, if the filter names processes. */
static __always_inline bool maker_wanted(struct io_ring_ctx *ctx)
{
	struct task_struct *maker = stat_config.by_pid ? maker_of(ctx) : NULL;
	__u32 pid;

	if (!maker)
		return false;
	pid = process_id_of(maker);
	return bpf_map_lookup_elem(&pids, &pid) && wanted(maker);
}

/* --- Keys ------------------------------------------------------------------------------------------------------- */

static __always_inline bool same_key(const struct ifl_stat_key *a, const struct ifl_stat_key *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->extra == b->extra &&
	       a->family == b->family;
}

static __always_inline void label_row(__u32 row, const struct ifl_stat_key *key, struct task_struct *task, __u64 ctx_id)
{
	struct ifl_stat_label *label = bpf_map_lookup_elem(&stat_labels, &row);

	if (!label)
		return;
	label->key = *key;
	label->ctx_id = ctx_id;
	if (task) {
		label->pid = process_id_of(task);
		label->host_pid = config.pid_ns && !IFL_IS_ELSEWHERE(label->pid) ? READ(task, tgid) : 0;
		BPF_CORE_READ_INTO(&label->comm, task, comm);
	}
	label->ready = 1;
}

/* The row of a key, given to it the first time; `fresh` says that it was. */
static __always_inline __u32 row_of_key(const struct ifl_stat_key *key, bool *fresh)
{
	__u32 others = key->family ? IFL_STAT_ROW_OTHERS_AIO : IFL_STAT_ROW_OTHERS_URING;
	__u32 *known = bpf_map_lookup_elem(&stat_keys, key), row;

	*fresh = false;
	if (known)
		return *known;
	if (stat_shared.rows_used >= stat_config.rows - IFL_STAT_FIRST_KEY_ROW)
		goto full;
	row = __sync_fetch_and_add(&stat_shared.rows_used, 1) + IFL_STAT_FIRST_KEY_ROW;
	if (row >= stat_config.rows)
		goto full;
	if (!bpf_map_update_elem(&stat_keys, key, &row, BPF_NOEXIST)) {
		*fresh = true;
		return row;
	}
	/* Another CPU was first; this row stays empty. */
	known = bpf_map_lookup_elem(&stat_keys, key);
	if (known)
		return *known;
full:
	STAT_COUNT(keys_full);
	return others;
}

/* The same for a submission's hook, which has seen most keys lately. `task` names the row. */
static __always_inline __u32 remembered_row(const struct ifl_stat_key *key, struct remembered *mine,
					    struct task_struct *task, __u64 ctx_id)
{
	__u32 place =
	    (key->words[0] ^ key->words[0] >> 6 ^ key->words[0] >> 12 ^ key->words[1]) & (KEYS_REMEMBERED - 1);
	struct remembered_key *cached = &mine->keys[place];
	bool fresh;

	if (cached->known && same_key(&cached->key, key) && cached->contexts_changed == stat_shared.contexts_changed)
		return cached->row;
	cached->contexts_changed = stat_shared.contexts_changed;
	cached->row = row_of_key(key, &fresh);
	cached->key = *key;
	cached->known = cached->row >= IFL_STAT_FIRST_KEY_ROW;
	if (fresh)
		label_row(cached->row, key, task, ctx_id);
	return cached->row;
}

/* Who submits, for the keys that are known then. `context` and `owner` are what `--by context` goes by. */
static __always_inline void submitter_key(struct ifl_stat_key *key, struct task_struct *task, __u64 context,
					  __u64 owner)
{
	if (stat_config.by == IFL_STAT_BY_PID) {
		key->words[0] = process_id_of_known(task);
	} else if (stat_config.by == IFL_STAT_BY_COMM) {
		bpf_probe_read_kernel(&key->words, sizeof(key->words), task->comm);
	} else {
		key->words[0] = context;
		key->words[1] = owner;
	}
}

/* --- Files ------------------------------------------------------------------------------------------------------ */

static __always_inline void name_row(__u32 row, struct file *file, struct inode *inode)
{
	struct ifl_file *record = bpf_map_lookup_elem(&stat_files, &row);
	struct dentry *dentry = READ(file, f_path.dentry);
	struct path_walk walk = {.dentry = dentry};
	bool linked = READ(dentry, d_hash.pprev) || READ(dentry, d_parent) == dentry;

	if (!record)
		return;
	walk.record = record;
	walk.mount = (void *)READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	record->inode = READ(inode, i_ino);
	record->sb_magic = READ(inode, i_sb, s_magic);
	record->device = READ(inode, i_sb, s_dev);
	record->mode = READ(inode, i_mode);
	record->open_flags = READ(file, f_flags);
	bpf_loop(MAX_COMPONENTS, walk_path, &walk, 0);
	record->flags = (linked ? 0 : IFL_FILE_UNLINKED) | (walk.complete ? 0 : IFL_FILE_TRUNCATED);
	record->names_bytes = walk.bytes;
	record->names_count = walk.count;
}

/* The inode, not the open file: who opens a file twice works on one file. */
static __always_inline __u32 row_of_file(__u32 family, struct file *file)
{
	struct ifl_stat_key key = {.family = family};
	struct inode *inode = NULL;
	bool fresh;
	__u32 row;

	if (file) {
		inode = READ(file, f_inode);
		key.words[0] = READ(inode, i_ino);
		key.words[1] = READ(inode, i_sb, s_dev);
		/* All anonymous files have one inode. */
		if (READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC)
			key.extra = (__u64)READ(file, f_op) >> 4;
	}
	row = row_of_key(&key, &fresh);
	if (fresh) {
		if (file)
			name_row(row, file, inode);
		label_row(row, &key, NULL, 0);
	}
	return row;
}

#endif
