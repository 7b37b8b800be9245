// SPDX-License-Identifier: Apache-2.0
// File names, command names and words of the command line are bytes that somebody else chose. Nothing of them reaches
// an output before it went through here. One rule holds for all outputs: a character that can steer a terminal, break a
// line, turn the direction of text or hide is written as an escape, and so is what is not UTF-8. Each output escapes in
// its own way. Pure functions.
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

// \xNN for each byte.
[[nodiscard]] std::string hex_bytes(std::string_view bytes);

// For JSON, what stands between the quotation marks: the characters that printable() escapes come out as \uXXXX (or as
// JSON's short forms, "\n"), so that a parser gets the same text. JSON has no way to write a byte that is not UTF-8: it
// becomes the four characters \xNN, which a parser sees.
[[nodiscard]] std::string json_escaped(std::string_view text);

// For binary formats, which no terminal is to show: each byte that is not UTF-8 becomes \xNN, all else stays.
[[nodiscard]] std::string valid_utf8(std::string_view text);

// Columns that a terminal uses for a text that printable() made.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace inflight::view
