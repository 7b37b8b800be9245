// SPDX-License-Identifier: Apache-2.0
// A request in a few words, for a sentence that speaks of it. Pure.
#pragma once

#include "model/types.hpp"

#include <string>

namespace inflight::model {

// "pread"; "an operation that is not known"
[[nodiscard]] std::string operation_of(const Request& request);

// "pread on fd 5 /data/file, user_data 0x1"
[[nodiscard]] std::string words_for(const Request& request);

}  // namespace inflight::model
