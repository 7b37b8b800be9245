// SPDX-License-Identifier: Apache-2.0
#include "model/selection.hpp"

#include <algorithm>

namespace inflight::model {

bool Selection::selects_operation(const std::optional<std::uint16_t>& opcode) const {
    return options_.opcodes.empty() ||
           (opcode && std::ranges::find(options_.opcodes, *opcode) != options_.opcodes.end());
}

void Selection::on_request(const Request& request) {
    if (!selects_operation(request.opcode)) {
        return;
    }
    if (!options_.outcomes.empty() &&
        std::ranges::find(options_.outcomes, request.outcome) == options_.outcomes.end()) {
        return;
    }
    if (options_.min_latency_ns != 0 && request.latency_ns().value_or(0) < options_.min_latency_ns) {
        return;
    }
    next_.on_request(request);
}

void Selection::on_cancel(const Cancel& cancel) {
    if (options_.opcodes.empty() || (cancel.target && selects_operation(cancel.target->opcode))) {
        next_.on_cancel(cancel);
    }
}

}  // namespace inflight::model
