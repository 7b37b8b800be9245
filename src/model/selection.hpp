// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/sink.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace inflight::model {

// The filters that can only be applied to a finished request. They are not applied in the kernel, because a request
// that nobody wants to see may still be what explains a cancel.
struct SelectionOptions {
    struct Operation {
        Family family = Family::aio;
        std::uint16_t opcode = 0;
        bool operator==(const Operation&) const = default;
    };
    std::vector<Family> families;       // empty: all
    std::vector<Operation> operations;  // empty: all
    std::vector<Outcome> outcomes;      // empty: all
    std::uint64_t min_latency_ns = 0;   // requests whose latency is not known pass only without it
};

// Passes on what is selected. A cancel passes with the operation of a target, a completion with that of its request;
// events and contexts with their family, findings always.
class Selection final : public Sink {
public:
    Selection(SelectionOptions options, Sink& next) : options_(std::move(options)), next_(next) {}

    [[nodiscard]] bool selects_family(Family family) const;
    [[nodiscard]] bool selects(const Context& context) const { return selects_family(context.family); }
    [[nodiscard]] bool selects(const Request& request) const;

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override;
    void on_event(const Event& event) override;
    void on_context(const Context& context) override;
    void on_finding(const Finding& finding) override { next_.on_finding(finding); }
    void on_unmap(const Unmap& unmap) override { next_.on_unmap(unmap); }
    void on_completion(const Completion& completion) override;

private:
    [[nodiscard]] bool selects_operation(const Request& request) const;

    SelectionOptions options_;
    Sink& next_;
};

}  // namespace inflight::model
