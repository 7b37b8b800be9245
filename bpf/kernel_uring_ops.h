/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What io_uring's operations keep: the few fields in use, in each form that they have. Sources: io_uring/ and
 * include/linux/fs.h of Linux 6.1 to 7.3.
 */
#ifndef INFLIGHT_BPF_KERNEL_URING_OPS_H
#define INFLIGHT_BPF_KERNEL_URING_OPS_H

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* What an operation keeps in io_kiocb.cmd. */
struct io_rw {
	struct kiocb kiocb;
	__u64 addr;
	__u32 len;
};
struct filename {
	const char *name;
};
struct open_how {
	__u64 flags, mode, resolve;
};
/* Since 7.0, where the members that point to a path are such structures. */
struct delayed_filename {
	struct filename *__incomplete_filename;
};
struct io_open {
	struct filename *filename;
	struct open_how how;
};
struct io_open___delayed {
	struct delayed_filename filename;
};
struct io_statx {
	struct filename *filename;
};
struct io_statx___delayed {
	struct delayed_filename filename;
};
struct io_unlink {
	struct filename *filename;
};
struct io_unlink___delayed {
	struct delayed_filename filename;
};
struct io_mkdir {
	struct filename *filename;
};
struct io_mkdir___delayed {
	struct delayed_filename filename;
};
struct io_rename {
	struct filename *oldpath, *newpath;
};
struct io_rename___delayed {
	struct delayed_filename oldpath, newpath;
};
struct io_link {
	struct filename *oldpath, *newpath;
};
struct io_link___delayed {
	struct delayed_filename oldpath, newpath;
};
struct xattr_name {
	char name[256];
};
struct xattr_ctx {
	struct xattr_name *kname;
};
/* Its name in 6.18. */
struct kernel_xattr_ctx {
	struct xattr_name *kname;
};
struct io_xattr {
	struct xattr_ctx ctx;
	struct filename *filename;
};
struct io_xattr___kernel_ctx {
	struct kernel_xattr_ctx ctx;
};
struct io_xattr___delayed {
	struct delayed_filename filename;
};
struct io_connect {
	int addr_len;
};
struct io_bind {
	int addr_len;
};
/* In 6.1; it is gone in 6.12, where the address is copied when the SQE is read, not only when the request is punted. */
struct io_async_connect {
	char address;
};
struct __kernel_sockaddr_storage {
	__u16 ss_family;
};
struct io_async_msghdr {
	struct __kernel_sockaddr_storage addr;
};
struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};
struct io_timeout_data {
	struct timespec64 ts;
};
/* Since 7.1: nanoseconds. */
struct io_timeout_data___nanoseconds {
	__s64 time;
};

struct in6_addr {
	__u32 words[4];
};
struct sock_common {
	__be32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
};
struct sock {
	struct sock_common __sk_common;
};
struct socket {
	struct sock *sk;
};

#pragma clang attribute pop

#endif
