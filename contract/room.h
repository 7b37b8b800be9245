/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * How the kernel side takes room for a record in a buffer (buffer.h). It stands apart from the maps, so that the unit
 * tests run the same code in every order (tests/unit/room_test.cpp).
 */
#ifndef INFLIGHT_CONTRACT_ROOM_H
#define INFLIGHT_CONTRACT_ROOM_H

#include "buffer.h"
#include "owner.h"

/* A place is lost only to another record: of an interrupt, or of a task that has preempted this one. */
#define IFL_ROOM_TRIES 4
#define IFL_NO_ROOM (~0u)

IFL_OWNER_STEP ifl_u64 ifl_position_of(const ifl_u64 *position)
{
	IFL_STEP();
	return *IFL_CAST(const volatile ifl_u64 *, position);
}

/*
 * Takes `bytes`, a multiple of 8, marks them as busy and returns their place; IFL_NO_ROOM: the buffer is full. Others
 * may come in between and write whole records: what they find is either not taken yet or not marked yet, and the reader
 * stops at the latter.
 */
IFL_OWNER_STEP ifl_u32 ifl_take_room(struct ifl_buffer_positions *positions, char *buffer, ifl_u32 buffer_bytes,
				     ifl_u64 key, ifl_u32 bytes)
{
	for (int i = 0; i < IFL_ROOM_TRIES; i++) {
		ifl_u64 head = ifl_position_of(&positions->head), next;
		ifl_u32 at = head & (buffer_bytes - 1) & 0xffffffffU, left = buffer_bytes - at, skipped = 0;

		if (left < bytes)
			skipped = left;
		next = head + skipped + bytes;
		if (next - ifl_position_of(&positions->tail) > buffer_bytes)
			return IFL_NO_ROOM;
		IFL_STEP();
		if (__sync_val_compare_and_swap(&positions->head, head, next) != head)
			continue;
		__asm__ volatile("" : "+r"(at));
		if (at > buffer_bytes - IFL_MARK_BYTES)
			return IFL_NO_ROOM;
		if (skipped) {
			IFL_STEP();
			*IFL_CAST(volatile ifl_u64 *, buffer + at) = (head ^ key) | IFL_MARK_SKIP;
			head += skipped;
			at = 0;
		}
		IFL_STEP();
		*IFL_CAST(volatile ifl_u64 *, buffer + at) = (head ^ key) | IFL_MARK_BUSY;
		return at;
	}
	return IFL_NO_ROOM;
}

#endif
