/* SPDX-License-Identifier: GPL-2.0-only */
/* What the operations that matter to security work on: paths, addresses, times. The kernel's copy where it has one. */
#ifndef INFLIGHT_BPF_URING_DETAILS_H
#define INFLIGHT_BPF_URING_DETAILS_H

#include "uring.h"

#define IOVEC_BYTES 16
#define FUTEX_WAITV_BYTES 24
#define TIMESPEC_BYTES 16
#define INTEGRITY_BYTES 32
#define TIMEOUT_UPDATES (1u << 1 | 1u << 4) /* IORING_TIMEOUT_UPDATE, IORING_LINK_TIMEOUT_UPDATE */
#define TIMEOUT_IMMEDIATE_ARG (1u << 7)
#define SOCKADDR_BYTES_MAX 128
#define AF_INET 2
#define AF_INET6 10
#define AF_MAX 46

static __always_inline void note_detail(struct ifl_uring_request *request, bool written)
{
	request->details++;
	if (!written)
		request->flags |= IFL_UREQ_DETAILS_LOST;
}

static __always_inline void add_text(struct ifl_uring_request *request, struct detail *detail, __u8 kind,
				     const void *address)
{
	if (!address)
		return;
	detail->kind = kind;
	detail->address = (__u64)address;
	note_detail(request, write_text(detail));
}

static __always_inline void add_bytes(struct ifl_uring_request *request, struct detail *detail, __u8 kind,
				      const void *address, __u32 count)
{
	if (!address || !count)
		return;
	detail->kind = kind;
	detail->address = (__u64)address;
	note_detail(request, write_bytes(detail, count));
}

