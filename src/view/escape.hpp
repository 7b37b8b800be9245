// SPDX-License-Identifier: Apache-2.0
// File names and command names are bytes that a traced program chose. Nothing of them reaches a terminal or a JSON
// string before it went through here. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace inflight::view {

struct CodePoint {
    char32_t value = 0;
    std::size_t bytes = 1;
    bool valid = false;  // false: the byte at that place is not the start of well-formed UTF-8
};

// The one that starts at `at`, which is below text.size().
[[nodiscard]] CodePoint code_point_at(std::string_view text, std::size_t at);

[[nodiscard]] bool is_utf8(std::string_view text);

// For a terminal: control characters, line separators, invisible and text-direction characters and what is not UTF-8
// come out as \n, \t, \r or \xNN for each byte; a backslash is doubled. "a\x1b[31m" becomes "a\\x1b[31m".
[[nodiscard]] std::string printable(std::string_view text);

// For JSON: each byte that is not UTF-8 becomes the four characters \xNN. All else stays, as a JSON writer escapes it.
[[nodiscard]] std::string valid_utf8(std::string_view text);

// Columns that a terminal uses for a text that printable() made.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace inflight::view
