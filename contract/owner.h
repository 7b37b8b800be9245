/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who owns an entry of the tables of requests in flight. Three take entries: a request that begins (it must get a place
 * at once, and cannot wait), a walk over the kernel's lists (it fills in what was there before the hooks, from what it
 * saw a moment ago), and who ends a request. The steps stand here, apart from the maps, so that the unit tests run the
 * same code in every order (tests/unit/owners_test.cpp).
 *
 * A walk owns an entry until somebody else comes: whoever finds an entry that is being filled in marks it as contested
 * and goes elsewhere. The walk learns of it when it has finished, and gives the entry up.
 */
#ifndef INFLIGHT_CONTRACT_OWNER_H
#define INFLIGHT_CONTRACT_OWNER_H

#include "tables.h"

#ifdef __cplusplus
#define IFL_CAST(type, value) reinterpret_cast<type>(value)
#else
#define IFL_CAST(type, value) ((type)(value))
#endif

/* Stands before each access to what several share; the unit tests change the order there. */
#ifndef IFL_STEP
#define IFL_STEP() ((void)0)
#endif

#define IFL_OWNER_STEP static inline __attribute__((always_inline))

/* Each failure means that another has moved on; four in a row do not happen. */
#define IFL_TAKE_TRIES 4
#ifndef IFL_WAIT_TRIES
#define IFL_WAIT_TRIES 64 /* who writes to an entry is done with it in less, unless it is preempted */
#endif
#define IFL_GENERATION (1ULL << 32)
#define IFL_STATE_OF(open, state) (((state) & ~0xffffffffULL) | (open))

/* `open` and `generation`, which are read and changed as one. */
typedef ifl_u64 __attribute__((may_alias)) ifl_state_word;

IFL_OWNER_STEP ifl_u64 ifl_state_of(const struct ifl_uring_entry *entry)
{
	IFL_STEP();
	return *IFL_CAST(const volatile ifl_state_word *, &entry->open);
}

IFL_OWNER_STEP int ifl_change_state(struct ifl_uring_entry *entry, ifl_u64 from, ifl_u64 to)
{
	IFL_STEP();
	return __sync_val_compare_and_swap(IFL_CAST(ifl_state_word *, &entry->open), from, to) == from;
}

/* What was written to the entry is there before it is seen to have this state. For its owner only. */
IFL_OWNER_STEP void ifl_set_open(struct ifl_uring_entry *entry, ifl_u32 open)
{
	__asm__ volatile("" ::: "memory");
	IFL_STEP();
	*IFL_CAST(volatile ifl_u32 *, &entry->open) = open;
}

/*
 * For a request that begins at `req`. 1: the entry is its own, and `was` says in which state it was; what stood there
 * before is still in it. 0: it must stand elsewhere.
 */
IFL_OWNER_STEP int ifl_take_to_begin(struct ifl_uring_entry *entry, ifl_u64 req, ifl_u32 *was)
{
	for (int i = 0; i < IFL_TAKE_TRIES; i++) {
		ifl_u64 state = ifl_state_of(entry);
		ifl_u32 open = state & 0xffffffffU;

		if (open == IFL_UENTRY_BUSY) {
			if (ifl_change_state(entry, state, state + IFL_GENERATION))
				return 0;
			continue;
		}
		IFL_STEP();
		if (open != IFL_UENTRY_FREE && *IFL_CAST(volatile ifl_u64 *, &entry->request.req) != req)
			return 0;
		*was = open;
		if (ifl_change_state(entry, state, IFL_STATE_OF(IFL_UENTRY_BUSY, state + IFL_GENERATION)))
			return 1;
	}
	return 0;
}

/*
 * For a walk: another request than that at `req` stands in its slot. A slot that is being written to may become that of
 * the request itself: then the answer is 0, and taking it will fail.
 */
IFL_OWNER_STEP int ifl_stands_elsewhere(const struct ifl_uring_entry *slot, ifl_u64 req)
{
	for (int i = 0; i < IFL_WAIT_TRIES; i++) {
		ifl_u32 open = ifl_state_of(slot) & 0xffffffffU;

		if (open == IFL_UENTRY_FREE)
			return 0;
		IFL_STEP();
		if (open != IFL_UENTRY_BUSY)
			return *IFL_CAST(const volatile ifl_u64 *, &slot->request.req) != req;
	}
	return 0;
}

/* For a walk. 1: the entry is its own until it is contested; `taken` is for ifl_publish(). */
IFL_OWNER_STEP int ifl_take_to_fill(struct ifl_uring_entry *entry, ifl_u64 *taken)
{
	ifl_u64 state = ifl_state_of(entry);

	if ((state & 0xffffffffU) != IFL_UENTRY_FREE)
		return 0;
	*taken = IFL_STATE_OF(IFL_UENTRY_BUSY, state + IFL_GENERATION);
	return ifl_change_state(entry, state, *taken);
}

/* For a walk that has taken an entry: nobody is to find it. */
IFL_OWNER_STEP void ifl_give_back(struct ifl_uring_entry *entry)
{
	entry->request.req = 0;
	ifl_set_open(entry, IFL_UENTRY_FREE);
}

/* The walk has filled the entry in. 0: it was contested, and is free again. */
IFL_OWNER_STEP int ifl_publish(struct ifl_uring_entry *entry, ifl_u64 taken, ifl_u32 open)
{
	if (ifl_change_state(entry, taken, IFL_STATE_OF(open, taken)))
		return 1;
	/* The request there stands elsewhere, or has ended. */
	ifl_give_back(entry);
	return 0;
}

