// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace inflight::aio {

// Whether this is the process that the contexts belong to. In a child of fork() the first call makes everything new and
// says false: the child has none of its parent's contexts, as with the kernel's.
[[nodiscard]] bool is_this_process();

}  // namespace inflight::aio
