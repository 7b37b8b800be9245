// SPDX-License-Identifier: Apache-2.0
#include "view/json_line.hpp"

#include "view/escape.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace inflight::view {

void JsonLine::end() {
    writer_.EndObject();
    buffer_.Put('\n');
    output_.write({buffer_.GetString(), buffer_.GetSize()});
}

void JsonLine::hex(std::uint64_t value) {
    std::array<char, 18> digits{'0', 'x'};
    const auto result = std::to_chars(digits.data() + 2, digits.data() + digits.size(), value, 16);
    writer_.PlainString({digits.data(), result.ptr});
}

void JsonLine::string(std::string_view text) {
    if (std::ranges::all_of(text,
                            [](char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; })) {
        writer_.PlainString(text);
        return;
    }
    writer_.PlainString(json_escaped(text));
}

}  // namespace inflight::view
