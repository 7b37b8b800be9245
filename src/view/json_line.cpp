// SPDX-License-Identifier: Apache-2.0
#include "view/json_line.hpp"

#include "view/escape.hpp"

#include <array>
#include <charconv>

namespace inflight::view {

void JsonLine::end() {
    writer_.EndObject();
    buffer_.Put('\n');
    output_.write({buffer_.GetString(), buffer_.GetSize()});
}

void JsonLine::hex(std::uint64_t value) {
    std::array<char, 18> digits{'0', 'x'};
    const auto result = std::to_chars(digits.data() + 2, digits.data() + digits.size(), value, 16);
    writer_.String(digits.data(), static_cast<rapidjson::SizeType>(result.ptr - digits.data()));
}

void JsonLine::string(std::string_view text) {
    if (is_utf8(text)) {
        writer_.String(text.data(), length(text));
        return;
    }
    const std::string clean = valid_utf8(text);
    writer_.String(clean.data(), length(clean));
}

}  // namespace inflight::view