/* A request has ended that stands nowhere: a walk that is just filling it in must not publish it. */
IFL_OWNER_STEP void ifl_contest(struct ifl_uring_entry *entry)
{
	ifl_u64 state = ifl_state_of(entry);

	if ((state & 0xffffffffU) == IFL_UENTRY_BUSY)
		ifl_change_state(entry, state, state + IFL_GENERATION);
}

/*
 * A request that begins has taken an entry of the hash map. A walk may have written it down in its slot meanwhile,
 * which was another's a moment ago: that goes. Who walks looks at the hash map once it has the slot, so one sees the
 * other.
 */
IFL_OWNER_STEP void ifl_clear_slot(struct ifl_uring_entry *slot, ifl_u64 req)
{
	for (int i = 0; i < IFL_TAKE_TRIES; i++) {
		ifl_u64 state = ifl_state_of(slot);
		ifl_u32 open = state & 0xffffffffU;

		if (open == IFL_UENTRY_FREE)
			return;
		if (open == IFL_UENTRY_BUSY) {
			if (ifl_change_state(slot, state, state + IFL_GENERATION))
				return;
			continue;
		}
		IFL_STEP();
		if (*IFL_CAST(const volatile ifl_u64 *, &slot->request.req) != req)
			return;
		if (ifl_change_state(slot, state, IFL_STATE_OF(IFL_UENTRY_BUSY, state + IFL_GENERATION))) {
			slot->request.req = 0;
			ifl_set_open(slot, IFL_UENTRY_FREE);
			return;
		}
	}
}

/* A request is in flight there. */
IFL_OWNER_STEP int ifl_is_open(ifl_u32 open)
{
	return open == IFL_UENTRY_OPEN || open == IFL_UENTRY_IGNORED;
}

/* A walk has found it and no second one has met it: it may be a request that has ended. */
IFL_OWNER_STEP int ifl_is_unconfirmed(const struct ifl_uring_entry *entry)
{
	return entry->request.flags & IFL_UREQ_EXISTED && entry->walked < IFL_CONFIRMING_WALK;
}

/* --- The same for kernel AIO, whose entries have no generation: a state of its own says that one is contested. ---- */

IFL_OWNER_STEP int ifl_change_taken(struct ifl_request_entry *entry, ifl_u32 from, ifl_u32 to)
{
	IFL_STEP();
	return __sync_val_compare_and_swap(&entry->taken, from, to) == from;
}

IFL_OWNER_STEP ifl_u32 ifl_taken_of(const struct ifl_request_entry *entry)
{
	IFL_STEP();
	return *IFL_CAST(const volatile ifl_u32 *, &entry->taken);
}

IFL_OWNER_STEP void ifl_set_taken(struct ifl_request_entry *entry, ifl_u32 taken)
{
	__asm__ volatile("" ::: "memory");
	IFL_STEP();
	*IFL_CAST(volatile ifl_u32 *, &entry->taken) = taken;
}

/* A request stands there: not one that is just being written. */
IFL_OWNER_STEP int ifl_is_taken(ifl_u32 taken)
{
	return taken == IFL_ENTRY_IN_FLIGHT || taken == IFL_ENTRY_BUSY;
}

IFL_OWNER_STEP void ifl_contest_taken(struct ifl_request_entry *slot)
{
	if (ifl_taken_of(slot) == IFL_ENTRY_FILLING)
		ifl_change_taken(slot, IFL_ENTRY_FILLING, IFL_ENTRY_CONTESTED);
}

/* Copies a request into a free slot. `found`: a walk has found it, and gives way. 0: it must stand elsewhere. */
IFL_OWNER_STEP int ifl_fill_slot(struct ifl_request_entry *slot, const struct ifl_request_entry *entry, int found)
{
	if (ifl_taken_of(slot) != IFL_ENTRY_FREE || !ifl_change_taken(slot, IFL_ENTRY_FREE, IFL_ENTRY_FILLING)) {
		if (!found)
			ifl_contest_taken(slot);
		return 0;
	}
	IFL_STEP();
	__builtin_memcpy(&slot->request, &entry->request, sizeof(slot->request));
	slot->file = entry->file;
	slot->iterated = entry->iterated;
	if (!found) {
		ifl_set_taken(slot, IFL_ENTRY_IN_FLIGHT);
		return 1;
	}
	__asm__ volatile("" ::: "memory");
	if (ifl_change_taken(slot, IFL_ENTRY_FILLING, IFL_ENTRY_IN_FLIGHT))
		return 1;
	slot->request.kiocb = 0;
	ifl_set_taken(slot, IFL_ENTRY_FREE);
	return 0;
}

/* A walk has written down in a slot what stands in the hash map: that in the slot goes. See ifl_clear_slot(). */
IFL_OWNER_STEP void ifl_clear_found(struct ifl_request_entry *slot, ifl_u64 kiocb)
{
	ifl_contest_taken(slot);
	if (ifl_taken_of(slot) != IFL_ENTRY_IN_FLIGHT || slot->request.kiocb != kiocb)
		return;
	if (!ifl_change_taken(slot, IFL_ENTRY_IN_FLIGHT, IFL_ENTRY_BUSY))
		return;
	slot->request.kiocb = 0;
	ifl_set_taken(slot, IFL_ENTRY_FREE);
}

#endif
