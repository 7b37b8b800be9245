// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tier_test.hpp"

#include <functional>
#include <string>

namespace inflight::live {

// Lists and cancels the requests of the workload `waiting`, which says itself what became of them: a test for each kind
// of it.
void add_looking_tests(const std::string& tier,
                       const std::function<void(const std::string& name, const std::function<TierTest*()>& make)>& add);

}  // namespace inflight::live
