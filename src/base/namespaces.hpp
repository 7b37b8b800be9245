// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inflight {

// The inode number of our own pid namespace; 0 where that is the first one, whose numbers are the kernel's.
[[nodiscard]] std::uint32_t own_pid_namespace();

// Whether /proc shows the processes of our own pid namespace: it may have been mounted in another one.
[[nodiscard]] bool proc_is_own();

// Whether cgroups above our own are out of sight, so that paths begin at ours.
[[nodiscard]] bool in_cgroup_namespace();

// Whether our own user namespace is not the first one: its root has no right over the kernel.
[[nodiscard]] bool in_user_namespace();

}  // namespace inflight
