// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/sink.hpp"

#include <cstddef>
#include <vector>

namespace inflight::model {

// Keeps the `most` slowest requests, whose latency is known, and passes nothing on. Not thread-safe.
class Slowest final : public Sink {
public:
    explicit Slowest(std::size_t most) : most_(most) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel&) override {}
    void on_event(const Event&) override {}
    void on_context(const Context&) override {}
    void on_finding(const Finding&) override {}

    // The slowest first; of the same latency the one that was submitted first. Nothing is left in it.
    [[nodiscard]] std::vector<Request> take();

private:
    std::size_t most_;
    std::vector<Request> heap_;  // the fastest of them is its front
};

}  // namespace inflight::model
