// SPDX-License-Identifier: Apache-2.0
// Asks the kernel itself whether it takes a kind of probe, by attaching an empty one for a moment.
#pragma once

#include <optional>
#include <string>

namespace inflight::probe {

// The reason why not, or nothing when it works. `function` must be in the kernel's BTF.
[[nodiscard]] std::optional<std::string> fentry_refused(const std::string& function);

// The same for a kprobe on `function`.
[[nodiscard]] std::optional<std::string> kprobe_refused(const std::string& function);

}  // namespace inflight::probe
