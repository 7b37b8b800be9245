// SPDX-License-Identifier: Apache-2.0
// The completions that stand in a kernel AIO context's ring. The ring is memory of the process, which the process can
// write to: what is read is checked against what the kernel knows of it.
#pragma once

#include "contract/census.h"

#include <functional>

namespace inflight::capture {

// Reads the memory of tally.pid (process_vm_readv(2): as ptrace allows it). Where it cannot be read, or what stands
// there is not the ring of that context, one record says so (IFL_UNREAPED_UNREAD). An event that is taken meanwhile may
// be visited.
void for_each_unreaped(const ifl_tally& tally, const std::function<void(const ifl_unreaped&)>& visit);

}  // namespace inflight::capture
