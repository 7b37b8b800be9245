// SPDX-License-Identifier: Apache-2.0
// One JSON object per line; docs/trace.schema.json says what each field means. null is "not known", which 0 never is.
#include "catalog/names.hpp"
#include "catalog/uring.hpp"
#include "view/calls.hpp"
#include "view/json_line.hpp"
#include "view/sqe.hpp"

namespace inflight::view {
namespace {

using model::Origin;

// By enum Origin; the third is null.
constexpr std::string_view origin_names[] = {"", "K", "U"};

std::uint64_t known_time(const model::Request& request, std::uint64_t start_ns) {
    for (const auto& time_ns : {request.complete_ns, request.reap_ns, request.submit_ns}) {
        if (time_ns) {
            return *time_ns;
        }
    }
    return start_ns;
}

void write_operation(JsonLine& line, const model::Request& request) {
    line.key("op");
    request.opcode ? line.string(catalog::opcode_name(model::name(request.family), *request.opcode)) : line.null();
}

void write_file(JsonLine& line, const model::Request& request) {
    const model::File* file = request.file.get();
    line.string_if("file", file == nullptr ? std::string_view() : file->name);
    line.string_if("file_kind", file == nullptr ? std::string_view() : file->kind);
    line.key("file_unlinked");
    file == nullptr ? line.null() : line.boolean(file->unlinked);
}

void write_error(JsonLine& line, int error) {
    line.key("error");
    error == 0 ? line.null() : line.string(catalog::errno_name(error));
}

void write_flags(JsonLine& line, std::string_view name, bool known, catalog::NameTable table, std::uint64_t flags) {
    line.key(name);
    known ? line.string(catalog::flag_names(table, flags)) : line.null();
}

// The I/O class: of an iocb where a flag says so, of an SQE where it is set and the field has no other meaning.
bool has_ioprio(const model::Request& request) {
    if (request.family == model::Family::aio) {
        return request.origin != Origin::unknown && (request.aio_flags & IOCB_FLAG_IOPRIO) != 0;
    }
    const catalog::UringOp* operation = uring_operation(request);
    return sqe_of(request) && operation != nullptr && operation->ioprio_flags.empty() && request.ioprio != 0;
}

bool has_rw_flags(const model::Request& request) {
    if (request.family == model::Family::aio) {
        return request.origin != Origin::unknown;
    }
    const catalog::UringOp* operation = uring_operation(request);
    return sqe_of(request) && operation != nullptr && operation->flags_name == "rw_flags";
}

void write_asked(JsonLine& line, const model::Request& request) {
    const Asked asked = asked_for(request);
    const bool aio = request.family == model::Family::aio;
    line.signed_if("fd", asked.fd.has_value(), asked.fd.value_or(0));
    write_file(line, request);
    line.signed_if("offset", asked.offset.has_value(), asked.offset.value_or(0));
    line.number_if("length", asked.length);
    line.boolean("appended", request.appended);
    line.hex_if("buffer", asked.buffer.has_value(), asked.buffer.value_or(0));
    write_flags(line, "poll_events", asked.poll_events.has_value(), catalog::poll_events(),
                asked.poll_events.value_or(0));
    line.hex_if("user_data", request.user_data_known, request.user_data);
    write_flags(line, "rw_flags", has_rw_flags(request), catalog::rw_flags(), request.rw_flags);
    line.key("ioprio");
    has_ioprio(request) ? line.string(catalog::ioprio_name(request.ioprio)) : line.null();
    line.number_if("resfd", aio && asked.known && (request.aio_flags & IOCB_FLAG_RESFD) != 0, request.resfd);
    line.string_if("origin", origin_names[static_cast<std::size_t>(request.origin)]);
}

void write_times(JsonLine& line, const model::Request& request) {
    line.number_if("submit_ns", request.submit_ns);
    line.number_if("complete_ns", request.complete_ns);
    line.string_if("complete_bound", request.complete_ns.has_value(), request.completion_exact ? "exact" : "upper");
    line.number_if("reap_ns", request.reap_ns);
    line.hex_if("reap_call_id", request.reap_call_id != 0, request.reap_call_id);
    line.number_if("latency_ns", request.latency_ns());
}

void write_completer(JsonLine& line, const model::Request& request) {
    line.key("completed_by");
    if (!request.complete_ns || (request.completer_pid == 0 && request.completer_tid == 0)) {
        line.null();
        return;
    }
    line.begin_object();
    line.id("pid", request.completer_pid);
    line.id("tid", request.completer_tid);
    line.end_object();
}

void write_request_fields(JsonLine& line, const model::Request& request, std::uint64_t start_ns) {
    line.string("type", "request");
    line.number("time_ns", known_time(request, start_ns));
    line.string("family", model::name(request.family));
    line.string("tier", model::name(request.tier));
    line.hex_if("context", request.family == model::Family::aio && request.ctx_id != 0, request.ctx_id);
    line.hex_if("context_id", request.context_id != 0, request.context_id);
    line.hex_if("call_id", request.call_id != 0, request.call_id);
    line.hex_if("address", request.address != 0, request.address);
    line.hex_if("kernel_address", request.kernel_address != 0, request.kernel_address);
    line.id("pid", request.pid, request.pid != 0);
    line.host_pid(request.host_pid);
    line.id("tid", request.tid, request.tid != 0);
    line.number_if("uid", request.pid != 0, request.uid);
    line.string_if("comm", request.comm);
    line.number_if("cgroup_id", request.cgroup_id != 0, request.cgroup_id);
    line.boolean("compat", request.compat);
    write_operation(line, request);
    write_asked(line, request);
    write_times(line, request);
    line.signed_if("result", has_result(request), request.result);
    write_error(line, result_error(request));
    line.string("outcome", model::name(request.outcome));
    line.boolean("existed", request.existed);
    line.boolean("unpaired", request.unpaired);
    line.key("synchronous");
    request.family == model::Family::aio ? line.boolean(request.synchronous) : line.null();
    line.boolean("completion_seen", request.completion_seen);
    line.boolean("end_guessed", request.end_guessed);
    write_completer(line, request);
    write_uring(line, request);
}

void write_request(JsonLine& line, const model::Request& request, std::uint64_t start_ns) {
    line.begin();
    write_request_fields(line, request, start_ns);
    line.end();
}

void write_target(JsonLine& line, const model::Request& target) {
    const Asked asked = asked_for(target);
    line.begin_object();
    line.hex_if("address", target.address != 0, target.address);
    write_operation(line, target);
    line.signed_if("fd", asked.fd.has_value(), asked.fd.value_or(0));
    line.string_if("file", target.file ? std::string_view(target.file->name) : std::string_view());
    line.hex_if("user_data", target.user_data_known, target.user_data);
    line.number_if("submit_ns", target.submit_ns);
    line.number_if("complete_ns", target.complete_ns);
    line.string("outcome", model::name(target.outcome));
    line.end_object();
}

void write_targets(JsonLine& line, const model::Cancel& cancel) {
    line.key("target");
    cancel.target ? write_target(line, *cancel.target) : line.null();
    line.key("more_targets");
    line.begin_array();
    for (const model::Request& target : cancel.more_targets) {
        write_target(line, target);
    }
    line.end_array();
}

void write_cancel(JsonLine& line, const model::Cancel& cancel) {
    line.begin();
    line.string("type", "cancel");
    line.number("time_ns", cancel.end_ns);
    line.number("start_ns", cancel.start_ns);
    line.string("family", model::name(cancel.family));
    line.string("tier", model::name(cancel.tier));
    line.id("pid", cancel.pid, cancel.pid != 0);
    line.host_pid(cancel.host_pid);
    line.id("tid", cancel.tid, cancel.tid != 0);
    line.number_if("uid", cancel.pid != 0, cancel.uid);
    line.string_if("comm", cancel.comm);
    line.number_if("cgroup_id", cancel.cgroup_id != 0, cancel.cgroup_id);
    const bool aio = cancel.way == model::CancelWay::io_cancel;
    line.hex_if("call_id", model::is_call(cancel.way) && cancel.call_id != 0, cancel.call_id);
    line.hex_if("context", aio, cancel.ctx_id);
    line.hex_if("context_id", cancel.context_id != 0, cancel.context_id);
    line.hex_if("address", aio, cancel.address);
    line.hex_if("result_address", aio, cancel.result_address);
    write_cancel_key(line, cancel);
    line.signed_number("ret", cancel.ret);
    write_error(line, error_of(cancel.ret));
    line.string("verdict", model::name(cancel.verdict));
    line.string("reason", cancel.reason);
    line.boolean("certain", cancel.certain);
    line.number_if("completed_before_ns", cancel.completed_before_ns);
    write_targets(line, cancel);
    line.end();
}

class JsonView final : public View {
public:
    explicit JsonView(Output& output) : line_(output) {}

