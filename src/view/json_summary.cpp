// SPDX-License-Identifier: Apache-2.0
#include "catalog/names.hpp"
#include "view/json_line.hpp"

namespace inflight::view {
namespace {

// Of docs/trace.schema.json: a field that changes or goes makes a new one, an added field does not.
constexpr std::uint64_t schema_version = 1;

struct UnseenCount {
    std::string_view name;
    std::uint64_t model::Losses::* count;
};
constexpr UnseenCount unseen_counts[] = {
    {"requests_untracked", &model::Losses::requests_untracked},
    {"calls_untracked", &model::Losses::calls_untracked},
    {"contexts_untracked", &model::Losses::contexts_untracked},
    {"exits_missed", &model::Losses::exits_missed},
    {"programs_skipped", &model::Losses::programs_skipped},
    {"completions_unseen", &model::Losses::completions_unseen},
    {"submissions_unseen", &model::Losses::submissions_unseen},
    {"out_of_order", &model::Losses::out_of_order},
};

void write_strings(JsonLine& line, std::string_view name, const std::vector<std::string>& texts) {
    line.key(name);
    line.begin_array();
    for (const std::string& text : texts) {
        line.string(text);
    }
    line.end_array();
}

template <typename Enum, std::size_t count>
void write_counts(JsonLine& line, std::string_view name, const std::array<std::uint64_t, count>& counts) {
    line.key(name);
    line.begin_object();
    for (std::size_t index = 0; index < count; ++index) {
        line.number(model::name(static_cast<Enum>(index)), counts[index]);
    }
    line.end_object();
}

void write_context_fields(JsonLine& line, const model::Context& context) {
    line.number("time_ns", context.time_ns);
    line.string("change", model::name(context.change));
    line.string("family", model::name(context.family));
    // A ring has a descriptor instead, and no limit of requests.
    const bool aio = context.family == model::Family::aio;
    line.hex_if("context", aio, context.ctx_id);
    line.hex_if("context_id", context.context_id != 0, context.context_id);
    line.id("pid", context.pid, context.pid != 0);
    line.host_pid(context.host_pid);
    line.number_if("uid", context.pid != 0, context.uid);
    line.string_if("comm", context.comm);
    line.number_if("created_ns", context.created_ns);
    line.number_if("destroyed_ns", context.destroyed_ns);
    line.boolean("by_exit", context.by_exit);
    line.number_if("in_flight", context.in_flight_known(), context.in_flight);
    line.number_if("in_flight_max", context.in_flight_known(), context.in_flight_max);
    line.number("submitted", context.submitted);
    line.number("completed", context.completed);
    line.number_if("capacity", aio, context.capacity);
    line.number_if("max_requests", aio, context.max_requests);
    line.number_if("refused", aio, context.refused);
    line.string_if("refused_error", context.refused_error != 0, catalog::errno_name(context.refused_error));
    write_ring(line, context.ring);
}

void write_operation(JsonLine& line, const model::OperationStats& stats) {
    const bool measured = stats.latency.count() != 0;
    line.begin_object();
    line.id("pid", stats.pid, stats.pid != 0);
    line.string_if("comm", stats.comm);
    line.string("family", model::name(stats.family));
    line.key("op");
    stats.opcode ? line.string(catalog::opcode_name(model::name(stats.family), *stats.opcode)) : line.null();
    line.number("requests", stats.requests);
    line.number("bytes", stats.bytes);
    write_counts<model::Outcome>(line, "outcomes", stats.outcomes);
    line.number("latencies", stats.latency.count());
    line.number_if("p50_ns", measured, stats.latency.quantile_ns(0.5));
    line.number_if("p99_ns", measured, stats.latency.quantile_ns(0.99));
    line.number_if("max_ns", measured, stats.latency.max_ns());
    line.end_object();
}

}  // namespace

void write_lost_features(JsonLine& line, const std::vector<model::LostFeature>& lost) {
    line.key("lost_features");
    line.begin_array();
    for (const auto& each : lost) {
        line.begin_object();
        line.string("name", each.name);
        line.string("reason", each.reason);
        line.string("meaning", each.meaning);
        line.end_object();
    }
    line.end_array();
}

void write_trace(JsonLine& line, const TraceInfo& info) {
    line.begin();
    line.string("type", "trace");
    line.number("schema", schema_version);
    line.string("version", info.version);
    line.string("host", info.host_name);
    line.string("kernel", info.kernel_release);
    line.string("clock", "CLOCK_MONOTONIC");
    line.number("start_ns", info.start_ns);
    line.signed_number("wall_offset_ns", info.wall_offset_ns);
    line.string("hooks", info.hooks);
    write_strings(line, "limits", info.limits);
    write_lost_features(line, info.lost);
    write_strings(line, "command", info.command);
    line.end();
}

void write_context_object(JsonLine& line, const model::Context& context) {
    line.begin_object();
    write_context_fields(line, context);
    line.end_object();
}

void write_context(JsonLine& line, const model::Context& context) {
    line.begin();
    line.string("type", "context");
    write_context_fields(line, context);
    line.end();
}

void write_finding(JsonLine& line, const model::Finding& finding) {
    line.begin();
    line.string("type", "finding");
    line.number("time_ns", finding.time_ns);
    line.string("code", finding.code);
    line.string("severity", model::name(finding.severity));
    line.id("pid", finding.pid, finding.pid != 0);
    line.id("tid", finding.tid, finding.tid != 0);
    line.string_if("comm", finding.comm);
    line.string("message", finding.message);
    line.string("advice", finding.advice);
    write_stories(line, finding);
    line.end();
}

void write_losses(JsonLine& line, const model::Losses& losses) {
    line.begin();
    line.string("type", "loss");
    line.number("total", losses.total());
    line.number("records_lost", losses.records_lost());
    for (const UnseenCount& unseen : unseen_counts) {
        line.number(unseen.name, losses.*unseen.count);
    }
    line.key("cpus");
    line.begin_array();
    for (const model::CpuLoss& cpu : losses.cpus) {
        line.begin_object();
        line.number("cpu", cpu.cpu);
        line.key("kinds");
        line.begin_array();
        for (const model::KindLoss& kind : cpu.kinds) {
            line.begin_object();
            line.string("kind", kind.kind);
            line.number("generated", kind.generated);
            line.number("delivered", kind.delivered);
            line.number("lost", kind.lost);
            line.end_object();
        }
        line.end_array();
        line.end_object();
    }
    line.end_array();
    line.end();
}

void write_summary(JsonLine& line, const model::Summary& summary) {
    line.begin();
    line.string("type", "summary");
    line.number("start_ns", summary.start_ns);
    line.number("end_ns", summary.end_ns);
    line.string_if("ended_by", summary.ended_by);
    line.number("requests", summary.requests);
    line.number("completions", summary.completions);
    line.number("cancels", summary.cancels);
    line.number("events", summary.events);
    line.number("findings", summary.findings);
    write_counts<model::Outcome>(line, "outcomes", summary.outcomes);
    write_counts<model::Verdict>(line, "verdicts", summary.verdicts);
    line.key("operations");
    line.begin_array();
    for (const model::OperationStats& stats : summary.operations) {
        write_operation(line, stats);
    }
    line.end_array();
    line.key("contexts");
    line.begin_array();
    for (const model::Context& context : summary.contexts) {
        write_context_object(line, context);
    }
    line.end_array();
    line.number_if("aio_nr", summary.aio_max_nr != 0, summary.aio_nr);
    line.number_if("aio_max_nr", summary.aio_max_nr != 0, summary.aio_max_nr);
    line.number("lost", summary.losses.total());
    line.end();
}

}  // namespace inflight::view
