/* SPDX-License-Identifier: GPL-2.0-only */
/* Files and cgroups: a record with the name, once, and a number to refer to it by. */
#ifndef INFLIGHT_BPF_NAMES_H
#define INFLIGHT_BPF_NAMES_H

#include "buffer.h"
#include "task.h"

#define NAME_BYTES 256 /* NAME_MAX and its NUL */
#define MAX_COMPONENTS 40
/* Another name is begun only below this offset, which leaves room for the longest one. A power of two. */
#define NAMES_START_LIMIT 1024

/*
 * Appends a kernel string to `names`; its length with the NUL, or 0. The mask is written in assembly because the
 * compiler would drop it, and verifiers before 6.3 forget the bound of a spilled register.
 */
static __always_inline __u32 append_name(char *names, __u32 bytes, const void *name)
{
	long length;

	asm volatile("%0 &= %1" : "+r"(bytes) : "i"(NAMES_START_LIMIT - 1));
	length = bpf_probe_read_kernel_str(names + bytes, NAME_BYTES, name);
	return length > 0 && length <= NAME_BYTES ? length : 0;
}

struct cgroup_walk {
	struct ifl_cgroup *record;
	struct kernfs_node *node;
	__u32 bytes;
	__u32 count;
	__u32 complete;
};

#define MAX_CGROUP_LEVELS 512

/* One level. A callback, so that the verifier looks at it once. */
static long walk_cgroup(__u32 index, struct cgroup_walk *walk)
{
	struct kernfs_node *node = walk->node, *parent;
	__u32 length;

	if (bpf_core_field_exists(((struct kernfs_node___rcu *)0)->__parent))
		parent = READ((struct kernfs_node___rcu *)node, __parent);
	else
		parent = READ(node, parent);
	if (!node || !parent) {
		walk->complete = 1;
		return 1;
	}
	if (walk->bytes >= NAMES_START_LIMIT)
		return 1;
	length = append_name(walk->record->names, walk->bytes, READ(node, name));
	if (!length)
		return 1;
	walk->bytes += length;
	walk->count++;
	walk->node = parent;
	return 0;
}

static __always_inline void write_cgroup(struct task_struct *task, __u64 cgroup_id, __u64 time_ns)
{
	struct cgroup_walk walk = {.node = READ(task, cgroups, dfl_cgrp, kn)};
	struct ifl_cgroup *record = reserve(IFL_CGROUP, sizeof(*record), IFL_TIER_NONE, time_ns);

	if (!record)
		return;
	walk.record = record;
	record->cgroup_id = cgroup_id;
	bpf_loop(MAX_CGROUP_LEVELS, walk_cgroup, &walk, 0);
	record->names_bytes = walk.bytes;
	record->names_count = walk.count | (walk.complete ? 0 : IFL_CGROUP_CUT);
	submit(record);
}

/* Says once per cgroup what its path is. */
static __always_inline void note_cgroup(struct task_struct *task, __u64 cgroup_id, __u64 time_ns)
{
	__u8 one = 1;

	if (bpf_map_lookup_elem(&cgroups, &cgroup_id))
		return;
	if (!bpf_map_update_elem(&cgroups, &cgroup_id, &one, BPF_ANY))
		write_cgroup(task, cgroup_id, time_ns);
}

static __always_inline int write_process(__u32 pid, __u32 host_pid, __u64 time_ns)
{
	struct ifl_process *record = reserve(IFL_PROCESS, sizeof(*record), IFL_TIER_NONE, time_ns);

	if (!record)
		return -1;
	record->pid = pid;
	record->host_pid = host_pid;
	submit(record);
	return bpf_map_update_elem(&processes, &host_pid, &pid, BPF_ANY);
}

