// SPDX-License-Identifier: Apache-2.0
// Whether the seccomp filters of a thread let a call pass that it is to make for us.
#pragma once

#include "base/result.hpp"

#include <linux/seccomp.h>
#include <sys/types.h>

namespace inflight::act {

// Reads its filters (PTRACE_SECCOMP_GET_FILTER) and asks each. The thread must stand still, traced by the thread that
// asks: its filters then do not change. An error says what they would do, or why that cannot be known: reading them
// needs CAP_SYS_ADMIN, that this process has no filter itself, and a kernel with CONFIG_CHECKPOINT_RESTORE. A thread
// without filters costs one look at /proc.
[[nodiscard]] Result<void> allowed_by_seccomp(pid_t tid, const seccomp_data& call);

}  // namespace inflight::act
