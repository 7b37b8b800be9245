/* SPDX-License-Identifier: GPL-2.0-only */
/* What a call of kernel AIO brings or takes many of: iocbs and events, several in a record. Included by call.h alone.
 */
#ifndef INFLIGHT_BPF_BATCHES_H
#define INFLIGHT_BPF_BATCHES_H

struct batch {
	struct ifl_call_entry *entry;
	__u64 address; /* of the array in user memory */
	__u64 time_ns;
	struct ifl_iocbs *record; /* that is being filled in */
	__u32 count;
	__u8 tier;
};

/* A callback, and no loop inside the other one, which the verifier of 6.19 would follow for a million instructions. */
static long copy_iocb(__u32 index, struct batch *batch)
{
	struct ifl_iocbs *record = batch->record;
	struct ifl_call *call = &batch->entry->call;
	__u32 pointer_bytes = call->abi == IFL_ABI_X86_64 ? 8 : 4;
	struct ifl_iocb *out;

	if (index >= IFL_IOCBS_PER_RECORD)
		return 1;
	out = &record->iocbs[index];
	__builtin_memset(out, 0, sizeof(*out));
	out->state = IFL_READ_FAULT;
	if (index >= record->count ||
	    read_user_pointer(&out->address, batch->address + (record->first_index + index) * pointer_bytes, call->abi))
		return 0;
	if (bpf_probe_read_user(out->bytes, sizeof(out->bytes), (void *)out->address))
		return 0;
	out->state = IFL_READ_OK;
	out->file_id = file_id_of(file_of_fd(current_task(), ((struct iocb *)out->bytes)->aio_fildes), batch->time_ns);
	return 0;
}

static long write_iocbs(__u32 index, struct batch *batch)
{
	struct ifl_call *call = &batch->entry->call;
	__u32 first = index * IFL_IOCBS_PER_RECORD;
	struct ifl_iocbs *record;

	if (first >= batch->count)
		return 1;
	call->records++;
	record = reserve(IFL_IOCBS, sizeof(*record), batch->tier, batch->time_ns);
	if (!record) {
		call->records_lost++;
		return 0;
	}
	record->call_id = call->call_id;
	record->first_index = first;
	record->count = batch->count - first < IFL_IOCBS_PER_RECORD ? batch->count - first : IFL_IOCBS_PER_RECORD;
	batch->record = record;
	bpf_loop(IFL_IOCBS_PER_RECORD, copy_iocb, batch, 0);
	submit(record);
	return 0;
}

/* A record with room for `room` events, a constant: room is taken for no other sizes. */
static __always_inline void write_some_events(struct batch *batch, __u32 first, __u32 count, __u32 room)
{
	struct ifl_call *call = &batch->entry->call;
	__u32 bytes = count * sizeof(struct ifl_io_event);
	struct ifl_io_events *record;

	record = reserve(IFL_IO_EVENTS,
			 __builtin_offsetof(struct ifl_io_events, events) + room * sizeof(struct ifl_io_event),
			 batch->tier, batch->time_ns);
	if (!record) {
		call->records_lost++;
		return;
	}
	record->header.span_us = span_us(batch->time_ns - call->start_ns);
	record->call_id = call->call_id;
	record->kioctx = call->kioctx;
	record->context_id = call->context_id;
	record->pid = call->task.pid;
	record->tid = call->task.tid;
	record->first_index = first;
	record->count = count;
	/* The verifier wants the bound right here, the compiler knows it from before. */
	asm volatile("" : "+r"(bytes));
	if (bytes > room * sizeof(struct ifl_io_event))
		bytes = room * sizeof(struct ifl_io_event);
	if (bpf_probe_read_user(record->events, bytes,
				(void *)(batch->address + first * sizeof(struct ifl_io_event)))) {
		call->entries_skipped += count;
		record->count = 0;
	}
	submit(record);
}

static long write_io_events(__u32 index, struct batch *batch)
{
	struct ifl_call *call = &batch->entry->call;
	__u32 first = index * IFL_IO_EVENTS_PER_RECORD, count;

	if (first >= batch->count)
		return 1;
	count = batch->count - first;
	if (count > IFL_IO_EVENTS_PER_RECORD)
		count = IFL_IO_EVENTS_PER_RECORD;
	call->records++;
	if (count == 1)
		write_some_events(batch, first, count, 1);
	else if (count <= 8)
		write_some_events(batch, first, count, 8);
	else
		write_some_events(batch, first, count, IFL_IO_EVENTS_PER_RECORD);
	return 0;
}

#endif
