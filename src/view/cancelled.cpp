// SPDX-License-Identifier: Apache-2.0
#include "view/cancelled.hpp"

#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/json_line.hpp"
#include "view/layout.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

namespace inflight::view {
namespace {

std::string what_text(const model::Request& request) {
    const Asked asked = asked_for(request);
    std::string text = operation_name(request.family, request.opcode);
    if (asked.fd) {
        text += fmt::format(" on fd {}", fd_text(asked));
    }
    const std::string subject = subject_text(request);
    if (subject != unknown) {
        text += " " + subject;
    }
    return text + fmt::format(", user_data {:#x}", request.user_data);
}

// A reason may be an error with its advice, which stands in a line of its own.
std::string on_one_line(std::string text) {
    constexpr std::string_view next_line = "\n  ";
    if (const auto at = text.find(next_line); at != std::string::npos) {
        text.replace(at, next_line.size(), "; ");
    }
    return printable(text);
}

// What a program chose, so that it cannot pass for inflight's own words.
std::string quoted(std::string_view text) {
    std::string clean = printable(text);
    for (std::size_t at = 0; (at = clean.find('"', at)) != std::string::npos;) {
        clean.replace(at, 1, "\\x22");
    }
    return '"' + clean + '"';
}

// As what_text(), for a log.
std::string what_for_log(const model::Request& request) {
    const Asked asked = asked_for(request);
    std::string text = operation_name(request.family, request.opcode);
    if (asked.fd) {
        text += fmt::format(" on fd {}", fd_text(asked));
    }
    if (request.file) {
        text += " " + quoted(request.file->name);
    }
    return text +
           fmt::format(", user_data {:#x} of pid {} {}", request.user_data, id_text(request.pid), quoted(request.comm));
}

// What it cost the process.
std::string disturbance_text(const CancelReport& report) {
    const std::string still = fmt::format("{} of its threads stood still for {}", report.threads_stopped,
                                          format_duration(report.stood_still_ns));
    if (report.way.empty()) {
        return report.threads_stopped == 0 ? "" : still;
    }
    std::string text = report.thread != 0 ? fmt::format("call made in thread {}", report.thread)
                                          : std::string("call made from outside");
    text += fmt::format(" in {}", format_duration(report.call_ns));
    if (report.threads_stopped == 0) {
        return text + ", the process was not stopped";
    }
    text += ", " + still;
    return text + (report.timeout_restarted ? "; one waits with its timeout begun anew" : "");
}

}  // namespace

std::string cancelled_text(const CancelReport& report, const TextOptions& options) {
    constexpr std::size_t indent = 4;
    const model::Request& request = report.chosen.request;
    const TextFrame frame{.options = options, .start_ns = 0};
    const bool good = report.result.end == model::CancelEnd::cancelled;
    std::string out = fmt::format("{}  {}  {} {}\n", report.chosen.id,
                                  paint(model::name(report.result.end), good ? Tone::green : Tone::yellow, frame),
                                  printable(request.comm), what_text(request));
    const auto add = [&](const std::string& text) {
        if (!text.empty()) {
            out += std::string(indent, ' ') + wrap(text, options.columns, indent, indent) + "\n";
        }
    };
    add(on_one_line(report.result.reason));
    add(disturbance_text(report));
    return out;
}

void write_cancelled(Output& output, const CancelReport& report) {
    JsonLine line(output);
    const bool tried = !report.way.empty();
    line.begin();
    line.string("type", "cancelled");
    line.string("verdict", model::name(report.result.end));
    line.string("reason", report.result.reason);
    line.string_if("way", report.way);
    line.signed_if("ret", tried, report.tried.ret);
    line.number_if("call_start_ns", tried, report.tried.start_ns);
    line.number_if("call_ns", tried, report.call_ns);
    line.number_if("thread", report.thread != 0, report.thread);
    line.number("threads_stopped", report.threads_stopped);
    line.number("stood_still_ns", report.stood_still_ns);
    line.boolean("timeout_restarted", report.timeout_restarted);
    line.key("chosen");
    line.begin_object();
    write_in_flight_fields(line, report.chosen);
    line.end_object();
    line.key("ended");
    if (report.ended) {
        write_request_object(line, *report.ended, 0);
    } else {
        line.null();
    }
    line.end();
}

void write_cancelled_end(Output& output, const CancelledEnd& end) {
    JsonLine line(output);
    line.begin();
    line.string("type", "cancelled_end");
    line.number("trace_start_ns", end.trace_start_ns);
    line.number("chosen", end.chosen);
    line.number("cancelled", end.cancelled);
    line.number("lost", end.lost);
    line.end();
}

std::string audit_line(const CancelReport& report, const std::string& who) {
    return fmt::format("cancel by {}: request {} ({}), way {}: {}: {}", printable(who), printable(report.chosen.id),
                       what_for_log(report.chosen.request), report.way.empty() ? "none" : report.way,
                       model::name(report.result.end), on_one_line(report.result.reason));
}

}  // namespace inflight::view
