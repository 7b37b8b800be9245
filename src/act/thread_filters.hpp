// SPDX-License-Identifier: Apache-2.0
// Whether a thread may make a call for us: what its seccomp filters, or the program itself, would do to it.
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

// An error where the thread has calls of its own sent back to it as SIGSYS (syscall user dispatch, as Wine does).
// Kernels before 6.4 do not tell: no error then. The thread must stand still, traced by the thread that asks.
[[nodiscard]] Result<void> calls_reach_the_kernel(pid_t tid);

}  // namespace inflight::act
