/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel structures that the programs read, cut down to the fields in use. libbpf relocates every access
 * to the running kernel's layout (CO-RE), so order and size here mean nothing. Where kernels differ in a name or
 * in the shape of an argument, the difference is settled in this file and nowhere else.
 */
#ifndef INFLIGHT_BPF_KERNEL_H
#define INFLIGHT_BPF_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef short __s16;
typedef signed char __s8;
#define bool _Bool
#define true 1
#define false 0
#define NULL ((void *)0)
/* Tells bpf_tracing.h that struct pt_regs has the kernel's own register names. */
#define __VMLINUX_H__

/* Of linux/bpf.h, which cannot be included beside these structures. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};
enum {
	BPF_RB_NO_WAKEUP = 1,
};
enum {
	BPF_F_NO_PREALLOC = 1u << 0,
	BPF_F_MMAPABLE = 1u << 10,
};
struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, sp, bx, bp;
};

typedef struct {
	int counter;
} atomic_t;
typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;
struct list_head {
	struct list_head *next, *prev;
};
struct hlist_bl_node {
	struct hlist_bl_node *next, **pprev;
};
struct qstr {
	const unsigned char *name;
};
struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
};
struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
};
struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};
struct vfsmount {
	struct dentry *mnt_root;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
struct file {
	struct inode *f_inode;
	const struct file_operations *f_op;
	unsigned int f_flags;
	struct path f_path;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};

struct kernfs_node {
	const char *name;
	struct kernfs_node *parent;
	__u64 id;
};
/* kernfs_node.parent is __parent (RCU) since 6.15, kernel commit 741c10b096bc */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
};
struct cgroup {
	int level;
	struct kernfs_node *kn;
};
/* cgroup.ancestors[] holds cgroups since 6.1 (kernel commit 7f203bc89eb6); before it was ancestor_ids[] */
struct cgroup___ancestors {
	struct cgroup *ancestors[0];
};
struct cgroup___ids {
	__u64 ancestor_ids[0];
};
struct css_set {
	struct cgroup *dfl_cgrp;
};

struct ns_common {
	unsigned int inum;
};
struct pid_namespace {
	struct ns_common ns;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct nsproxy {
	struct mnt_namespace *mnt_ns;
};
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[0];
};
struct cred {
	struct {
		unsigned int val;
	} uid;
};
struct signal_struct {
	atomic_t live;
	unsigned int flags;
	int group_exit_code;
};
struct thread_info {
	__u32 status;
};

struct io_event {
	__u64 data, obj;
	__s64 res, res2;
};
struct kioctx {
	atomic_t dead;
	unsigned long user_id;
	unsigned int req_batch, max_reqs, nr_events;
	struct list_head active_reqs;
	unsigned int id; /* its slot in the table */
};
struct kioctx_table {
	unsigned int nr;
	struct kioctx *table[0];
};
struct mm_struct {
	struct kioctx_table *ioctx_table;
	struct task_struct *owner; /* CONFIG_MEMCG */
};
struct kiocb {
	struct file *ki_filp;
	long long ki_pos;
	void *ki_complete;
	int ki_flags;
};
struct poll_iocb {
	unsigned int events;
	bool cancelled;
};
struct aio_kiocb {
	union {
		struct file *ki_filp;
		struct kiocb rw;
		struct poll_iocb poll;
	};
	struct kioctx *ki_ctx;
	void *ki_cancel;
	struct io_event ki_res;
	struct list_head ki_list;
	refcount_t ki_refcnt;
};
struct poll_table_struct {
	void *_qproc;
};
struct aio_poll_table {
	struct poll_table_struct pt;
	struct aio_kiocb *iocb;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};
struct sched_info {
	unsigned long long run_delay;
};
struct task_struct {
	struct thread_info thread_info;
	struct sched_entity se;
	struct sched_info sched_info;
	unsigned long nvcsw;
	__u64 start_time;
	int pid, tgid, exit_code;
	struct task_struct *real_parent, *group_leader;
	const struct cred *cred;
	struct mm_struct *mm;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct pid *thread_pid;
	char comm[16];
};

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define SIGNAL_GROUP_EXIT 0x00000004 /* signal_struct.flags, include/linux/sched/signal.h */

/* linux/aio_abi.h: the same bytes in 32-bit tasks. User memory, hence not relocated. */
struct iocb {
	__u64 aio_data;
	__u32 aio_key;
	__u32 aio_rw_flags;
	__u16 aio_lio_opcode;
	__s16 aio_reqprio;
	__u32 aio_fildes;
	__u64 aio_buf;
	__u64 aio_nbytes;
	__s64 aio_offset;
	__u64 aio_reserved2;
	__u32 aio_flags;
	__u32 aio_resfd;
};

enum {
	IOCB_CMD_PREAD = 0,
	IOCB_CMD_PWRITE = 1,
	IOCB_CMD_FSYNC = 2,
	IOCB_CMD_FDSYNC = 3,
	IOCB_CMD_POLL = 5,
	IOCB_CMD_PREADV = 7,
	IOCB_CMD_PWRITEV = 8,
};

#define IOCB_APPEND (1 << 4)	   /* RWF_APPEND */
#define IOCB_WRITE (1 << 18)	   /* include/linux/fs.h, kiocb.ki_flags, 5.10 to 6.18 */
#define TS_COMPAT 0x0002	   /* arch/x86/include/asm/thread_info.h: in a 32-bit system call */
#define X32_SYSCALL_BIT 0x40000000 /* arch/x86/include/uapi/asm/unistd.h */
#define ERRNO_EACCES 13
#define ERRNO_EINVAL 22
#define ERRNO_EINPROGRESS 115

#endif
