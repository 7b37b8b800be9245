// SPDX-License-Identifier: Apache-2.0
// Names of files and cgroups, put together from what the kernel side read of them.
#pragma once

#include "model/types.hpp"

#include <string>

namespace inflight::model {

[[nodiscard]] File file_from(const ifl_file& record);

// "/system.slice/docker-0123....scope"; "/" for the root.
[[nodiscard]] std::string cgroup_path_from(const ifl_cgroup& record);

// The id of the container that a cgroup path names, as container runtimes write it: the last run of 64 hexadecimal
// digits. Empty: none.
[[nodiscard]] std::string container_id_in(const std::string& cgroup_path);

}  // namespace inflight::model