/* Says once per process what its number outside of our pid namespace is. */
static __always_inline void note_process(struct task_struct *task, __u64 time_ns)
{
	__u32 host_pid, pid, *known;

	if (!config.pid_ns)
		return;
	host_pid = READ(task, tgid);
	pid = process_id_of(task);
	/* Who is not visible there has no other number. */
	if (IFL_IS_ELSEWHERE(pid))
		return;
	known = bpf_map_lookup_elem(&processes, &host_pid);
	if (!known || *known != pid)
		write_process(pid, host_pid, time_ns);
}

struct path_walk {
	struct ifl_file *record;
	struct dentry *dentry;
	struct mount *mount;
	__u32 bytes;
	__u32 count;
	__u32 complete;
};

/* One component of a path, or the step over a mount point. A callback, so that the verifier looks at it once. */
static long walk_path(__u32 index, struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry;
	struct mount *mount = walk->mount;
	struct dentry *parent = READ(dentry, d_parent);
	__u32 length;

	if (dentry == READ(mount, mnt.mnt_root)) {
		struct mount *above = READ(mount, mnt_parent);

		if (above == mount || !above) {
			walk->complete = 1;
			return 1;
		}
		walk->dentry = READ(mount, mnt_mountpoint);
		walk->mount = above;
		return 0;
	}
	if (walk->bytes >= NAMES_START_LIMIT)
		return 1;
	length = append_name(walk->record->names, walk->bytes, READ(dentry, d_name.name));
	if (!length)
		return 1;
	walk->bytes += length;
	walk->count++;
	walk->dentry = parent;
	/* The root of a file system that is mounted nowhere: pipes, sockets, ... */
	walk->complete = parent == dentry;
	return walk->complete;
}

static __always_inline int write_file(struct file *file, __u64 file_id, __u64 time_ns)
{
	struct inode *inode = READ(file, f_inode);
	struct dentry *dentry = READ(file, f_path.dentry);
	struct path_walk walk = {.dentry = dentry};
	/* d_unlinked() of include/linux/dcache.h: the root of a file system is never hashed. */
	bool linked = READ(dentry, d_hash.pprev) || READ(dentry, d_parent) == dentry;
	__u32 unlinked = linked ? 0 : IFL_FILE_UNLINKED;
	struct ifl_file *record;

	walk.mount = (void *)READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	record = reserve(IFL_FILE, sizeof(*record), IFL_TIER_NONE, time_ns);
	if (!record)
		return -1;
	walk.record = record;
	record->file_id = file_id;
	record->inode = READ(inode, i_ino);
	record->sb_magic = READ(inode, i_sb, s_magic);
	record->device = READ(inode, i_sb, s_dev);
	record->mode = READ(inode, i_mode);
	record->open_flags = READ(file, f_flags);
	bpf_loop(MAX_COMPONENTS, walk_path, &walk, 0);
	record->flags = unlinked | (walk.complete ? 0 : IFL_FILE_TRUNCATED);
	record->names_bytes = walk.bytes;
	record->names_count = walk.count;
	submit(record);
	return 0;
}

/* The number of an open file; its record is written the first time. 0: none. */
static __always_inline __u64 file_id_of(struct file *file, __u64 time_ns)
{
	struct file_key key = {};
	__u64 *known, id;

	if (!file)
		return 0;
	key.file = (__u64)file;
	key.dentry = (__u64)READ(file, f_path.dentry);
	key.operations = (__u64)READ(file, f_op);
	key.inode_number = READ(file, f_inode, i_ino);
	known = bpf_map_lookup_elem(&files, &key);
	if (known)
		return *known;
	id = next_id();
	if (write_file(file, id, time_ns))
		return 0;
	/* Should this fail (the bucket is busy), the file gets a second record and number: harmless. */
	bpf_map_update_elem(&files, &key, &id, BPF_ANY);
	return id;
}

static __always_inline struct file *file_of_fd(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = READ(task, files, fdt);
	struct file **slots = READ(table, fd);
	struct file *file = NULL;

	if (fd >= READ(table, max_fds))
		return NULL;
	copy_kernel(&file, slots + fd, sizeof(file));
	return file;
}

#endif
