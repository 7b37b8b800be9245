// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <fmt/format.h>

#include <cstring>

namespace inflight {

std::string describe_errno(int error) {
    const char* name = strerrorname_np(error);
    const char* text = strerrordesc_np(error);
    if (name == nullptr || text == nullptr) {
        return fmt::format("errno {}", error);
    }
    return fmt::format("{} ({})", name, text);
}

}  // namespace inflight
