// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace inflight::aio {

// Whether this is the process that the contexts belong to. In a child of fork() the first call makes everything new and
// says false: the child has none of its parent's contexts, as with the kernel's.
[[nodiscard]] bool is_this_process();
// The same, asked of the kernel: a child of vfork() has its parent's memory, and so thinks that it is its parent.
[[nodiscard]] bool is_owner_process();

}  // namespace inflight::aio
