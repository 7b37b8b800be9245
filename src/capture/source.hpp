// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "capture/consumer.hpp"
#include "model/summary.hpp"

#include <cstdint>

namespace inflight::capture {

// Why a trace ends: because the traced program has exited, so that its last requests end now, or while the traced
// programs keep running.
enum class Ending : std::uint8_t { with_the_program, before_the_programs };

// Where records come from while they are made.
class RecordSource {
public:
    virtual ~RecordSource() = default;

    // Hands over, in order of time, what can be handed over now, for some ten milliseconds at most. Does not wait.
    // Returns how many records have come, also those that must wait for older ones.
    virtual Result<std::size_t> pump(Consumer& consumer) = 0;

    // True when the last pump() stopped, because it took long, before it had handed over all that it could.
    [[nodiscard]] virtual bool behind() const { return false; }

    // Hands over the rest. Nothing comes after it.
    virtual Result<void> finish(Consumer& consumer, Ending ending) = 0;

    // What was generated, delivered and lost so far; what a tracker counts itself is not in it.
    [[nodiscard]] virtual model::Losses losses() const = 0;
};

}  // namespace inflight::capture
