// SPDX-License-Identifier: Apache-2.0
// The JSON of Aqua Security's Tracee (types/trace/trace.go, pkg/events/core.go of aquasecurity/tracee), one event per
// line, for pipelines that read it already. It knows system calls and their own arguments and nothing else: no
// requests, no verdicts, nothing decoded but the timeout, which Tracee has as seconds.
//
// Its format has no place for losses. So the last line is always an event "inflight_loss" with eventId 0, whose
// returnValue is the number of things that were not seen; 0 is printed too.
#include "base/arithmetic.hpp"
#include "view/calls.hpp"
#include "view/json_line.hpp"

#include <algorithm>
#include <string>

namespace inflight::view {
namespace {

constexpr std::string_view loss_event = "inflight_loss";

struct TypeName {
    std::string_view c_type;
    std::string_view tracee_type;
};
constexpr TypeName type_names[] = {{"long", "int64"}, {"unsigned", "uint32"}, {"unsigned int", "uint32"},
                                   {"u32", "uint32"}, {"size_t", "uint64"},   {"struct timespec*", "float64"}};

// Addresses, io_context_t among them, are all of one type.
std::string_view tracee_type(std::string_view c_type) {
    const auto* found = std::ranges::find(type_names, c_type, &TypeName::c_type);
    return found == std::end(type_names) ? "trace.Pointer" : found->tracee_type;
}

void write_value(JsonLine& line, const ifl_call& call, const catalog::Argument& argument, std::size_t index) {
    if (argument.c_type == "struct timespec*") {
        call.timeout_state == IFL_READ_OK
            ? line.real(static_cast<double>(call.timeout_s) + static_cast<double>(call.timeout_ns) * 1e-9)
            : line.null();
        return;
    }
    switch (value_kind(argument.c_type)) {
        case ValueKind::address:
            line.number(address_argument(call, index));
            return;
        case ValueKind::signed_number:
            line.signed_number(signed_argument(call, index));
            return;
        case ValueKind::size:
            line.number(size_argument(call, index));
            return;
        case ValueKind::unsigned_number:
            line.number(unsigned_argument(call, index));
            return;
    }
}

void write_arguments(JsonLine& line, const ifl_call& call) {
    const catalog::Event* described = event_of(call);
    const std::size_t count = described == nullptr ? 0 : described->arguments.size();
    line.number("argsNum", count);
    line.signed_number("returnValue", call.ret);
    line.string("syscall", event_name(call));
    line.key("stackAddresses");
    line.null();
    line.key("contextFlags");
    line.begin_object();
    line.boolean("containerStarted", false);
    line.boolean("isCompat", is_i386(call));
    line.end_object();
    line.key("args");
    line.begin_array();
    for (std::size_t index = 0; index < count; ++index) {
        const catalog::Argument& argument = described->arguments[index];
        line.begin_object();
        line.string("name", argument.name);
        line.string("type", tracee_type(argument.c_type));
        line.key("value");
        write_value(line, call, argument, index);
        line.end_object();
    }
    line.end_array();
}

class TraceeView final : public View {
public:
    explicit TraceeView(Output& output) : line_(output) {}

    void begin(const TraceInfo& info) override {
        host_name_ = info.host_name;
        wall_offset_ns_ = info.wall_offset_ns;
    }

    void on_request(const model::Request&) override {}
    void on_cancel(const model::Cancel&) override {}
    void on_context(const model::Context&) override {}
    void on_finding(const model::Finding&) override {}

    void on_event(const model::Event& event) override {
        if (event.in_progress || event.exit_missed) {
            return;  // Tracee reports a call when it returns; a return that was not seen is in the losses
        }
        const catalog::Event* described = event_of(event.call);
        line_.begin();
        write_task(event.call, event.container_id);
        line_.string("eventId", std::to_string(described == nullptr ? 0 : described->number_x86_64));
        line_.string("eventName", event_name(event.call));
        write_arguments(line_, event.call);
        line_.end();
    }

    void end(const model::Summary& summary) override {
        ifl_call nobody{};
        nobody.header.time_ns = summary.end_ns;
        line_.begin();
        write_task(nobody, {});
        line_.string("eventId", "0");
        line_.string("eventName", loss_event);
        line_.number("argsNum", 0);
        line_.number("returnValue", summary.losses.total());
        line_.string("syscall", "");
        line_.key("stackAddresses");
        line_.null();
        line_.key("contextFlags");
        line_.begin_object();
        line_.boolean("containerStarted", false);
        line_.boolean("isCompat", false);
        line_.end_object();
        line_.key("args");
        line_.begin_array();
        line_.end_array();
        line_.end();
    }

private:
    void write_task(const ifl_call& call, std::string_view container_id) {
        const ifl_task& task = call.task;
        line_.signed_number("timestamp", wall_time_ns(call.header.time_ns, wall_offset_ns_));
        line_.number("processorId", call.header.cpu);
        line_.number("processId", task.ns_pid);
        line_.number("cgroupId", task.cgroup_id);
        line_.number("threadId", task.ns_tid);
        line_.number("parentProcessId", task.ns_ppid);
        line_.number("hostProcessId", task.pid);
        line_.number("hostThreadId", task.tid);
        line_.number("hostParentProcessId", task.ppid);
        line_.number("userId", task.uid);
        line_.number("mountNamespace", task.mnt_ns);
        line_.number("pidNamespace", task.pid_ns);
        line_.string("processName", comm_of(task));
        line_.string("hostName", host_name_);
        line_.string("containerId", container_id);
    }

    JsonLine line_;
    std::string host_name_;
    std::int64_t wall_offset_ns_ = 0;
};

}  // namespace

std::unique_ptr<View> make_tracee_view(Output& output) {
    return std::make_unique<TraceeView>(output);
}

}  // namespace inflight::view
