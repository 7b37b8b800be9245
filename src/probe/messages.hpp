// SPDX-License-Identifier: Apache-2.0
// What libbpf has to say, kept for the case that loading fails. Per thread.
#pragma once

#include <string>

namespace inflight::probe {

// From now on libbpf's warnings are kept and not printed.
void keep_libbpf_messages();

// The end of what was said since the last call; a verifier says there why.
[[nodiscard]] std::string take_libbpf_messages();

}  // namespace inflight::probe
