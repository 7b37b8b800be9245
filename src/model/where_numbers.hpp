// SPDX-License-Identifier: Apache-2.0
// Numbers as they are written in a condition. Empty: it is none.
#pragma once

#include "model/where_fields.hpp"

#include <optional>
#include <string_view>

namespace inflight::model {

// "EIO" as a positive number.
[[nodiscard]] std::optional<int> errno_by_name(std::string_view name);
// Decimal or, with 0x, hexadecimal.
[[nodiscard]] std::optional<WideNumber> whole_number(std::string_view text);
// "10ms" in nanoseconds.
[[nodiscard]] std::optional<WideNumber> time_number(std::string_view text);
// "4KiB" in bytes; without a unit too.
[[nodiscard]] std::optional<WideNumber> bytes_number(std::string_view text);

}  // namespace inflight::model
