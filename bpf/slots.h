/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of AIO requests in flight: a slot that the address of struct aio_kiocb gives, and a hash map for what finds
 * its slot taken. Adding to a hash map and removing from it cost more than what is written to it.
 */
#ifndef INFLIGHT_BPF_SLOTS_H
#define INFLIGHT_BPF_SLOTS_H

#include "typed.h"
#include "../contract/owner.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1u << IFL_AIO_SLOTS_LOG2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ifl_request_entry);
} request_slots __weak SEC(".maps");

/* Something stands in `requests`. */
__u32 requests_spilled __weak = 0;

static __always_inline struct ifl_request_entry *request_slot_of(__u64 kiocb)
{
	__u32 slot = ifl_place_of(kiocb, IFL_AIO_SLOTS_LOG2);

	return bpf_map_lookup_elem(&request_slots, &slot);
}

/* The entry of a request, which may have ended just now: `taken` tells. */
static __always_inline struct ifl_request_entry *find_request(__u64 kiocb)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);

	if (slot && slot->request.kiocb == kiocb && ifl_is_taken(slot->taken))
		return slot;
	return requests_spilled ? bpf_map_lookup_elem(&requests, &kiocb) : NULL;
}

/* False: there is no room. */
static __always_inline bool put_request(__u64 kiocb, const struct ifl_request_entry *entry)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);

	if (!slot)
		return false;
	if (ifl_fill_slot(slot, entry, false))
		return true;
	requests_spilled = 1;
	if (bpf_map_update_elem(&requests, &kiocb, entry, BPF_ANY))
		return false;
	ifl_clear_found(slot, kiocb);
	return true;
}

/* The same for one that a walk has found. False: there is no room, or a hook has seen it begin or end meanwhile. */
static __always_inline bool put_found_request(__u64 kiocb, const struct ifl_request_entry *entry)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);

	if (!slot)
		return false;
	if (ifl_fill_slot(slot, entry, true)) {
		if (!requests_spilled || !bpf_map_lookup_elem(&requests, &kiocb))
			return true;
		/* It has begun meanwhile, when the slot was another's. */
		ifl_clear_found(slot, kiocb);
		return false;
	}
	/* What is being written there may be this request. */
	if (!ifl_is_taken(ifl_taken_of(slot)) || slot->request.kiocb == kiocb)
		return false;
	requests_spilled = 1;
	return !bpf_map_update_elem(&requests, &kiocb, entry, BPF_NOEXIST);
}

/* It ends, and stands nowhere: a walk that is just writing it must not leave it there. */
static __always_inline void contest_request(__u64 kiocb)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);

	if (slot)
		ifl_contest_taken(slot);
}

/* After the last look at it. */
static __always_inline void remove_request(struct ifl_request_entry *entry, __u64 kiocb)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);

	if (entry == slot) {
		ifl_set_taken(entry, IFL_ENTRY_FREE);
		return;
	}
	bpf_map_delete_elem(&requests, &kiocb);
}

/* True for the one caller that may end the request. */
static __always_inline bool take(struct ifl_request_entry *entry)
{
	return ifl_change_taken(entry, IFL_ENTRY_IN_FLIGHT, IFL_ENTRY_BUSY);
}

#endif
