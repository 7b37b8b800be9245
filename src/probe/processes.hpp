// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inflight::probe {

// No thread of the process with this number runs any more. One that waits for its parent has ended.
[[nodiscard]] bool has_ended(std::uint32_t pid);

}  // namespace inflight::probe
