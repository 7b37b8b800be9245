// SPDX-License-Identifier: Apache-2.0
// What fuzz targets share: the model as the commands put it together.
#pragma once

#include "capture/consumer.hpp"
#include "model/conflicts.hpp"
#include "model/findings.hpp"
#include "model/statistics.hpp"
#include "model/tracker.hpp"

#include <cstdint>
#include <cstdlib>

namespace inflight::fuzz {

// What must always hold. The fuzzer takes the end of the process for a find.
inline void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

class Counting final : public model::Sink {
public:
    void on_request(const model::Request& request) override {
        // Never before it began, in the model's own words.
        require(!request.latency_ns() || *request.complete_ns >= *request.submit_ns);
        requests++;
    }
    void on_cancel(const model::Cancel& /*cancel*/) override { cancels++; }
    void on_event(const model::Event& /*event*/) override { events++; }
    void on_context(const model::Context& /*context*/) override { contexts++; }
    void on_finding(const model::Finding& finding) override { require(!finding.code.empty()); }

    std::uint64_t requests = 0;
    std::uint64_t cancels = 0;
    std::uint64_t events = 0;
    std::uint64_t contexts = 0;
};

// Conflicts are looked for in every second input only: that takes its own time.
class Model final : public capture::Consumer {
public:
    Model(model::Sink& sink, std::uint8_t choice)
        : statistics_(sink),
          findings_({}, statistics_),
          conflicts_({}, findings_),
          tracker_(options_of(choice), (choice & 1U) != 0 ? static_cast<model::Sink&>(conflicts_) : findings_) {}

    void on_record(const ifl_header& record) override { tracker_.on_record(record); }
    void note_losses() override { tracker_.note_losses(); }
    void advance(std::uint64_t now_ns) override { tracker_.advance(now_ns); }
    void finish(std::uint64_t end_ns) override {
        tracker_.finish(end_ns);
        findings_.finish(end_ns);
        end_ns_ = end_ns;
    }
    [[nodiscard]] bool wants_snapshot() const override { return tracker_.wants_snapshot(); }
    [[nodiscard]] model::Summary summary() { return statistics_.summary(0, end_ns_); }

private:
    static model::TrackerOptions options_of(std::uint8_t choice) {
        model::TrackerOptions options;
        options.events_wanted = (choice & 2U) != 0 ? ~0U : 0;
        options.history_limit = (choice & 4U) != 0 ? 1U << 16U : 8;
        return options;
    }

    model::Statistics statistics_;
    model::Findings findings_;
    model::Conflicts conflicts_;
    model::Tracker tracker_;
    std::uint64_t end_ns_ = 0;
};

}  // namespace inflight::fuzz
