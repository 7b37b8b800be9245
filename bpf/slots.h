/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of AIO requests in flight: a slot that the address of struct aio_kiocb gives, and a hash map for what finds
 * its slot taken. Adding to a hash map and removing from it cost more than what is written to it.
 */
#ifndef INFLIGHT_BPF_SLOTS_H
#define INFLIGHT_BPF_SLOTS_H

#include "typed.h"

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

	if (slot && slot->request.kiocb == kiocb && slot->taken != IFL_ENTRY_FREE)
		return slot;
	return requests_spilled ? bpf_map_lookup_elem(&requests, &kiocb) : NULL;
}

/* False: there is no room, or it is there already. */
static __always_inline bool put_request(__u64 kiocb, const struct ifl_request_entry *entry)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);
	__u32 was;

	if (!slot)
		return false;
	was = *(volatile __u32 *)&slot->taken;
	if (was == IFL_ENTRY_FREE && __sync_val_compare_and_swap(&slot->taken, was, IFL_ENTRY_FILLING) == was) {
		__builtin_memcpy(&slot->request, &entry->request, sizeof(slot->request));
		slot->file = entry->file;
		slot->iterated = entry->iterated;
		asm volatile("" ::: "memory");
		*(volatile __u32 *)&slot->taken = IFL_ENTRY_IN_FLIGHT;
		return true;
	}
	requests_spilled = 1;
	return !bpf_map_update_elem(&requests, &kiocb, entry, BPF_ANY);
}

/* After the last look at it. */
static __always_inline void remove_request(struct ifl_request_entry *entry, __u64 kiocb)
{
	struct ifl_request_entry *slot = request_slot_of(kiocb);

	if (entry == slot) {
		asm volatile("" ::: "memory");
		*(volatile __u32 *)&entry->taken = IFL_ENTRY_FREE;
		return;
	}
	bpf_map_delete_elem(&requests, &kiocb);
}

/* True for the one caller that may end the request. */
static __always_inline bool take(struct ifl_request_entry *entry)
{
	return __sync_val_compare_and_swap(&entry->taken, IFL_ENTRY_IN_FLIGHT, IFL_ENTRY_BUSY) == IFL_ENTRY_IN_FLIGHT;
}

#endif
