// SPDX-License-Identifier: Apache-2.0
// The format has arrows only between slices of threads, not between its asynchronous events. So a slot is written as a
// thread, whose number is above any that the kernel gives; a request is a complete event ("X") on it, and one that is
// still in flight a beginning ("B") without an end.
//
// Times are microseconds after the start of the trace, with three decimals: readers hold them in doubles, in which
// nanoseconds since the machine was booted have no room after some months.
#include "view/chrome.hpp"

#include "view/json_line.hpp"
#include "view/slots.hpp"
#include "view/slots_facts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::view {
namespace {

constexpr std::uint32_t first_thread = 10'000'000;  // PID_MAX_LIMIT is 4,194,304

class Line final : public Output {
public:
    void write(std::string_view bytes) override { text = bytes; }
    void flush() override {}

    std::string text;
};

class Arguments final : public FactSink {
public:
    explicit Arguments(JsonLine& line) : line_(line) {}
    void text(std::string_view name, std::string_view value) override { line_.string(name, value); }
    void number(std::string_view name, std::uint64_t value) override { line_.number(name, value); }
    void signed_number(std::string_view name, std::int64_t value) override { line_.signed_number(name, value); }
    void hex(std::string_view name, std::uint64_t value) override { line_.hex(name, value); }
    void flag(std::string_view name, bool value) override { line_.boolean(name, value); }

private:
    JsonLine& line_;
};

class ChromeView final : public View, private SlotsWalker {
public:
    explicit ChromeView(Output& output) : output_(output), json_(line_) {}

