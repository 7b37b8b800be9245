// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/sink.hpp"
#include "model/summary.hpp"

#include <map>
#include <tuple>

namespace inflight::model {

// What a request transferred: its result, where that counts bytes; of one with several CQEs what they say together.
[[nodiscard]] std::uint64_t bytes_moved(const Request& request);

// Counts what passes on its way to `next`, which does not get looks at a context in between (ContextChange::observed).
// Not thread-safe.
class Statistics final : public Sink {
public:
    explicit Statistics(Sink& next) : next_(next) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override;
    void on_event(const Event& event) override;
    void on_context(const Context& context) override;
    void on_finding(const Finding& finding) override;
    void on_completion(const Completion& completion) override;

    // All so far. Losses, the kernel's own counters and the reason of the end are the caller's to fill in.
    [[nodiscard]] Summary summary(std::uint64_t start_ns, std::uint64_t end_ns) const;

private:
    using Key = std::tuple<std::uint32_t, std::string, Family, int>;  // pid, comm, family, opcode or -1

    [[nodiscard]] OperationStats& operation_of(const Request& request);

    Sink& next_;
    Summary totals_;
    std::map<Key, OperationStats> operations_;
    OperationStats* last_ = nullptr;
    std::map<std::uint64_t, Context> contexts_;
};

}  // namespace inflight::model
