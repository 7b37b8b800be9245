// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inflight::probe {

// Whether process numbers mean the same to us as to the kernel side: not so inside a pid namespace.
[[nodiscard]] bool numbers_are_the_kernels();

// No thread of the process with this number runs any more. One that waits for its parent has ended.
[[nodiscard]] bool has_ended(std::uint32_t pid);

}  // namespace inflight::probe
