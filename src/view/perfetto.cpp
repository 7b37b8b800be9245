// SPDX-License-Identifier: Apache-2.0
// Names and texts are written once, in the first packet, and known by number after that. So that packet comes first in
// the file though it is complete only at the end; each request is encoded as it comes, with the numbers.
#include "view/perfetto.hpp"

#include "base/arithmetic.hpp"
#include "view/escape.hpp"
#include "view/perfetto_fields.hpp"
#include "view/slots.hpp"
#include "view/slots_facts.hpp"

#include <protozero/pbf_builder.hpp>

#include <fmt/format.h>

#include <limits>
#include <unordered_map>

namespace inflight::view {
namespace {

using namespace perfetto;

template <typename Message>
using Builder = protozero::pbf_builder<Message>;

constexpr std::uint32_t sequence_id = 1;

// Texts by number, from 1.
class Interner {
public:
    std::uint64_t number_of(std::string_view text) {
        const auto found = numbers_.find(text);
        return found != numbers_.end() ? found->second : numbers_.emplace(text, numbers_.size() + 1).first->second;
    }
    void write(Builder<InternedData>& data, InternedData list) const {
        for (const auto& [text, number] : numbers_) {
            Builder<Interned> entry(data, list);
            entry.add_uint64(Interned::iid, number);
            entry.add_string(Interned::text, valid_utf8(text));
        }
    }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> numbers_;
};

struct Dictionary {
    Interner categories;
    Interner event_names;
    Interner fact_names;
    Interner texts;
};

// Facts as debug annotations of an event.
class Annotations final : public FactSink {
public:
    Annotations(Builder<TrackEvent>& event, Dictionary& dictionary) : event_(event), dictionary_(dictionary) {}

    void text(std::string_view name, std::string_view value) override {
        auto annotation = named(name);
        annotation.add_uint64(DebugAnnotation::string_value_iid, dictionary_.texts.number_of(value));
    }
    void number(std::string_view name, std::uint64_t value) override {
        auto annotation = named(name);
        annotation.add_uint64(DebugAnnotation::uint_value, value);
    }
    void signed_number(std::string_view name, std::int64_t value) override {
        auto annotation = named(name);
        annotation.add_int64(DebugAnnotation::int_value, value);
    }
    void hex(std::string_view name, std::uint64_t value) override {
        auto annotation = named(name);
        annotation.add_uint64(DebugAnnotation::pointer_value, value);
    }
    void flag(std::string_view name, bool value) override {
        auto annotation = named(name);
        annotation.add_bool(DebugAnnotation::bool_value, value);
    }

private:
    Builder<DebugAnnotation> named(std::string_view name) {
        Builder<DebugAnnotation> annotation(event_, TrackEvent::debug_annotations);
        annotation.add_uint64(DebugAnnotation::name_iid, dictionary_.fact_names.number_of(name));
        return annotation;
    }

    Builder<TrackEvent>& event_;
    Dictionary& dictionary_;
};

// Numbers of tracks: unique in a trace, and not likely to meet those of another that is laid beside it.
class TrackIds {
public:
    enum class Of : std::uint8_t { trace = 1, process, lane, slot, lane_count, lane_capacity, process_count, flow };

    void seed(const TraceInfo& info) {
        seed_ = info.start_ns;
        for (const char byte : info.host_name) {
            seed_ = (seed_ ^ static_cast<unsigned char>(byte)) * 0x100'0000'01b3;
        }
    }
    // Each step can be undone, so two different tracks never get the same number.
    [[nodiscard]] std::uint64_t id(Of kind, std::uint32_t number = 0, std::uint32_t slot = 0) const {
        constexpr unsigned kind_shift = 60;
        constexpr unsigned number_shift = 28;  // slots of a lane: fewer than 2^28 requests are in flight
        std::uint64_t value = (static_cast<std::uint64_t>(kind) << kind_shift) |
                              (static_cast<std::uint64_t>(number) << number_shift) | slot;
        value = (value ^ seed_) * 0x9e37'79b9'7f4a'7c15;
        return value ^ (value >> 32U);
    }

private:
    std::uint64_t seed_ = 0;
};

class PerfettoView final : public View, private SlotsWalker {
public:
    explicit PerfettoView(Output& output) : output_(output) {}

