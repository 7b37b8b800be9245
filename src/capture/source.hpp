// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "capture/consumer.hpp"
#include "model/summary.hpp"

namespace inflight::capture {

// Where records come from while they are made.
class RecordSource {
public:
    virtual ~RecordSource() = default;

    // Hands over, in order of time, what can be handed over now. Does not wait. Returns how many records have come,
    // also those that must wait for older ones.
    virtual Result<std::size_t> pump(Consumer& consumer) = 0;

    // Hands over the rest. Nothing comes after it.
    virtual Result<void> finish(Consumer& consumer) = 0;

    // What was generated, delivered and lost so far; what a tracker counts itself is not in it.
    [[nodiscard]] virtual model::Losses losses() const = 0;
};

}  // namespace inflight::capture
