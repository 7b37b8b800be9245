// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace inflight::aio {

// Waits for what was submitted to files until now and changes them: it is not lost when the process ends. What other
// threads submit meanwhile is not waited for.
void drain_all_contexts();

}  // namespace inflight::aio
