// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "contract/records.h"

#include <cstddef>
#include <cstdint>

namespace inflight::capture {

// Whether a row of this size is a record of this kind that can be read like one of the kernel side's: nothing in it
// points beyond its end, and its time is not beyond what a clock can show. Its values may still be any.
[[nodiscard]] bool is_record(const ifl_header& record, std::size_t row_bytes, std::uint16_t kind);

}  // namespace inflight::capture
