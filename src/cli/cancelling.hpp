// SPDX-License-Identifier: Apache-2.0
// Cancels requests that a look has shown, and waits to see them end.
#pragma once

#include "act/cancelling.hpp"
#include "cli/looking.hpp"
#include "cli/ring_guard.hpp"
#include "model/sink.hpp"
#include "view/cancelled.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace inflight::cli {

struct CancellingOptions {
    std::optional<act::Way> way;  // nothing: the one that fits
    std::uint64_t timeout_ns = 0;
    bool stop = true;  // threads may be stopped, so that no other request is hit
};

// Gets what ends in the trace: the ends of what was cancelled among it. Not thread-safe.
class Cancelling final : public model::Sink {
public:
    explicit Cancelling(CancellingOptions options) : options_(options) {}

    // In a look: cancels each of `chosen`, of `all` that it showed.
    void act(Looking& looking, const std::vector<model::InFlight>& chosen, const std::vector<model::InFlight>& all);

    // All were seen to end, or the time is over.
    [[nodiscard]] bool settled() const;
    [[nodiscard]] std::vector<view::CancelReport> reports() const;

    void on_request(const model::Request& request) override;
    void on_cancel(const model::Cancel& /*cancel*/) override {}
    void on_event(const model::Event& /*event*/) override {}
    void on_context(const model::Context& /*context*/) override {}
    void on_finding(const model::Finding& /*finding*/) override {}

private:
    using Name = std::pair<std::uint64_t, std::uint64_t>;  // context_id, and user_data or the iocb
    [[nodiscard]] static Name name_of(const model::Request& request);
    [[nodiscard]] std::string refusal(RingGuard& guard, const model::InFlight& each,
                                      const std::vector<model::InFlight>& chosen,
                                      const std::vector<model::InFlight>& all) const;
    [[nodiscard]] act::Order order_for(Looking& looking, RingGuard& guard, const model::InFlight& each) const;

    void take_over(view::CancelReport& report, const act::Order& order, const Result<act::Answer>& answer);

    CancellingOptions options_;
    std::vector<view::CancelReport> reports_;
    std::uint64_t acted_ns_ = 0;
    std::size_t awaited_ = 0;
};

}  // namespace inflight::cli
