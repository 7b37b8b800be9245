/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who has which file open, and what stands on the lists of one ring: read by the user side when it asks, not in the
 * stream of records.
 */
#ifndef INFLIGHT_CONTRACT_HELD_H
#define INFLIGHT_CONTRACT_HELD_H

#include "records.h"

enum ifl_held_kind {
	IFL_HELD_DESCRIPTOR = 1, /* `fd` of the file table that thread `tid` uses */
	IFL_HELD_REGISTERED = 2, /* a ring that thread `tid` registered for itself; `fd` is its index there */
	IFL_HELD_MAPPED = 3,	 /* a mapping of the file; `fd` is void */
	IFL_HELD_PROCESS = 4,	 /* no file: tells the memory of process `pid` */
	IFL_HELD_DESTROYING = 5, /* thread `tid` sleeps in io_destroy; `file` is the context as the program names it */
	IFL_HELD_EXITING = 6,	 /* thread `tid` sleeps while it exits */
};

/* Written by an iterator to its reader, one after the other. */
struct ifl_held {
	ifl_u64 file; /* struct file * */
	ifl_u64 ring; /* struct io_ring_ctx *, 0: the file is no ring */
	ifl_u64 mm;   /* struct mm_struct * of the process */
	ifl_u32 pid;
	ifl_u32 tid;
	ifl_s32 fd;
	ifl_u32 kind; /* enum ifl_held_kind */
};

/* A request that waits on one of the lists of a ring. */
struct ifl_listed {
	ifl_u64 req; /* struct io_kiocb * */
	ifl_u64 user_data;
	ifl_u64 file; /* struct file *, 0: none */
	ifl_u32 pid;  /* of the task that submitted it; of an SQPOLL ring the SQ thread's process */
	ifl_u8 opcode;
	ifl_u8 place; /* enum ifl_place */
	ifl_u8 reserved[2];
};

/* What more requests a list has is not written out; their number is known. */
#define IFL_LISTED_MAX 65536

#ifdef __cplusplus
static_assert(sizeof(ifl_held) == 40, "no hidden padding");
static_assert(sizeof(ifl_listed) == 32, "no hidden padding");
#endif

#endif