    void begin(const TraceInfo& info) override {
        info_ = info;
        slots_.begin(info.start_ns);
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
    // "name":…,"cat":…,"args":{…} of an event, whose other keys come before it.
    template <typename Value>
    std::string_view described(std::string_view name, std::string_view category, const Value& value) {
        json_.begin();
        json_.string("name", name);
        json_.string("cat", category);
        json_.key("args");
        json_.begin_object();
        Arguments arguments(json_);
        tell_facts(value, arguments);
        json_.end_object();
        json_.end();
        return inside(line_.text);
    }
    // Of "{…}\n".
    static std::string_view inside(std::string_view object) { return object.substr(1, object.size() - 3); }

    void on_begin(std::uint32_t index) override;
    void on_end(std::uint32_t) override {}
    void on_lane_count(std::uint32_t lane, std::uint64_t time_ns, std::uint64_t in_flight) override {
        const Lane& of = slots_.lanes()[lane];
        count(of.pid, "in flight, " + of.name, time_ns, in_flight);
    }
    void on_process_count(std::uint32_t pid, std::uint64_t time_ns, std::uint64_t in_flight) override {
        count(pid, "in flight, all contexts", time_ns, in_flight);
    }
    void on_moment(const Moment& moment) override;

    void event(std::string_view head, std::string_view rest);
    void metadata(std::string_view what, std::uint32_t pid, std::uint32_t tid, std::string_view name);
    void sort_index(std::string_view what, std::uint32_t pid, std::uint32_t tid, std::size_t rank);
    void count(std::uint32_t pid, std::string_view name, std::uint64_t time_ns, std::uint64_t value);
    void capacities(std::uint64_t time_ns);
    void flow(char phase, std::size_t arrow, std::uint32_t span, std::uint64_t time_ns);
    void name_tracks();
    [[nodiscard]] std::string time(std::uint64_t time_ns) const { return microseconds(time_ns - slots_.start_ns()); }
    static std::string microseconds(std::uint64_t time_ns) {
        constexpr std::uint64_t ns_per_us = 1000;
        return fmt::format("{}.{:03}", time_ns / ns_per_us, time_ns % ns_per_us);
    }
    [[nodiscard]] std::uint32_t thread_of(const Span& span) const { return threads_[span.lane] + span.slot; }
    [[nodiscard]] std::uint32_t pid_of(const Span& span) const { return slots_.lanes()[span.lane].pid; }

    Output& output_;
    Line line_;
    JsonLine json_;
    TraceInfo info_;
    Slots slots_;
    std::vector<std::uint32_t> threads_;  // of the first slot, by lane
    bool first_ = true;
};

void ChromeView::event(std::string_view head, std::string_view rest) {
    output_.write(first_ ? "{" : ",\n{");
    output_.write(head);
    output_.write(rest);
    output_.write("}");
    first_ = false;
}

void ChromeView::metadata(std::string_view what, std::uint32_t pid, std::uint32_t tid, std::string_view name) {
    json_.begin();
    json_.string("name", what);
    json_.key("args");
    json_.begin_object();
    json_.string("name", name);
    json_.end_object();
    json_.end();
    event(fmt::format(R"("ph":"M","pid":{},"tid":{},)", pid, tid), inside(line_.text));
}

void ChromeView::sort_index(std::string_view what, std::uint32_t pid, std::uint32_t tid, std::size_t rank) {
    event(fmt::format(R"("ph":"M","pid":{},"tid":{},"name":"{}")", pid, tid, what),
          fmt::format(R"(,"args":{{"sort_index":{}}})", rank));
}

void ChromeView::count(std::uint32_t pid, std::string_view name, std::uint64_t time_ns, std::uint64_t value) {
    event(fmt::format(R"("ph":"C","pid":{},"ts":{},"name":"{}")", pid, time(time_ns), name),
          fmt::format(R"(,"args":{{"requests":{}}})", value));
}

void ChromeView::capacities(std::uint64_t time_ns) {
    for (const Lane& lane : slots_.lanes()) {
        if (lane.capacity && lane.slots != 0) {
            count(lane.pid, "capacity, " + lane.name, time_ns, *lane.capacity);
        }
    }
}

void ChromeView::flow(char phase, std::size_t arrow, std::uint32_t span, std::uint64_t time_ns) {
    const Span& at = slots_.spans()[span];
    event(fmt::format(R"("ph":"{}","id":{},"pid":{},"tid":{},"ts":{})", phase, arrow + 1, pid_of(at), thread_of(at),
                      time(time_ns)),
          R"(,"bp":"e","name":"cancel","cat":"cancel")");
}

void ChromeView::on_begin(std::uint32_t index) {
    const Span& span = slots_.spans()[index];
    const std::string place =
        fmt::format(R"("pid":{},"tid":{},"ts":{},)", pid_of(span), thread_of(span), time(span.start_ns));
    if (span.open) {
        event(R"("ph":"B",)" + place, slots_.payload(span));
    } else {
        event(fmt::format(R"("ph":"X","dur":{},{})", microseconds(span.end_ns - span.start_ns), place),
              slots_.payload(span));
    }
}

void ChromeView::on_moment(const Moment& moment) {
    event(fmt::format(R"("ph":"i","s":"{}","pid":{},"tid":0,"ts":{},)", moment.pid == 0 ? 'g' : 'p', moment.pid,
                      time(moment.time_ns)),
          slots_.payload(moment));
}

void ChromeView::name_tracks() {
    for (const auto& [pid, comm] : slots_.processes()) {
        metadata("process_name", pid, 0, pid == 0 ? "process not known" : comm);
    }
    std::uint32_t thread = first_thread;
    for (const Lane& lane : slots_.lanes()) {
        threads_.push_back(thread);
        for (std::uint32_t slot = 0; slot < lane.slots; ++slot, ++thread) {
            metadata("thread_name", lane.pid, thread, fmt::format("{} slot {}", lane.name, slot));
            sort_index("thread_sort_index", lane.pid, thread, thread - first_thread);
        }
    }
}

void ChromeView::end(const model::Summary& summary) {
    for (const model::Context& context : summary.contexts) {
        slots_.note(context);
    }
    slots_.arrange(summary.end_ns);
    output_.write("{\"traceEvents\":[\n");
    name_tracks();
    capacities(slots_.start_ns());
    slots_.walk(*this);
    capacities(slots_.end_ns());
    for (std::size_t index = 0; index < slots_.arrows().size(); ++index) {
        const Arrow& arrow = slots_.arrows()[index];
        const Span& cancel = slots_.spans()[arrow.cancel];
        const Span& target = slots_.spans()[arrow.target];
        // Each end lies inside its slice. That of the target is as late as it can be where the arrow leads from it.
        const std::uint64_t at_target = arrow.to_target ? std::max(cancel.start_ns, target.start_ns) : target.start_ns;
        flow('s', index, arrow.to_target ? arrow.cancel : arrow.target, arrow.to_target ? cancel.start_ns : at_target);
        flow('f', index, arrow.to_target ? arrow.target : arrow.cancel, arrow.to_target ? at_target : cancel.start_ns);
    }
    json_.begin();
    Arguments arguments(json_);
    tell_facts(info_, arguments);
    tell_facts(summary, arguments);
    json_.end();
    output_.write("\n],\n\"displayTimeUnit\":\"ns\",\n\"otherData\":{");
    output_.write(inside(line_.text));
    output_.write("}}\n");
}

}  // namespace

std::unique_ptr<View> make_chrome_view(Output& output) {
    return std::make_unique<ChromeView>(output);
}

}  // namespace inflight::view
