// SPDX-License-Identifier: Apache-2.0
// Field numbers that Perfetto has published, of the fields that are written here. Each enum is a message, named with
// its file below protos/perfetto/ of github.com/google/perfetto. A number that is published does not change: what it
// once meant, it means in every trace that was ever written.
#pragma once

#include <protozero/types.hpp>

#include <cstdint>

namespace inflight::view::perfetto {

using Tag = protozero::pbf_tag_type;

// trace/trace.proto
enum class Trace : Tag { packet = 1 };

// trace/trace_packet.proto
enum class TracePacket : Tag {
    clock_snapshot = 6,
    timestamp = 8,
    trusted_packet_sequence_id = 10,
    track_event = 11,
    interned_data = 12,
    sequence_flags = 13,
    timestamp_clock_id = 58,
    track_descriptor = 60,
    first_packet_on_sequence = 87,
};
enum SequenceFlags : std::uint32_t { seq_incremental_state_cleared = 1, seq_needs_incremental_state = 2 };

// trace/clock_snapshot.proto, common/builtin_clock.proto
enum class ClockSnapshot : Tag { clocks = 1, primary_trace_clock = 2 };
enum class Clock : Tag { clock_id = 1, timestamp = 2 };
enum BuiltinClock : std::uint32_t { clock_realtime = 1, clock_monotonic = 3 };

// trace/interned_data/interned_data.proto, and the entries of its lists
enum class InternedData : Tag {
    event_categories = 1,
    event_names = 2,
    debug_annotation_names = 3,
    debug_annotation_string_values = 29,
};
enum class Interned : Tag { iid = 1, text = 2 };

// trace/track_event/track_descriptor.proto
enum class TrackDescriptor : Tag {
    uuid = 1,
    name = 2,
    process = 3,
    parent_uuid = 5,
    counter = 8,
    child_ordering = 11,
    sibling_order_rank = 12,
};
enum ChildOrdering : std::int32_t { ordering_explicit = 3 };

// trace/track_event/process_descriptor.proto
enum class ProcessDescriptor : Tag { pid = 1, process_name = 6 };

// trace/track_event/counter_descriptor.proto
enum class CounterDescriptor : Tag { unit = 3 };
enum CounterUnit : std::int32_t { unit_count = 2 };

// trace/track_event/track_event.proto
enum class TrackEvent : Tag {
    category_iids = 3,
    debug_annotations = 4,
    type = 9,
    name_iid = 10,
    track_uuid = 11,
    counter_value = 30,
    flow_ids = 47,
    terminating_flow_ids = 48,
};
enum EventType : std::int32_t { slice_begin = 1, slice_end = 2, instant = 3, counter = 4 };

// trace/track_event/debug_annotation.proto
enum class DebugAnnotation : Tag {
    name_iid = 1,
    bool_value = 2,
    uint_value = 3,
    int_value = 4,
    pointer_value = 7,
    string_value_iid = 17,
};

}  // namespace inflight::view::perfetto
