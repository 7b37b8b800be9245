/* SPDX-License-Identifier: GPL-2.0-only */
/* What an argument points at, as a record of its own, written before the request or call that it belongs to. */
#ifndef INFLIGHT_BPF_DETAIL_H
#define INFLIGHT_BPF_DETAIL_H

#include "names.h"

#define DETAIL_HEAD __builtin_offsetof(struct ifl_detail, bytes)
#define SMALL_DETAIL 256

struct detail {
	__u64 owner_id;
	__u64 address;
	__u64 time_ns;
	__u32 total;
	__u8 kind;
	__u8 kernel; /* `address` is the kernel's */
	__u8 shared; /* ... and what stands there is the program's to write */
	__u8 tier;
};

/* A path is up to PATH_MAX long: room to see how long it is. Hooks of one CPU that use it cannot interrupt each other.
 */
struct detail_room {
	char text[IFL_DETAIL_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct detail_room);
} detail_rooms __weak SEC(".maps");

static __always_inline struct ifl_detail *begin_detail(const struct detail *detail, __u32 room)
{
	struct ifl_detail *record = reserve(IFL_DETAIL, DETAIL_HEAD + room, detail->tier, detail->time_ns);

	if (!record)
		return NULL;
	record->owner_id = detail->owner_id;
	record->address = detail->address;
	record->total = detail->total;
	record->bytes_count = 0;
	record->kind = detail->kind;
	record->kernel = detail->kernel && !detail->shared;
	record->state = IFL_READ_FAULT;
	record->truncated = 0;
	__builtin_memset(record->reserved, 0, sizeof(record->reserved));
	return record;
}

/* Up to SMALL_DETAIL bytes as they are. False: the record was lost. */
static __always_inline bool write_bytes(const struct detail *detail, __u32 count)
{
	struct ifl_detail *record = begin_detail(detail, SMALL_DETAIL);
	long error;

	if (!record)
		return false;
	asm volatile("" : "+r"(count));
	if (count > SMALL_DETAIL) {
		count = SMALL_DETAIL;
		record->truncated = 1;
	}
	if (detail->kernel)
		error = bpf_probe_read_kernel(record->bytes, count, (void *)detail->address);
	else
		error = bpf_probe_read_user(record->bytes, count, (void *)detail->address);
	if (!error) {
		record->bytes_count = count;
		record->state = IFL_READ_OK;
	}
	submit(record);
	return true;
}

static __always_inline void copy_text(struct ifl_detail *record, const struct detail_room *room, __u32 length,
				      __u32 limit)
{
	asm volatile("" : "+r"(length));
	if (length > limit)
		length = limit;
	if (!bpf_probe_read_kernel(record->bytes, length, room->text)) {
		record->bytes_count = length;
		record->state = IFL_READ_OK;
	}
}

static __always_inline bool write_text(const struct detail *detail)
{
	struct ifl_detail *record;
	struct detail_room *room;
	__u32 zero = 0, length;
	long got;

	room = bpf_map_lookup_elem(&detail_rooms, &zero);
	if (!room)
		return false;
	if (detail->kernel)
		got = bpf_probe_read_kernel_str(room->text, sizeof(room->text), (void *)detail->address);
	else
		got = bpf_probe_read_user_str(room->text, sizeof(room->text), (void *)detail->address);
	length = got > 0 ? got - 1 : 0;
	if (length <= SMALL_DETAIL) {
		record = begin_detail(detail, SMALL_DETAIL);
		if (!record)
			return false;
		if (got > 0)
			copy_text(record, room, length, SMALL_DETAIL);
		submit(record);
		return true;
	}
	record = begin_detail(detail, IFL_DETAIL_BYTES);
	if (!record)
		return false;
	record->truncated = length >= IFL_DETAIL_BYTES - 1;
	copy_text(record, room, length, IFL_DETAIL_BYTES);
	submit(record);
	return true;
}

#endif