/* A member that points to a path, in the form that this kernel has; NULL: in a form of its own. */
#define PATH_OF(type, req, member)                                                                                     \
	({                                                                                                             \
		struct filename *path_ = NULL;                                                                         \
		if (bpf_core_field_exists(((struct type##___delayed *)0)->member.__incomplete_filename))               \
			path_ = READ((struct type##___delayed *)req, member.__incomplete_filename);                    \
		else if (bpf_core_field_exists(((struct type *)0)->member))                                            \
			path_ = READ((struct type *)req, member);                                                      \
		path_;                                                                                                 \
	})

static __always_inline struct filename *first_path(struct io_kiocb *req, __u8 opcode)
{
	switch (opcode) {
	case OP_OPENAT:
	case OP_OPENAT2: return PATH_OF(io_open, req, filename);
	case OP_STATX: return PATH_OF(io_statx, req, filename);
	case OP_UNLINKAT: return PATH_OF(io_unlink, req, filename);
	case OP_MKDIRAT: return PATH_OF(io_mkdir, req, filename);
	case OP_RENAMEAT: return PATH_OF(io_rename, req, oldpath);
	case OP_SYMLINKAT:
	case OP_LINKAT: return PATH_OF(io_link, req, oldpath);
	case OP_SETXATTR:
	case OP_GETXATTR: return PATH_OF(io_xattr, req, filename);
	}
	return NULL;
}

static __always_inline struct filename *second_path(struct io_kiocb *req, __u8 opcode)
{
	if (opcode == OP_RENAMEAT)
		return PATH_OF(io_rename, req, newpath);
	if (opcode == OP_SYMLINKAT || opcode == OP_LINKAT)
		return PATH_OF(io_link, req, newpath);
	return NULL;
}

static __always_inline void add_paths(struct ifl_uring_request *request, struct detail *detail, struct io_kiocb *req)
{
	struct filename *path = first_path(req, request->opcode);

	if (path)
		add_text(request, detail, IFL_DETAIL_PATH, READ(path, name));
	path = second_path(req, request->opcode);
	if (path)
		add_text(request, detail, IFL_DETAIL_NEW_PATH, READ(path, name));
}

static __always_inline void add_xattr_name(struct ifl_uring_request *request, struct detail *detail,
					   struct io_kiocb *req)
{
	struct xattr_name *name;

	if (bpf_core_type_exists(struct kernel_xattr_ctx))
		name = READ((struct io_xattr___kernel_ctx *)req, ctx.kname);
	else
		name = READ((struct io_xattr *)req, ctx.kname);
	add_text(request, detail, IFL_DETAIL_XATTR_NAME, name);
}

/*
 * Where in the request's own memory the address stands: in a struct io_async_msghdr, or (newer, seen in 6.18.44) alone.
 * No type tells which. Alone it begins with its family; the other begins with a pointer, NULL or a multiple of 8.
 */
static __always_inline __u32 copied_address_offset(const void *copy)
{
	__u16 family = 0;

	bpf_probe_read_kernel(&family, sizeof(family), copy);
	return family && family < AF_MAX ? 0 : bpf_core_field_offset(struct io_async_msghdr, addr);
}

/* The address of connect and bind. */
static __always_inline void add_address(struct ifl_uring_request *request, struct detail *detail, struct io_kiocb *req,
					const struct uring_sqe *sqe)
{
	void *copy = READ(req, async_data);
	__u32 count = (__u32)sqe->off;

	if (count > SOCKADDR_BYTES_MAX)
		count = SOCKADDR_BYTES_MAX;
	detail->kernel = 0;
	if (copy && !bpf_core_type_exists(struct io_async_connect)) {
		copy += copied_address_offset(copy);
		detail->kernel = 1;
	} else {
		copy = (void *)sqe->addr;
	}
	add_bytes(request, detail, IFL_DETAIL_ADDRESS, copy, count);
}

/* struct msghdr { void *msg_name; int msg_namelen; ... } */
static __always_inline void add_message_address(struct ifl_uring_request *request, struct detail *detail,
						const struct uring_sqe *sqe)
{
	struct {
		__u64 name;
		__u32 name_bytes;
	} head = {};

	if (bpf_probe_read_user(&head, 12, (void *)sqe->addr) || !head.name)
		return;
	if (head.name_bytes > SOCKADDR_BYTES_MAX)
		head.name_bytes = SOCKADDR_BYTES_MAX;
	add_bytes(request, detail, IFL_DETAIL_ADDRESS, (void *)head.name, head.name_bytes);
}

static __always_inline void add_vector(struct ifl_uring_request *request, struct detail *detail, __u8 kind,
				       const struct uring_sqe *sqe, __u32 entry_bytes)
{
	__u32 most = SMALL_DETAIL / entry_bytes, count = sqe->len < most ? sqe->len : most;

	detail->total = sqe->len;
	add_bytes(request, detail, kind, (void *)sqe->addr, count * entry_bytes);
	detail->total = 0;
}

static __always_inline void add_details(struct ifl_uring_request *request, struct io_kiocb *req,
					const struct uring_sqe *sqe, __u64 now)
{
	struct detail detail = {.owner_id = request->request_id, .time_ns = now, .tier = IFL_TIER_TRACEPOINT};
	void *timeout;
	__u32 count;

	/*
	 * sqe.attr_ptr and sqe.attr_type_mask. Kernels before 6.14 do not look at them, so there they mean nothing; a
	 * field of 6.13 tells those apart that matter.
	 */
	if (op_is(request->opcode, IFL_OP_IO_RW) && sqe->pad &&
	    bpf_core_field_exists(((struct io_ring_ctx___wait *)0)->cq_wait_arg))
		add_bytes(request, &detail, IFL_DETAIL_INTEGRITY, (void *)sqe->addr3, INTEGRITY_BYTES);
	switch (request->opcode) {
	case OP_OPENAT2:
	case OP_OPENAT:
	case OP_STATX:
	case OP_UNLINKAT:
	case OP_MKDIRAT:
	case OP_RENAMEAT:
	case OP_SYMLINKAT:
	case OP_LINKAT:
	case OP_SETXATTR:
	case OP_GETXATTR:
		detail.kernel = 1;
		add_paths(request, &detail, req);
		if (request->opcode == OP_OPENAT2)
			add_bytes(request, &detail, IFL_DETAIL_OPEN_HOW,
				  (void *)req + bpf_core_field_offset(struct io_open, how), 24);
		if (request->opcode != OP_SETXATTR && request->opcode != OP_GETXATTR)
			return;
		add_xattr_name(request, &detail, req);
		return;
	case OP_FSETXATTR:
	case OP_FGETXATTR:
		detail.kernel = 1;
		add_xattr_name(request, &detail, req);
		return;
	case OP_CONNECT:
	case OP_BIND: add_address(request, &detail, req, sqe); return;
	case OP_SEND:
	case OP_SEND_ZC:
		/* sqe.addr2 and sqe.addr_len: where to, for a socket that is not connected */
		count = (__u16)sqe->splice_fd_in;
		if (count > SOCKADDR_BYTES_MAX)
			count = SOCKADDR_BYTES_MAX;
		if (sqe->off)
			add_bytes(request, &detail, IFL_DETAIL_ADDRESS, (void *)sqe->off, count);
		return;
	case OP_SENDMSG:
	case OP_SENDMSG_ZC:
		/* 32-bit programs have other structures. */
		if (!is_compat_ring(READ(req, ctx)))
			add_message_address(request, &detail, sqe);
		return;
	case OP_TIMEOUT:
	case OP_LINK_TIMEOUT:
		timeout = READ(req, async_data);
		if (!timeout)
			return;
		detail.kernel = 1;
		if (bpf_core_field_exists(((struct io_timeout_data *)0)->ts))
			add_bytes(request, &detail, IFL_DETAIL_TIMESPEC,
				  timeout + bpf_core_field_offset(struct io_timeout_data, ts), 16);
		else if (bpf_core_field_exists(((struct io_timeout_data___nanoseconds *)0)->time))
			add_bytes(request, &detail, IFL_DETAIL_TIMESPEC,
				  timeout + bpf_core_field_offset(struct io_timeout_data___nanoseconds, time), 8);
		return;
	case OP_TIMEOUT_REMOVE:
		/* The new time is at sqe.addr2, or that is the new time itself. */
		if (sqe->op_flags & TIMEOUT_UPDATES && !(sqe->op_flags & TIMEOUT_IMMEDIATE_ARG))
			add_bytes(request, &detail, IFL_DETAIL_TIMESPEC, (void *)sqe->off, TIMESPEC_BYTES);
		return;
	case OP_FUTEX_WAITV: add_vector(request, &detail, IFL_DETAIL_FUTEXES, sqe, FUTEX_WAITV_BYTES); return;
	case OP_READV:
	case OP_WRITEV:
	case OP_READV_FIXED:
	case OP_WRITEV_FIXED:
		if (config.iovecs_wanted && !is_compat_ring(READ(req, ctx)))
			add_vector(request, &detail, IFL_DETAIL_IOVECS, sqe, IOVEC_BYTES);
		return;
	}
}

/* Who is at the other end of the socket that accept returned. */
static __always_inline void add_peer(struct ifl_uring_request *request, __u64 now)
{
	struct detail detail = {.owner_id = request->request_id, .time_ns = now, .tier = IFL_TIER_TRACEPOINT};
	struct {
		__u16 family;
		__be16 port;
		__be32 address;
		__u32 address6[4];
		__u32 scope;
	} peer = {};
	struct socket *socket;
	struct sock *sock;
	struct file *file;
	__u32 bytes = 16;

	if (request->result < 0 || request->opcode != OP_ACCEPT || (__u32)(current_ids() >> 32) != request->pid)
		return;
	file = file_of_fd(current_task(), request->result);
	socket = READ((struct file___private *)file, private_data);
	sock = READ(socket, sk);
	if (!sock)
		return;
	peer.family = READ(sock, __sk_common.skc_family);
	peer.port = READ(sock, __sk_common.skc_dport);
	if (peer.family == AF_INET) {
		peer.address = READ(sock, __sk_common.skc_daddr);
	} else if (peer.family == AF_INET6) {
		BPF_CORE_READ_INTO(&peer.address6, sock, __sk_common.skc_v6_daddr);
		bytes = sizeof(peer);
	} else {
		return;
	}
	detail.kernel = 1;
	add_bytes(request, &detail, IFL_DETAIL_PEER, &peer, bytes);
}

#endif
