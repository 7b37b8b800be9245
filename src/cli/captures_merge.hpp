// SPDX-License-Identifier: Apache-2.0
// Several captures as one: on the clock of the first, with contexts that cannot be taken for each other's.
#pragma once

#include "model/sink.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace inflight::cli {

// Passes on what comes from one file. Each host has its own CLOCK_MONOTONIC, and each trace its own numbers of
// contexts.
class Shifted final : public model::Sink {
public:
    // `shift_ns` is added to every time; `file` counts from 0.
    Shifted(std::int64_t shift_ns, std::size_t file, model::Sink& next)
        : shift_ns_(shift_ns), file_(file), next_(next) {}

    void on_request(const model::Request& request) override;
    void on_cancel(const model::Cancel& cancel) override;
    void on_event(const model::Event& event) override;
    void on_context(const model::Context& context) override;
    void on_finding(const model::Finding& finding) override;
    void on_completion(const model::Completion& completion) override;

private:
    [[nodiscard]] bool changes() const { return shift_ns_ != 0 || file_ != 0; }
    void move(std::uint64_t& time_ns) const;
    void move(std::optional<std::uint64_t>& time_ns) const;
    void move(model::Request& request) const;
    void move(model::Cqe& cqe) const;
    void number(std::uint64_t& context_id) const;

    std::int64_t shift_ns_;
    std::size_t file_;
    model::Sink& next_;
};

// Keeps everything until it is asked for it in order of time. What one file has handed out stays in its order.
class Merge final : public model::Sink {
public:
    void on_request(const model::Request& request) override;
    void on_cancel(const model::Cancel& cancel) override { keep(cancel.end_ns, cancel); }
    void on_event(const model::Event& event) override { keep(event.call.header.time_ns, event); }
    void on_context(const model::Context& context) override { keep(context.time_ns, context); }
    void on_finding(const model::Finding& finding) override { keep(finding.time_ns, finding); }
    void on_completion(const model::Completion& completion) override { keep(completion.cqe.time_ns, completion); }

    // The next that comes is of another file.
    void next_file() { latest_ns_ = 0; }
    // Nothing is left in it.
    void hand_out(model::Sink& sink);

private:
    using Value =
        std::variant<model::Request, model::Cancel, model::Event, model::Context, model::Finding, model::Completion>;
    template <typename Kept>
    void keep(std::uint64_t time_ns, const Kept& value) {
        latest_ns_ = std::max(latest_ns_, time_ns);
        kept_.emplace_back(latest_ns_, std::make_unique<Value>(value));
    }

    std::uint64_t latest_ns_ = 0;
    std::vector<std::pair<std::uint64_t, std::unique_ptr<Value>>> kept_;
};

}  // namespace inflight::cli
