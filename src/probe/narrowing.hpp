// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace inflight::probe {

// Whether this kernel's IORING_REGISTER_SYNC_CANCEL can be narrowed by opcode and file beside the user_data (Linux 6.6
// and later). Asks it, on a ring of our own.
[[nodiscard]] bool can_narrow_cancel();

}  // namespace inflight::probe
