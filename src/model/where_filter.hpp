// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/sink.hpp"
#include "model/where.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace inflight::model {

// Times are those of the records; an end that is not given is open.
struct TimeSpan {
    std::optional<std::uint64_t> since_ns;
    std::optional<std::uint64_t> until_ns;  // not part of it

    [[nodiscard]] bool contains(std::uint64_t time_ns) const {
        return (!since_ns || time_ns >= *since_ns) && (!until_ns || time_ns < *until_ns);
    }
};

// When a request counts for a span: when it ended; one in flight, when it was submitted; 0 where neither is known.
[[nodiscard]] std::uint64_t time_of(const Request& request);

// Passes on what lies in the span and meets the condition. A cancel passes with its target (one that names none is
// asked with its own process and context), a completion with its request, a finding with one of its requests or if it
// is about none; events and contexts lie in the span only.
class WhereFilter final : public Sink {
public:
    // `next` must outlive it.
    WhereFilter(std::optional<Where> where, TimeSpan span, Sink& next)
        : where_(std::move(where)), span_(span), next_(next) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override;
    void on_event(const Event& event) override;
    void on_context(const Context& context) override;
    void on_finding(const Finding& finding) override;
    void on_completion(const Completion& completion) override;
    void on_unmap(const Unmap& unmap) override { next_.on_unmap(unmap); }

private:
    [[nodiscard]] bool meets(const Request& request) const { return !where_ || where_->matches(request); }
    [[nodiscard]] bool meets(const Cancel& cancel) const;

    std::optional<Where> where_;
    TimeSpan span_;
    Sink& next_;
};

}  // namespace inflight::model
