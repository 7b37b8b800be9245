// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/types.hpp"

namespace inflight::model {

// Receives what the model has found out, each thing once and finished. Called on the thread that feeds the tracker.
class Sink {
public:
    virtual ~Sink() = default;
    virtual void on_request(const Request& request) = 0;
    virtual void on_cancel(const Cancel& cancel) = 0;
    virtual void on_event(const Event& event) = 0;
    virtual void on_context(const Context& context) = 0;
    virtual void on_finding(const Finding& finding) = 0;
    // Of AIO there is none: an iocb has one event, and that is part of its request.
    virtual void on_completion(const Completion& /*completion*/) {}
    // For checks; no view shows it.
    virtual void on_unmap(const Unmap& /*unmap*/) {}
};

}  // namespace inflight::model
