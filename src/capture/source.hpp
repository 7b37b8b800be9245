// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "model/tracker.hpp"

namespace inflight::capture {

// Where records come from. Live tracing and a capture file enter the model through the same door.
class RecordSource {
public:
    virtual ~RecordSource() = default;

    // Hands over, in order of time, what can be handed over now. Does not wait. Returns how many records have come,
    // also those that must wait for older ones.
    virtual Result<std::size_t> pump(model::Tracker& tracker) = 0;

    // Hands over the rest. Nothing comes after it.
    virtual Result<void> finish(model::Tracker& tracker) = 0;

    // What was generated, delivered and lost so far; the tracker's own counts are not in it.
    [[nodiscard]] virtual model::Losses losses() const = 0;
};

}  // namespace inflight::capture
