// SPDX-License-Identifier: Apache-2.0
// One line per request, for people:
//
//       TIME     PID  COMM            OP                  OFFSET   LENGTH  LATENCY  RESULT              FD FILE
//  +0.104087    4242  postgres        pread                8 KiB  4.0 KiB  87.1 µs  completed 4.0 KiB    7
//  …se/16384/16397
//
// Below the line of an io_uring request stands what was unusual about its way, if anything was.
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

    void on_cancel(const model::Cancel& cancel) override { put(cancel_text(cancel, frame_)); }

    void on_completion(const model::Completion& completion) override {
        put_titles();
        put(completion_line(completion, frame_));
        if (const std::string notes = completion_notes(completion); !notes.empty()) {
            put(detail(notes, lead_columns, frame_));
        }
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
        for (const model::Request& story : finding.stories) {
            put(detail("request: " + target_text(story, frame_), lead_columns, frame_));
        }
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
        put_titles();
        put(request_line(request, end_ns, frame_));
        if (const std::string notes = uring_notes(request); !notes.empty()) {
            put(detail(notes, lead_columns, frame_));
        }
    }

    void put_titles() {
        if (!titles_printed_) {
            titles_printed_ = true;
            put(request_titles(), Tone::bold);
        }
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
