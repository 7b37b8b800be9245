// SPDX-License-Identifier: Apache-2.0
#include "view/in_flight.hpp"
#include "view/json_line.hpp"

namespace inflight::view {
namespace {

void write_notes(JsonLine& line, const std::vector<std::string>& notes) {
    line.key("notes");
    line.begin_array();
    for (const std::string& note : notes) {
        line.string(note);
    }
    line.end_array();
}

void write_closing(JsonLine& line, const std::vector<model::Closing>& closing) {
    line.key("closing");
    line.begin_array();
    for (const model::Closing& each : closing) {
        line.begin_object();
        line.id("pid", each.pid);
        line.id("tid", each.tid);
        line.string("comm", each.comm);
        line.string("family", model::name(each.family.value_or(model::Family::aio)));
        line.hex_if("ctx_id", each.ctx_id.has_value(), each.ctx_id.value_or(0));
        line.end_object();
    }
    line.end_array();
}

void write_file_now(JsonLine& line, const model::FileNow& now) {
    if (!now.known) {
        line.null();
        return;
    }
    line.begin_object();
    line.key("fds");
    line.begin_array();
    for (const std::int32_t fd : now.fds) {
        line.signed_number(fd);
    }
    line.end_array();
    line.boolean("closed", now.fds.empty());
    line.boolean("number_reused", now.number_reused);
    line.key("open_in");
    line.begin_array();
    for (const std::uint32_t pid : now.elsewhere) {
        line.signed_number(pid);
    }
    line.end_array();
    line.end_object();
}

void write_holders(JsonLine& line, const std::vector<model::RingHolder>& holders) {
    line.begin_array();
    for (const model::RingHolder& holder : holders) {
        line.begin_object();
        line.id("pid", holder.pid);
        line.signed_if("fd", holder.fd.has_value(), holder.fd.value_or(-1));
        line.boolean("registered", holder.registered);
        line.end_object();
    }
    line.end_array();
}

}  // namespace

void write_in_flight_fields(JsonLine& line, const model::InFlight& each) {
    line.string("id", each.id);
    line.number("age_ns", each.age_ns);
    line.boolean("age_known", each.age_known);
    line.string("stage", model::name(each.stage));
    line.string("cancel", model::name(each.cancellable.means));
    line.string_if("cancel_remark", each.cancellable.why);
    line.signed_if("result", model::is_over(each.stage), each.request.result);
    line.key("file_now");
    write_file_now(line, each.file_now);
    line.signed_if("ring_fd", each.ring && each.ring->fd >= 0, each.ring ? each.ring->fd : -1);
    line.key("request");
    write_request_object(line, each.request, 0);
}

void write_in_flight(Output& output, const InFlightReport& report) {
    JsonLine line(output);
    for (const model::InFlight& each : report.requests) {
        line.begin();
        line.string("type", "in_flight");
        write_in_flight_fields(line, each);
        line.end();
    }
    for (const model::InFlight& each : report.unreaped) {
        line.begin();
        line.string("type", "in_flight");
        write_in_flight_fields(line, each);
        line.end();
    }
    line.begin();
    line.string("type", "in_flight_end");
    line.number("requests", report.requests.size());
    line.number("unreaped", report.unreaped.size());
    line.key("unlisted");
    line.begin_array();
    for (const model::Unlisted& group : report.unlisted) {
        line.begin_object();
        line.string("family", model::name(group.family));
        line.id("pid", group.pid);
        line.string("comm", group.comm);
        line.number("requests", group.requests);
        line.end_object();
    }
    line.end_array();
    line.number("lost", report.lost);
    write_closing(line, report.closing);
    write_notes(line, report.notes);
    line.end();
}

void write_contexts(Output& output, const ContextsReport& report) {
    JsonLine line(output);
    for (const ContextRow& row : report.rows) {
        line.begin();
        line.string("type", "context_now");
        line.number("listed_in_flight", row.listed);
        line.number("unlisted", row.unlisted);
        line.number_if("unreaped", row.unreaped);
        line.key("holders");
        write_holders(line, row.holders);
        line.key("context");
        write_context_object(line, row.context);
        line.end();
    }
    line.begin();
    line.string("type", "contexts_end");
    line.number("contexts", report.rows.size());
    line.number("aio_nr", report.aio_nr);
    line.number("aio_max_nr", report.aio_max_nr);
    write_closing(line, report.closing);
    write_notes(line, report.notes);
    line.end();
}

}  // namespace inflight::view