    void begin(const TraceInfo& info) override {
        start_ns_ = info.start_ns;
        write_trace(line_, info);
    }
    void on_request(const model::Request& request) override { write_request(line_, request, start_ns_); }
    void on_cancel(const model::Cancel& cancel) override { write_cancel(line_, cancel); }
    void on_completion(const model::Completion& completion) override { write_completion(line_, completion); }
    void on_event(const model::Event& event) override { write_event(line_, event); }
    void on_context(const model::Context& context) override { write_context(line_, context); }
    void on_finding(const model::Finding& finding) override { write_finding(line_, finding); }
    void end(const model::Summary& summary) override {
        write_losses(line_, summary.losses);
        write_summary(line_, summary);
    }

private:
    JsonLine line_;
    std::uint64_t start_ns_ = 0;
};

}  // namespace

void write_request_object(JsonLine& line, const model::Request& request, std::uint64_t start_ns) {
    line.begin_object();
    write_request_fields(line, request, start_ns);
    line.end_object();
}

void write_stories(JsonLine& line, const model::Finding& finding) {
    line.key("requests");
    line.begin_array();
    for (const model::Request& story : finding.stories) {
        write_request_object(line, story, finding.time_ns);
    }
    line.end_array();
}

std::unique_ptr<View> make_json_view(Output& output) {
    return std::make_unique<JsonView>(output);
}

}  // namespace inflight::view
