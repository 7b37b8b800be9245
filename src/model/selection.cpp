// SPDX-License-Identifier: Apache-2.0
#include "model/selection.hpp"

#include <algorithm>

namespace inflight::model {

bool Selection::selects_family(Family family) const {
    return options_.families.empty() || std::ranges::find(options_.families, family) != options_.families.end();
}

bool Selection::selects_operation(const Request& request) const {
    if (options_.operations.empty()) {
        return true;
    }
    return request.opcode &&
           std::ranges::find(options_.operations,
                             SelectionOptions::Operation{.family = request.family, .opcode = *request.opcode}) !=
               options_.operations.end();
}

bool Selection::selects(const Request& request) const {
    if (!selects_family(request.family) || !selects_operation(request)) {
        return false;
    }
    if (!options_.outcomes.empty() &&
        std::ranges::find(options_.outcomes, request.outcome) == options_.outcomes.end()) {
        return false;
    }
    return options_.min_latency_ns == 0 || request.latency_ns().value_or(0) >= options_.min_latency_ns;
}

void Selection::on_request(const Request& request) {
    if (selects(request)) {
        next_.on_request(request);
    }
}

void Selection::on_cancel(const Cancel& cancel) {
    if (!selects_family(cancel.family)) {
        return;
    }
    const auto selected = [this](const Request& target) { return selects_operation(target); };
    if (options_.operations.empty() || (cancel.target && selected(*cancel.target)) ||
        std::ranges::any_of(cancel.more_targets, selected)) {
        next_.on_cancel(cancel);
    }
}

void Selection::on_event(const Event& event) {
    if (selects_family(event.family)) {
        next_.on_event(event);
    }
}

void Selection::on_context(const Context& context) {
    if (selects_family(context.family)) {
        next_.on_context(context);
    }
}

void Selection::on_completion(const Completion& completion) {
    // Of outcome and latency a request that goes on has none yet.
    const bool selected =
        completion.request != nullptr ? selects_operation(*completion.request) : options_.operations.empty();
    if (selects_family(Family::uring) && selected) {
        next_.on_completion(completion);
    }
}

}  // namespace inflight::model
