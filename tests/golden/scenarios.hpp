// SPDX-License-Identifier: Apache-2.0
// Traces made of model values, for the views to print. Everything in them is invented, and the same on every machine.
#pragma once

#include "view/view.hpp"

#include <string_view>
#include <vector>

namespace inflight::golden {

struct Scenario {
    std::string_view name;  // NAME.text.expected, NAME.json.expected, NAME.tracee.expected
    void (*feed)(view::View& view);
};

[[nodiscard]] const std::vector<Scenario>& scenarios();

// scenarios_calls.cpp
void feed_cancels(view::View& view);
void feed_events(view::View& view);

// scenarios_uring.cpp
void feed_uring_requests(view::View& view);
void feed_uring_rings(view::View& view);

// scenarios_uring_newer.cpp
void feed_uring_newer(view::View& view);
void feed_uring_newer_events(view::View& view);

// scenarios_uring_calls.cpp
void feed_uring_cancels(view::View& view);
void feed_uring_events(view::View& view);

}  // namespace inflight::golden
