// SPDX-License-Identifier: Apache-2.0
// docs/stat.schema.json describes these lines.
#include "view/json_line.hpp"
#include "view/stat_view.hpp"

namespace inflight::view {

namespace {

using model::StatFrame;
using model::StatHistogram;
using model::StatLine;

constexpr std::uint64_t schema_version = 1;

struct Quantile {
    std::string_view name;
    double q;
};
constexpr std::array quantiles{Quantile{"p50", 0.5}, Quantile{"p90", 0.9}, Quantile{"p99", 0.99},
                               Quantile{"p999", 0.999}};

double per_second(std::uint64_t count, const StatFrame& frame) {
    const auto span_ns = frame.end_ns - frame.start_ns;
    return span_ns == 0 ? 0 : static_cast<double>(count) * 1e9 / static_cast<double>(span_ns);
}

void write_start(JsonLine& line, const StatInfo& info, std::string_view command) {
    line.begin();
    line.string("type", "start");
    line.number("schema", schema_version);
    line.string("command", command);
    line.string("version", info.version);
    line.string("host", info.host_name);
    line.string("kernel", info.kernel_release);
    line.string("clock", "CLOCK_MONOTONIC");
    line.number("start_ns", info.start_ns);
    line.signed_number("wall_offset_ns", info.wall_offset_ns);
    line.string("hooks", info.hooks);
    line.key("limits");
    line.begin_array();
    for (const auto& limit : info.limits) {
        line.string(limit);
    }
    line.end_array();
    write_lost_features(line, info.lost);
    line.key("argv");
    line.begin_array();
    for (const auto& word : info.command) {
        line.string(word);
    }
    line.end_array();
    line.string("by", name(info.by));
    line.number_if("interval_ns", info.interval_ns != 0, info.interval_ns);
    // A quantile is at most this much of itself too large.
    line.key("quantile_error");
    line.real(1.0 / (1U << IFL_STAT_SUB_BITS));
    line.end();
}

void write_span(JsonLine& line, std::string_view type, const StatFrame& frame) {
    line.begin();
    line.string("type", type);
    line.string("period", frame.whole_run ? "run" : "interval");
    line.number("start_ns", frame.start_ns);
    line.number("end_ns", frame.end_ns);
}

void write_counters(JsonLine& line, const StatLine& of, const StatFrame& frame) {
    const auto& counters = of.counters;
    line.number("requests", counters.ended());
    line.key("requests_per_s");
    line.real(per_second(counters.ended(), frame));
    line.number("bytes", counters.bytes);
    line.key("bytes_per_s");
    line.real(per_second(counters.bytes, frame));
    line.number("failed", counters.failed);
    line.number("cancelled", counters.cancelled);
    line.number("ended_unseen", counters.unseen);
    line.number("without_latency", counters.untimed);
    line.number("completions", counters.more);
    line.number_if("in_flight", of.in_flight);
    line.number_if("oldest_in_flight_ns", of.oldest_ns != 0 && of.oldest_ns < frame.end_ns,
                   frame.end_ns - of.oldest_ns);
    line.key("latency_ns");
    line.begin_object();
    const auto timed = counters.latency.count();
    line.number("count", timed);
    for (const auto& each : quantiles) {
        line.number_if(each.name, counters.latency.quantile_ns(each.q, counters.max_ns));
    }
    line.number_if("max", timed != 0, counters.max_ns);
    line.end_object();
}

void write_key(JsonLine& line, const StatLine& of) {
    line.string("family", name(of.key.family));
    line.string("key", of.key.name);
    line.id("pid", of.key.pid.value_or(0), of.key.pid.has_value());
    line.host_pid(of.key.host_pid);
    line.string_if("comm", of.key.comm);
}

void write_notes(JsonLine& line, const StatFrame& frame) {
    const auto& notes = frame.notes;
    line.key("cancels");
    line.begin_object();
    for (std::size_t way = 0; way < notes.cancels.size(); way++) {
        line.key(model::stat_way_names.at(way));
        line.begin_object();
        for (std::size_t answer = 0; answer < model::stat_answer_names.size(); answer++) {
            line.number(model::stat_answer_names.at(answer), notes.cancels.at(way).at(answer));
        }
        line.end_object();
    }
    line.end_object();
    line.number("multishot_completions", notes.more_unknown);
    line.number("notifications", notes.notifications);
    line.number("refused", notes.refused);
    line.key("losses");
    line.begin_object();
    line.number("untracked", notes.untracked);
    line.number_if("unmatched", notes.unmatched_known, notes.unmatched);
    line.number("ended_unseen", notes.unseen);
    line.number("overflowed", notes.overflowed);
    line.number("keys_full", notes.keys_full);
    line.number("programs_skipped", notes.programs_skipped);
    line.number("in_flight_may_have_ended", frame.may_have_ended);
    line.end_object();
}

void write_all(JsonLine& line, const StatFrame& frame, const std::string* ended_by) {
    write_span(line, "all", frame);
    write_counters(line, frame.all, frame);
    write_notes(line, frame);
    line.string_if("ended_by", ended_by != nullptr, ended_by != nullptr ? *ended_by : "");
    line.end();
}

class StatJson final : public StatView {
public:
    explicit StatJson(Output& output) : output_(output), line_(output) {}

    void begin(const StatInfo& info) override { write_start(line_, info, "stat"); }
    void interval(const StatFrame& frame) override {
        write(frame, nullptr);
        output_.flush();
    }
    void end(const StatFrame& whole, const std::string& ended_by) override { write(whole, &ended_by); }

private:
    void write(const StatFrame& frame, const std::string* ended_by) {
        for (const auto& each : frame.lines) {
            write_span(line_, "key", frame);
            write_key(line_, each);
            write_counters(line_, each, frame);
            line_.end();
        }
        write_all(line_, frame, ended_by);
    }

    Output& output_;
    JsonLine line_;
};

class HistJson final : public StatView {
public:
    explicit HistJson(Output& output) : output_(output), line_(output) {}

    void begin(const StatInfo& info) override { write_start(line_, info, "hist"); }
    void interval(const StatFrame& frame) override {
        write(frame, nullptr);
        output_.flush();
    }
    void end(const StatFrame& whole, const std::string& ended_by) override { write(whole, &ended_by); }

private:
    void write(const StatFrame& frame, const std::string* ended_by) {
        for (const auto& each : frame.lines) {
            write_span(line_, "histogram", frame);
            write_key(line_, each);
            line_.number("max_ns", each.counters.max_ns);
            line_.key("buckets");
            line_.begin_array();
            const auto buckets = each.counters.latency.buckets();
            for (std::size_t bucket = 0; bucket < buckets.size(); bucket++) {
                if (buckets[bucket] == 0) {
                    continue;
                }
                line_.begin_object();
                line_.number("from_ns", StatHistogram::lower_ns(bucket));
                line_.number("to_ns", StatHistogram::upper_ns(bucket));
                line_.number("count", buckets[bucket]);
                line_.end_object();
            }
            line_.end_array();
            line_.end();
        }
        write_all(line_, frame, ended_by);
    }

    Output& output_;
    JsonLine line_;
};

}  // namespace

std::unique_ptr<StatView> make_stat_json(Output& output) {
    return std::make_unique<StatJson>(output);
}

std::unique_ptr<StatView> make_hist_json(Output& output) {
    return std::make_unique<HistJson>(output);
}

}  // namespace inflight::view
