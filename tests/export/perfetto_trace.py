# SPDX-License-Identifier: Apache-2.0
"""Decodes a Perfetto trace with the protobuf library, from a table of field numbers of its own.

The numbers are those that github.com/google/perfetto publishes in protos/perfetto/. They are written down here a second
time on purpose: what reads the traces of inflight must not share a mistake with what writes them.
"""

from google.protobuf import descriptor_pb2, message_factory

# name, number, type, repeated; a type that is not in TYPES is a message of this table.
MESSAGES = {
    "Trace": [("packet", 1, "TracePacket", True)],
    "TracePacket": [
        ("clock_snapshot", 6, "ClockSnapshot", False),
        ("timestamp", 8, "uint64", False),
        ("trusted_packet_sequence_id", 10, "uint32", False),
        ("track_event", 11, "TrackEvent", False),
        ("interned_data", 12, "InternedData", False),
        ("sequence_flags", 13, "uint32", False),
        ("timestamp_clock_id", 58, "uint32", False),
        ("track_descriptor", 60, "TrackDescriptor", False),
        ("first_packet_on_sequence", 87, "bool", False),
    ],
    "ClockSnapshot": [("clocks", 1, "Clock", True), ("primary_trace_clock", 2, "int32", False)],
    "Clock": [("clock_id", 1, "uint32", False), ("timestamp", 2, "uint64", False)],
    "InternedData": [
        ("event_categories", 1, "InternedName", True),
        ("event_names", 2, "InternedName", True),
        ("debug_annotation_names", 3, "InternedName", True),
        ("debug_annotation_string_values", 29, "InternedBytes", True),
    ],
    "InternedName": [("iid", 1, "uint64", False), ("name", 2, "string", False)],
    "InternedBytes": [("iid", 1, "uint64", False), ("str", 2, "bytes", False)],
    "TrackDescriptor": [
        ("uuid", 1, "uint64", False),
        ("name", 2, "string", False),
        ("process", 3, "ProcessDescriptor", False),
        ("parent_uuid", 5, "uint64", False),
        ("counter", 8, "CounterDescriptor", False),
        ("child_ordering", 11, "int32", False),
        ("sibling_order_rank", 12, "int32", False),
    ],
    "ProcessDescriptor": [("pid", 1, "int32", False), ("process_name", 6, "string", False)],
    "CounterDescriptor": [("unit", 3, "int32", False)],
    "TrackEvent": [
        ("category_iids", 3, "uint64", True),
        ("debug_annotations", 4, "DebugAnnotation", True),
        ("type", 9, "int32", False),
        ("name_iid", 10, "uint64", False),
        ("track_uuid", 11, "uint64", False),
        ("counter_value", 30, "int64", False),
        ("flow_ids", 47, "fixed64", True),
        ("terminating_flow_ids", 48, "fixed64", True),
    ],
    "DebugAnnotation": [
        ("name_iid", 1, "uint64", False),
        ("bool_value", 2, "bool", False),
        ("uint_value", 3, "uint64", False),
        ("int_value", 4, "int64", False),
        ("pointer_value", 7, "uint64", False),
        ("string_value_iid", 17, "uint64", False),
    ],
}

SLICE_BEGIN, SLICE_END, INSTANT, COUNTER = 1, 2, 3, 4
STATE_CLEARED, NEEDS_STATE = 1, 2
REALTIME, MONOTONIC = 1, 3


def _classes():
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="trace.proto", package="trace", syntax="proto2")
    for message_name, fields in MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            added = message.field.add(name=name, number=number, label=label)
            if kind in MESSAGES:
                added.type, added.type_name = field.TYPE_MESSAGE, ".trace." + kind
            else:
                added.type = getattr(field, "TYPE_" + kind.upper())
    return message_factory.GetMessages([file])


def unknown_fields(message):
    """Fields that the table does not have, at any depth: a number that is wrong ends up here."""
    found = len(message.UnknownFields())
    for descriptor, value in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for each in value if descriptor.label == descriptor.LABEL_REPEATED else [value]:
                found += unknown_fields(each)
    return found


class Event:
    def __init__(self, time_ns, raw, tables):
        self.time_ns = time_ns
        self.type = raw.type
        self.track = raw.track_uuid
        self.name = tables["event_names"][raw.name_iid] if raw.HasField("name_iid") else ""
        self.categories = [tables["event_categories"][iid] for iid in raw.category_iids]
        self.value = raw.counter_value
        self.starts = list(raw.flow_ids)
        self.terminates = list(raw.terminating_flow_ids)
        self.facts = {}
        for annotation in raw.debug_annotations:
            name = tables["debug_annotation_names"][annotation.name_iid]
            assert name not in self.facts, f"{name} is there twice"
            value = next(value for field, value in annotation.ListFields() if field.name != "name_iid")
            if annotation.HasField("string_value_iid"):
                value = tables["debug_annotation_string_values"][value]
            self.facts[name] = value


class PerfettoTrace:
    """tracks: descriptors by uuid; events: in the order of a viewer, by time and then by their place in the file."""

    def __init__(self, content):
        trace = _classes()["trace.Trace"].FromString(content)
        assert unknown_fields(trace) == 0, "the trace has fields that are not published, or were not meant"
        tables = {name: {} for name, *_ in MESSAGES["InternedData"]}
        self.tracks, self.events, self.clocks = {}, [], {}
        for index, packet in enumerate(trace.packet):
            assert packet.trusted_packet_sequence_id != 0
            assert packet.sequence_flags == (STATE_CLEARED if index == 0 else NEEDS_STATE), f"packet {index}"
            for table, entries in packet.interned_data.ListFields():
                for entry in entries:
                    text = entry.name if table.name != "debug_annotation_string_values" else entry.str.decode()
                    assert entry.iid != 0 and entry.iid not in tables[table.name]
                    tables[table.name][entry.iid] = text
            if packet.HasField("clock_snapshot"):
                self.clocks = {clock.clock_id: clock.timestamp for clock in packet.clock_snapshot.clocks}
                assert packet.clock_snapshot.primary_trace_clock == MONOTONIC
            if packet.HasField("track_descriptor"):
                track = packet.track_descriptor
                assert track.uuid != 0 and track.uuid not in self.tracks, "the number of a track is not unique"
                assert not track.HasField("parent_uuid") or track.parent_uuid in self.tracks, "a track without parent"
                self.tracks[track.uuid] = track
            if packet.HasField("track_event"):
                assert packet.timestamp_clock_id == MONOTONIC
                assert packet.track_event.track_uuid in self.tracks, "an event on a track that is not described"
                self.events.append(Event(packet.timestamp, packet.track_event, tables))
        self.in_order = all(a.time_ns <= b.time_ns for a, b in zip(self.events, self.events[1:]))
        self.events.sort(key=lambda event: event.time_ns)