    void begin(const TraceInfo& info) override {
        info_ = info;
        slots_.begin(info.start_ns);
        ids_.seed(info);
    }
    void on_request(const model::Request& request) override {
        slots_.add(request, described(span_name(request), model::name(request.family), request));
    }
    void on_cancel(const model::Cancel& cancel) override {
        slots_.add(cancel, described(span_name(cancel), "cancel", cancel));
    }
    void on_finding(const model::Finding& finding) override {
        slots_.add(finding, described(finding.code, "finding", finding));
    }
    void on_context(const model::Context& context) override { slots_.note(context); }
    void on_event(const model::Event&) override {}
    void end(const model::Summary& summary) override;

private:
    template <typename Value>
    std::string_view described(std::string_view name, std::string_view category, const Value& value) {
        payload_.clear();
        Builder<TrackEvent> event(payload_);
        event.add_uint64(TrackEvent::category_iids, dictionary_.categories.number_of(category));
        event.add_uint64(TrackEvent::name_iid, dictionary_.event_names.number_of(name));
        Annotations annotations(event, dictionary_);
        tell_facts(value, annotations);
        return payload_;
    }

    void on_begin(std::uint32_t index) override;
    void on_end(std::uint32_t index) override;
    void on_lane_count(std::uint32_t lane, std::uint64_t time_ns, std::uint64_t in_flight) override {
        count(ids_.id(TrackIds::Of::lane_count, lane), time_ns, in_flight);
    }
    void on_process_count(std::uint32_t pid, std::uint64_t time_ns, std::uint64_t in_flight) override {
        count(ids_.id(TrackIds::Of::process_count, pid), time_ns, in_flight);
    }
    void on_moment(const Moment& moment) override;

    template <typename Fill>
    void packet(Fill fill, std::uint32_t flags = seq_needs_incremental_state);
    template <typename Fill>
    void track_event(std::uint64_t time_ns, std::uint64_t track, EventType type, Fill fill);
    struct Track {
        std::uint64_t id = 0;
        std::uint64_t parent = 0;
        std::string name;
        std::int32_t rank = 0;
        bool counts = false;
    };
    void track(const Track& track);
    void count(std::uint64_t track, std::uint64_t time_ns, std::uint64_t value);
    void first_packet();
    void process_tracks();
    void lane_tracks();
    void capacities(std::uint64_t time_ns);
    [[nodiscard]] std::uint64_t process_track(std::uint32_t pid) const {
        return pid == 0 ? ids_.id(TrackIds::Of::trace) : ids_.id(TrackIds::Of::process, pid);
    }
    [[nodiscard]] std::uint64_t slot_track(const Span& span) const {
        return ids_.id(TrackIds::Of::slot, span.lane, span.slot);
    }

    struct Flow {
        std::uint64_t id = 0;
        bool starts = false;
    };
    struct Mark {
        std::uint32_t target = 0;
        std::uint64_t flow = 0;
    };
    void take_arrows();
    static void write_flows(Builder<TrackEvent>& event, auto flows);

