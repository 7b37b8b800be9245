// SPDX-License-Identifier: Apache-2.0
#include "view/slots_facts.hpp"

#include "base/arithmetic.hpp"
#include "catalog/names.hpp"
#include "model/uring_tracked.hpp"
#include "view/calls.hpp"

#include <fmt/format.h>

#include <optional>

namespace inflight::view {
namespace {

using model::Request;
using model::UringPart;

std::string_view length_name(const Request& request) {
    switch (length_unit(request.family, request.opcode)) {
        case LengthUnit::bytes:
            return "length_bytes";
        case LengthUnit::iovecs:
            return "iovecs";
        case LengthUnit::entries:
            return "entries";
        default:
            return "length";
    }
}

std::string bare_operation_name(const Request& request) {
    return request.opcode ? catalog::opcode_name(model::name(request.family), *request.opcode) : "request";
}

void tell_asked(const Request& request, FactSink& sink) {
    const Asked asked = asked_for(request);
    if (asked.fd) {
        sink.signed_number(asked.fixed_file ? "fixed_file" : "fd", *asked.fd);
    }
    if (request.file) {
        sink.text("file", request.file->name);
    }
    if (asked.offset) {
        sink.signed_number("offset_bytes", *asked.offset);
    }
    if (request.appended) {
        sink.flag("appended", true);
    }
    if (asked.length) {
        sink.number(length_name(request), *asked.length);
    }
    if (asked.poll_events) {
        sink.text("poll_events", catalog::flag_names(catalog::poll_events(), *asked.poll_events));
    }
    if (request.user_data_known) {
        sink.hex("user_data", request.user_data);
    }
}

void tell_how_known(const Request& request, FactSink& sink) {
    if (!request.submit_ns) {
        sink.text("submitted", request.existed ? "before the trace" : "not seen");
    }
    if (request.outcome == model::Outcome::in_flight) {
        sink.text("ended", "in flight at the end of the trace");
    } else if (!request.complete_ns) {
        sink.text("ended", request.reap_ns ? "by the time it was reaped" : "not seen");
    } else if (!request.completion_exact) {
        sink.text("ended", "at this time or before");
    }
}

void tell_step(FactSink& sink, std::string_view name, std::uint64_t from_ns, std::optional<std::uint64_t> time_ns) {
    if (time_ns && *time_ns >= from_ns) {
        sink.number(name, *time_ns - from_ns);
    }
}

void tell_times(const Request& request, FactSink& sink) {
    if (const auto latency_ns = request.latency_ns()) {
        sink.number("latency_ns", *latency_ns);
    }
    if (!request.submit_ns) {
        return;
    }
    if (const UringPart* part = request.uring.get(); part != nullptr) {
        tell_step(sink, "deferred_after_ns", *request.submit_ns, part->defer_ns);
        tell_step(sink, "punted_after_ns", *request.submit_ns, part->punt_ns);
        tell_step(sink, "worker_after_ns", *request.submit_ns, part->worker_ns);
        tell_step(sink, "armed_after_ns", *request.submit_ns, part->arm_ns);
        tell_step(sink, "task_work_after_ns", *request.submit_ns, part->task_work_ns);
    }
    tell_step(sink, "reaped_after_ns", *request.submit_ns, request.reap_ns);
}

void tell_uring(const Request& request, const UringPart& part, FactSink& sink) {
    if (part.cause != model::EndCause::none) {
        sink.text("cause", model::name(part.cause));
    }
    if (part.request_id != 0) {
        sink.number("request_id", part.request_id);
    }
    if (part.link_head != 0) {
        sink.number("link_head", part.link_head);
    }
    if (part.failed_by != 0) {
        sink.number("failed_by", part.failed_by);
    }
    if (part.multishot) {
        sink.flag("multishot", true);
    }
    if (part.multishot || (part.cqe_count > 1 && !model::uring::zero_copy(request))) {
        sink.number("cqes", part.cqe_count);
    }
    if (part.first_user_data) {
        sink.hex("first_user_data", *part.first_user_data);
    }
    if (part.overflowed) {
        sink.flag("overflowed", true);
    }
}

}  // namespace

std::string span_name(const Request& request) {
    std::string name = bare_operation_name(request);
    switch (request.outcome) {
        case model::Outcome::failed:
            return name + " " + (result_error(request) != 0 ? catalog::errno_name(result_error(request)) : "failed");
        case model::Outcome::cancelled:
        case model::Outcome::abandoned:
            return name.append(" ").append(model::name(request.outcome));
        default:
            return name;
    }
}

std::string span_name(const model::Cancel& cancel) {
    return fmt::format("{} {}", model::name(cancel.way), model::name(cancel.verdict));
}

std::string summary_name(const model::Summary& summary) {
    return fmt::format("lost {}", summary.losses.total());
}

void tell_facts(const Request& request, FactSink& sink) {
    sink.text("op", bare_operation_name(request));
    tell_asked(request, sink);
    sink.text("outcome", model::name(request.outcome));
    if (has_result(request)) {
        sink.signed_number("result", request.result);
    }
    if (const int error = result_error(request); error != 0) {
        sink.text("error", catalog::errno_name(error));
    }
    tell_how_known(request, sink);
    tell_times(request, sink);
    if (request.pid != 0) {
        sink.number("pid", request.pid);
        sink.number("tid", request.tid);
        sink.text("comm", request.comm);
    }
    if (request.family == model::Family::aio && request.address != 0) {
        sink.hex("iocb", request.address);
    }
    if (request.uring) {
        tell_uring(request, *request.uring, sink);
    }
}

void tell_facts(const model::Cancel& cancel, FactSink& sink) {
    sink.text("verdict", model::name(cancel.verdict));
    sink.text("reason", cancel.reason);
    sink.flag("certain", cancel.certain);
    sink.signed_number("ret", cancel.ret);
    if (const int error = error_of(cancel.ret); error != 0) {
        sink.text("error", catalog::errno_name(error));
    }
    if (cancel.completed_before_ns) {
        sink.number("completed_before_ns", *cancel.completed_before_ns);
    }
    if (cancel.key.user_data) {
        sink.hex("user_data", *cancel.key.user_data);
    }
    if (cancel.key.fd) {
        sink.signed_number("fd", *cancel.key.fd);
    }
    if (cancel.way == model::CancelWay::io_cancel) {
        sink.hex("iocb", cancel.address);
    } else {
        sink.number("cancelled", cancel.key.count);
    }
    if (cancel.pid != 0) {
        sink.number("pid", cancel.pid);
        sink.number("tid", cancel.tid);
        sink.text("comm", cancel.comm);
    }
}

void tell_facts(const model::Finding& finding, FactSink& sink) {
    sink.text("severity", model::name(finding.severity));
    sink.text("message", finding.message);
    sink.text("advice", finding.advice);
    if (finding.pid != 0) {
        sink.number("pid", finding.pid);
        sink.number("tid", finding.tid);
        sink.text("comm", finding.comm);
    }
}

void tell_facts(const TraceInfo& info, FactSink& sink) {
    sink.text("inflight", info.version);
    sink.text("host", info.host_name);
    sink.text("kernel", info.kernel_release);
    sink.text("hooks", info.hooks);
    std::string command;
    for (const std::string& word : info.command) {
        command += (command.empty() ? "" : " ") + word;
    }
    if (!command.empty()) {
        sink.text("command", command);
    }
    std::string limits;
    for (const std::string& limit : info.limits) {
        limits += (limits.empty() ? "" : "; ") + limit;
    }
    if (!limits.empty()) {
        sink.text("limits", limits);
    }
    sink.number("start_monotonic_ns", info.start_ns);
    sink.signed_number("start_unix_ns", wall_time_ns(info.start_ns, info.wall_offset_ns));
}

void tell_facts(const model::Summary& summary, FactSink& sink) {
    const model::Losses& losses = summary.losses;
    sink.number("lost", losses.total());
    sink.number("records_lost", losses.records_lost());
    sink.number("requests_untracked", losses.requests_untracked);
    sink.number("calls_untracked", losses.calls_untracked);
    sink.number("contexts_untracked", losses.contexts_untracked);
    sink.number("exits_missed", losses.exits_missed);
    sink.number("programs_skipped", losses.programs_skipped);
    sink.number("completions_unseen", losses.completions_unseen);
    sink.number("submissions_unseen", losses.submissions_unseen);
    sink.number("out_of_order", losses.out_of_order);
    sink.number("requests", summary.requests);
    sink.number("cancels", summary.cancels);
    sink.number("findings", summary.findings);
    sink.number("in_flight_at_the_end", summary.outcomes[static_cast<std::size_t>(model::Outcome::in_flight)]);
    sink.number("duration_ns", summary.end_ns >= summary.start_ns ? summary.end_ns - summary.start_ns : 0);
    if (!summary.ended_by.empty()) {
        sink.text("ended_by", summary.ended_by);
    }
}

}  // namespace inflight::view
