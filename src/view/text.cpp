// SPDX-License-Identifier: Apache-2.0
// One line per request, for people:
//
//       TIME     PID  COMM            OP             OFFSET   LENGTH  LATENCY  RESULT              FD FILE
//  +0.104087    4242  postgres        pread           8 KiB  4.0 KiB  87.1 µs  completed 4.0 KiB    7
//  …/base/16384/16397
//
// Requests that are still in flight come at the end, when it is known how long they have been waiting: "≥2.50 s". An
// upper bound is "≤12.3 µs". What is not known is "-".
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "view/calls.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::view {
namespace {

constexpr Tone severity_tones[] = {Tone::cyan, Tone::yellow, Tone::red};

// "poll POLLIN on fd 7 pipe:[123], user_data 0x1, submitted +0.100000"
std::string target_text(const model::Request& target, const TextFrame& frame) {
    const bool known = target.origin != model::Origin::unknown;
    std::string text = target.opcode ? operation_name(target.family, target.opcode) : "an operation that is not known";
    if (known) {
        const LengthUnit unit = length_unit(target.opcode);
        if (unit == LengthUnit::poll_events) {
            text += " " + catalog::flag_names(catalog::poll_events(), target.buffer);
        } else if (unit == LengthUnit::bytes && target.offset >= 0) {
            text += fmt::format(" {} at {}", format_bytes(target.length),
                                format_bytes_exact(static_cast<std::uint64_t>(target.offset)));
        }
        text += fmt::format(" on fd {}", target.fd);
    }
    if (target.file) {
        text += fmt::format("{}{}", known ? " " : " on ", file_text(target.file));
    }
    if (target.user_data_known) {
        text += fmt::format(", user_data {:#x}", target.user_data);
    }
    text += target.submit_ns ? ", submitted " + time_text(target.submit_ns, frame)
            : target.existed ? ", submitted before the trace"
                             : "";
    return text + ", " + outcome_text(target) +
           (target.complete_ns ? " " + time_text(target.complete_ns, frame) : std::string());
}

class TextView final : public View {
public:
    TextView(Output& output, TextOptions options) : output_(output), frame_{.options = options, .start_ns = 0} {}

    void begin(const TraceInfo& info) override {
        frame_.start_ns = info.start_ns;
        put(fmt::format("inflight {} on {}, Linux {}, hooks: {}", printable(info.version), printable(info.host_name),
                        printable(info.kernel_release), printable(info.hooks)),
            Tone::dim);
        for (const std::string& limit : info.limits) {
            put("limit: " + wrap(printable(limit), frame_.options.columns, 7, 7), Tone::dim);
        }
    }

    void on_request(const model::Request& request) override {
        if (request.outcome == model::Outcome::in_flight) {
            // How long it has been waiting is known at the end.
            in_flight_.push_back(request);
            return;
        }
        put_request(request, 0);
    }

    void on_cancel(const model::Cancel& cancel) override {
        const int error = error_of(cancel.ret);
        const bool success = cancel.verdict == model::Verdict::cancelled;
        std::string text = lead(cancel.end_ns, cancel.pid, cancel.comm, frame_);
        text += fmt::format("{} iocb {} ctx {:#x} {} → {}{}", paint("io_cancel", Tone::bold, frame_),
                            cancel.address == 0 ? "NULL" : fmt::format("{:#x}", cancel.address), cancel.ctx_id,
                            error != 0 ? catalog::errno_name(error) : fmt::to_string(cancel.ret),
                            cancel.certain ? "" : "probably ",
                            paint(model::name(cancel.verdict), success ? Tone::green : Tone::yellow, frame_));
        if (!cancel.reason.empty()) {
            text += "\n" + detail(printable(cancel.reason), lead_columns, frame_);
        }
        if (cancel.target) {
            std::string target = "target: " + target_text(*cancel.target, frame_);
            if (cancel.completed_before_ns) {
                target += ", " + format_duration(*cancel.completed_before_ns) + " before the call";
            }
            text += "\n" + detail(target, lead_columns, frame_);
        }
        put(text);
    }

    void on_event(const model::Event& event) override { put(event_text(event, frame_)); }

    void on_context(const model::Context&) override {}  // all of them are in the summary

    void on_finding(const model::Finding& finding) override {
        const std::string label = fmt::format("finding {} {}:", model::name(finding.severity), printable(finding.code));
        const Tone tone = severity_tones[static_cast<std::size_t>(finding.severity)];
        std::string message = printable(finding.message);
        if (!finding.advice.empty()) {
            message += " — " + printable(finding.advice);
        }
        put(lead(finding.time_ns, finding.pid, finding.comm, frame_) + paint(label, tone, frame_) + " " +
            wrap(message, frame_.options.columns, lead_columns + display_width(label) + 1, lead_columns));
    }

    void end(const model::Summary& summary) override {
        std::ranges::stable_sort(in_flight_, {}, [](const model::Request& request) { return request.submit_ns; });
        for (const model::Request& request : in_flight_) {
            put_request(request, summary.end_ns);
        }
        in_flight_.clear();
        put("");
        put(summary_text(summary, frame_));
    }

private:
    void put_request(const model::Request& request, std::uint64_t end_ns) {
        if (!titles_printed_) {
            titles_printed_ = true;
            put(request_titles(), Tone::bold);
        }
        put(request_line(request, end_ns, frame_));
    }

    void put(std::string_view text, Tone tone = Tone::plain) {
        output_.write(paint(text, tone, frame_));
        output_.write("\n");
    }

    Output& output_;
    TextFrame frame_;
    std::vector<model::Request> in_flight_;
    bool titles_printed_ = false;
};

}  // namespace

std::unique_ptr<View> make_text_view(Output& output, TextOptions options) {
    return std::make_unique<TextView>(output, options);
}

}  // namespace inflight::view