    Output& output_;
    TraceInfo info_;
    Slots slots_;
    TrackIds ids_;
    Dictionary dictionary_;
    std::string payload_;
    std::string packet_;
    std::string framed_;
    std::unordered_multimap<std::uint32_t, Flow> flows_;  // by span
    std::unordered_multimap<std::uint32_t, Mark> marks_;  // by span of the cancel
    std::uint64_t mark_name_ = 0;
};

template <typename Fill>
void PerfettoView::packet(Fill fill, std::uint32_t flags) {
    packet_.clear();
    Builder<TracePacket> packet(packet_);
    packet.add_uint32(TracePacket::trusted_packet_sequence_id, sequence_id);
    packet.add_uint32(TracePacket::sequence_flags, flags);
    fill(packet);
    framed_.clear();
    Builder<Trace> trace(framed_);
    trace.add_message(Trace::packet, packet_);
    output_.write(framed_);
}

template <typename Fill>
void PerfettoView::track_event(std::uint64_t time_ns, std::uint64_t track, EventType type, Fill fill) {
    packet([&](Builder<TracePacket>& packet) {
        packet.add_uint64(TracePacket::timestamp, time_ns);
        packet.add_uint32(TracePacket::timestamp_clock_id, clock_monotonic);
        Builder<TrackEvent> event(packet, TracePacket::track_event);
        event.add_enum(TrackEvent::type, type);
        event.add_uint64(TrackEvent::track_uuid, track);
        fill(event);
    });
}

void PerfettoView::track(const Track& track) {
    packet([&](Builder<TracePacket>& packet) {
        Builder<TrackDescriptor> descriptor(packet, TracePacket::track_descriptor);
        descriptor.add_uint64(TrackDescriptor::uuid, track.id);
        if (track.parent != 0) {
            descriptor.add_uint64(TrackDescriptor::parent_uuid, track.parent);
            descriptor.add_int32(TrackDescriptor::sibling_order_rank, track.rank);
        }
        descriptor.add_string(TrackDescriptor::name, track.name);
        if (track.counts) {
            Builder<CounterDescriptor> counter_descriptor(descriptor, TrackDescriptor::counter);
            counter_descriptor.add_enum(CounterDescriptor::unit, unit_count);
        } else {
            descriptor.add_enum(TrackDescriptor::child_ordering, ordering_explicit);
        }
    });
}

void PerfettoView::count(std::uint64_t track, std::uint64_t time_ns, std::uint64_t value) {
    track_event(time_ns, track, counter, [&](Builder<TrackEvent>& event) {
        event.add_int64(TrackEvent::counter_value, static_cast<std::int64_t>(value));
    });
}

// Times of packets are CLOCK_MONOTONIC, and so is the time of the trace; the wall clock stands beside it.
void PerfettoView::first_packet() {
    packet(
        [&](Builder<TracePacket>& packet) {
            packet.add_bool(TracePacket::first_packet_on_sequence, true);
            Builder<InternedData> data(packet, TracePacket::interned_data);
            dictionary_.categories.write(data, InternedData::event_categories);
            dictionary_.event_names.write(data, InternedData::event_names);
            dictionary_.fact_names.write(data, InternedData::debug_annotation_names);
            dictionary_.texts.write(data, InternedData::debug_annotation_string_values);
        },
        seq_incremental_state_cleared);
    packet([&](Builder<TracePacket>& packet) {
        Builder<ClockSnapshot> snapshot(packet, TracePacket::clock_snapshot);
        const auto wall_ns = wall_time_ns(info_.start_ns, info_.wall_offset_ns);
        for (const auto& [clock_id, time_ns] :
             {std::pair(clock_monotonic, info_.start_ns), {clock_realtime, static_cast<std::uint64_t>(wall_ns)}}) {
            Builder<Clock> clock(snapshot, ClockSnapshot::clocks);
            clock.add_uint32(Clock::clock_id, clock_id);
            clock.add_uint64(Clock::timestamp, time_ns);
        }
        snapshot.add_enum(ClockSnapshot::primary_trace_clock, clock_monotonic);
    });
}

void PerfettoView::process_tracks() {
    track({.id = ids_.id(TrackIds::Of::trace), .parent = 0, .name = "inflight", .rank = 0, .counts = false});
    for (const auto& [pid, comm] : slots_.processes()) {
        if (pid == 0) {
            continue;  // 0 is the idle task to a viewer: what has no process is below the trace's own track
        }
        const std::string name = valid_utf8(comm);
        packet([&](Builder<TracePacket>& packet) {
            Builder<TrackDescriptor> descriptor(packet, TracePacket::track_descriptor);
            descriptor.add_uint64(TrackDescriptor::uuid, ids_.id(TrackIds::Of::process, pid));
            descriptor.add_enum(TrackDescriptor::child_ordering, ordering_explicit);
            Builder<ProcessDescriptor> process(descriptor, TrackDescriptor::process);
            process.add_int32(ProcessDescriptor::pid, static_cast<std::int32_t>(pid));
            process.add_string(ProcessDescriptor::process_name, name);
        });
        if (slots_.has_process_count(pid)) {
            track({.id = ids_.id(TrackIds::Of::process_count, pid),
                   .parent = process_track(pid),
                   .name = "in flight, all contexts",
                   .rank = 0,
                   .counts = true});
        }
    }
}

void PerfettoView::lane_tracks() {
    for (std::uint32_t index = 0; index < slots_.lanes().size(); ++index) {
        const Lane& lane = slots_.lanes()[index];
        if (lane.slots == 0) {
            continue;  // a context without a request
        }
        const auto rank = static_cast<std::int32_t>(index + 1);
        const std::uint64_t id = ids_.id(TrackIds::Of::lane, index);
        track({.id = id, .parent = process_track(lane.pid), .name = lane.name, .rank = rank, .counts = false});
        if (lane.kind == Lane::Kind::requests) {
            track({.id = ids_.id(TrackIds::Of::lane_count, index),
                   .parent = id,
                   .name = "in flight",
                   .rank = 0,
                   .counts = true});
        }
        if (lane.capacity) {
            track({.id = ids_.id(TrackIds::Of::lane_capacity, index),
                   .parent = id,
                   .name = "capacity",
                   .rank = 1,
                   .counts = true});
        }
        for (std::uint32_t slot = 0; slot < lane.slots; ++slot) {
            track({.id = ids_.id(TrackIds::Of::slot, index, slot),
                   .parent = id,
                   .name = fmt::format("slot {}", slot),
                   .rank = static_cast<std::int32_t>(slot + 2),
                   .counts = false});
        }
    }
}

void PerfettoView::capacities(std::uint64_t time_ns) {
    for (std::uint32_t index = 0; index < slots_.lanes().size(); ++index) {
        const Lane& lane = slots_.lanes()[index];
        if (lane.capacity && lane.slots != 0) {
            count(ids_.id(TrackIds::Of::lane_capacity, index), time_ns, *lane.capacity);
        }
    }
}

void PerfettoView::write_flows(Builder<TrackEvent>& event, auto flows) {
    for (auto flow = flows.first; flow != flows.second; ++flow) {
        event.add_fixed64(flow->second.starts ? TrackEvent::flow_ids : TrackEvent::terminating_flow_ids,
                          flow->second.id);
    }
}

// Arrows are tied to the beginning of a cancel and to the end of a request: a viewer gives the latter to the slice that
// ends. A request without an end has them at a mark inside it.
void PerfettoView::on_begin(std::uint32_t index) {
    const Span& span = slots_.spans()[index];
    track_event(span.start_ns, slot_track(span), slice_begin, [&](Builder<TrackEvent>& event) {
        if (span.is_cancel) {
            write_flows(event, flows_.equal_range(index));
        }
        packet_ += slots_.payload(span);  // encoded fields of the event that is being written
    });
    const auto marks = marks_.equal_range(index);
    for (auto mark = marks.first; mark != marks.second; ++mark) {
        const Span& target = slots_.spans()[mark->second.target];
        track_event(std::max(span.start_ns, target.start_ns), slot_track(target), instant,
                    [&](Builder<TrackEvent>& event) {
                        event.add_uint64(TrackEvent::name_iid, mark_name_);
                        event.add_fixed64(TrackEvent::terminating_flow_ids, mark->second.flow);
                    });
    }
}

void PerfettoView::on_end(std::uint32_t index) {
    const Span& span = slots_.spans()[index];
    track_event(span.end_ns, slot_track(span), slice_end, [&](Builder<TrackEvent>& event) {
        if (!span.is_cancel) {
            write_flows(event, flows_.equal_range(index));
        }
    });
}

void PerfettoView::on_moment(const Moment& moment) {
    track_event(moment.time_ns, process_track(moment.pid), instant,
                [&](Builder<TrackEvent>&) { packet_ += slots_.payload(moment); });
}

void PerfettoView::take_arrows() {
    std::uint32_t number = 0;
    for (const Arrow& arrow : slots_.arrows()) {
        const std::uint64_t flow = ids_.id(TrackIds::Of::flow, ++number);
        flows_.emplace(arrow.cancel, Flow{.id = flow, .starts = arrow.to_target});
        if (slots_.spans()[arrow.target].open) {
            marks_.emplace(arrow.cancel, Mark{.target = arrow.target, .flow = flow});
        } else {
            flows_.emplace(arrow.target, Flow{.id = flow, .starts = !arrow.to_target});
        }
    }
}

void PerfettoView::end(const model::Summary& summary) {
    for (const model::Context& context : summary.contexts) {
        slots_.note(context);
    }
    slots_.arrange(summary.end_ns);
    take_arrows();
    // Whatever has a name is named before the first packet.
    mark_name_ = dictionary_.event_names.number_of("cancel");
    const std::string losses(described(summary_name(summary), "inflight", summary));
    const std::string origin(described("trace", "inflight", info_));
    first_packet();
    process_tracks();
    lane_tracks();
    const std::uint64_t trace_track = ids_.id(TrackIds::Of::trace);
    track_event(slots_.start_ns(), trace_track, instant, [&](Builder<TrackEvent>&) { packet_ += origin; });
    capacities(slots_.start_ns());
    slots_.walk(*this);
    capacities(slots_.end_ns());
    track_event(slots_.end_ns(), trace_track, instant, [&](Builder<TrackEvent>&) { packet_ += losses; });
}

}  // namespace

std::unique_ptr<View> make_perfetto_view(Output& output) {
    return std::make_unique<PerfettoView>(output);
}

}  // namespace inflight::view
