// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/sink.hpp"

#include <optional>
#include <vector>

namespace inflight::model {

// The filters that can only be applied to a finished request. They are not applied in the kernel, because a request
// that nobody wants to see may still be what explains a cancel.
struct SelectionOptions {
    std::vector<std::uint16_t> opcodes;  // empty: all
    std::vector<Outcome> outcomes;       // empty: all
    std::uint64_t min_latency_ns = 0;    // requests whose latency is not known pass only without it
};

// Passes on what is selected. A cancel passes with the operation of its target; events, contexts and findings always
// do.
class Selection final : public Sink {
public:
    Selection(SelectionOptions options, Sink& next) : options_(std::move(options)), next_(next) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override;
    void on_event(const Event& event) override { next_.on_event(event); }
    void on_context(const Context& context) override { next_.on_context(context); }
    void on_finding(const Finding& finding) override { next_.on_finding(finding); }

private:
    [[nodiscard]] bool selects_operation(const std::optional<std::uint16_t>& opcode) const;

    SelectionOptions options_;
    Sink& next_;
};

}  // namespace inflight::model
