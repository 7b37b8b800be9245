/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The buffers through which records come: one per CPU, a power of two of bytes, in two mapped arrays.
 *
 * Positions count bytes from the start of the trace; a position's place is its remainder by the size. The kernel side
 * takes room for a record by moving `head` on, the reader gives it back by moving `tail` on. Each record stands behind
 * a mark, which is made of its position and a number that nobody else knows: whatever a program makes us write there,
 * and whatever is left from the round before, does not look like one. All sizes and positions are multiples of 8. A
 * record never goes round the end: a mark sends the reader to the start. The reader stops at what is no finished mark.
 */
#ifndef INFLIGHT_CONTRACT_BUFFER_H
#define INFLIGHT_CONTRACT_BUFFER_H

#include "records.h"

/* The record's position ^ config.buffer_key, and one of: */
#define IFL_MARK_DONE 0 /* the record can be read */
#define IFL_MARK_BUSY 1 /* it is just being written */
#define IFL_MARK_VOID 2 /* it was taken back: only its size is true */
#define IFL_MARK_SKIP 3 /* there is none up to the end of the buffer */
#define IFL_MARK_BYTES 8

/* Each on a cache line of its own. */
struct ifl_buffer_positions {
	ifl_u64 head; /* changed by the kernel side only */
	ifl_u64 reserved[7];
	ifl_u64 tail; /* by the reader only */
	ifl_u64 reserved2[7];
};

#ifdef __cplusplus
static_assert(sizeof(ifl_buffer_positions) == 128, "two cache lines");
#endif

#endif
