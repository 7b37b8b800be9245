// SPDX-License-Identifier: Apache-2.0
#include "view/escape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

namespace inflight::view {
namespace {

struct Range {
    char32_t first;
    char32_t last;
};

// Characters that move the cursor, break a line, turn the direction of the text or cannot be seen: with them a file
// name could pretend to be another, or to be a line of ours.
constexpr Range unprintable_ranges[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e},   {0x200b, 0x200f},
    {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

// East Asian wide and fullwidth characters and emoji, by blocks (Unicode's EastAsianWidth.txt).
constexpr Range wide_ranges[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c}, {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
};

// Marks that are drawn over the character before them.
constexpr Range combining_ranges[] = {
    {0x300, 0x36f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

bool in_ranges(std::span<const Range> ranges, char32_t value) {
    return std::ranges::any_of(ranges,
                               [value](const Range& range) { return value >= range.first && value <= range.last; });
}

unsigned byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

void append_hex_bytes(std::string& out, std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte_at(bytes, at));
    }
}

void append_json(std::string& out, char32_t value) {
    constexpr char32_t above_plane = 0x10000;
    if (value < above_plane) {
        fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<unsigned>(value));
        return;
    }
    const unsigned rest = static_cast<unsigned>(value) - above_plane;
    fmt::format_to(std::back_inserter(out), "\\u{:04X}\\u{:04X}", 0xd800 + (rest >> 10U), 0xdc00 + (rest & 0x3ffU));
}

// JSON's own short escapes; 0: it has none for this character.
char json_short(char32_t value) {
    switch (value) {
        case '"':
        case '\\':
            return static_cast<char>(value);
        case '\b':
            return 'b';
        case '\f':
            return 'f';
        case '\n':
            return 'n';
        case '\r':
            return 'r';
        case '\t':
            return 't';
        default:
            return 0;
    }
}

bool is_plain_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char byte) { return byte >= 0x20 && byte < 0x7f && byte != '\\'; });
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
    const unsigned lead = byte_at(text, at);
    if (lead < 0x80) {
        return {.value = lead, .bytes = 1, .valid = true};
    }
    const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || at + bytes > text.size()) {
        return {};
    }
    char32_t value = lead & (0xffU >> (bytes + 1));
    for (std::size_t next = 1; next < bytes; ++next) {
        const unsigned continuation = byte_at(text, at + next);
        if ((continuation & 0xc0U) != 0x80) {
            return {};
        }
        value = value << 6 | (continuation & 0x3fU);
    }
    constexpr char32_t smallest[] = {0x80, 0x800, 0x10000};  // by length: a longer encoding is not well-formed
    if (value < smallest[bytes - 2] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return {};
    }
    return {.value = value, .bytes = bytes, .valid = true};
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = code_point_at(text, at);
        if (!point.valid) {
            return false;
        }
        at += point.bytes;
    }
    return true;
}

std::string printable(std::string_view text) {
    if (is_plain_ascii(text)) {
        return std::string(text);
    }
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = code_point_at(text, at);
        const std::string_view bytes = text.substr(at, point.bytes);
        if (!point.valid) {
            append_hex_bytes(out, bytes);
        } else if (point.value == '\n') {
            out += "\\n";
        } else if (point.value == '\t') {
            out += "\\t";
        } else if (point.value == '\r') {
            out += "\\r";
        } else if (point.value == '\\') {
            out += "\\\\";
        } else if (in_ranges(unprintable_ranges, point.value)) {
            append_hex_bytes(out, bytes);
        } else {
            out += bytes;
        }
        at += point.bytes;
    }
    return out;
}

std::string hex_bytes(std::string_view bytes) {
    std::string out;
    append_hex_bytes(out, bytes);
    return out;
}

std::string json_escaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = code_point_at(text, at);
        const std::string_view bytes = text.substr(at, point.bytes);
        if (!point.valid) {
            out += '\\';
            append_hex_bytes(out, bytes);
        } else if (const char letter = json_short(point.value); letter != 0) {
            out.append({'\\', letter});
        } else if (in_ranges(unprintable_ranges, point.value)) {
            append_json(out, point.value);
        } else {
            out += bytes;
        }
        at += point.bytes;
    }
    return out;
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = code_point_at(text, at);
        const std::string_view bytes = text.substr(at, point.bytes);
        if (point.valid) {
            out += bytes;
        } else {
            append_hex_bytes(out, bytes);
        }
        at += point.bytes;
    }
    return out;
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
            ++width;
            ++at;
            continue;
        }
        const CodePoint point = code_point_at(text, at);
        if (!in_ranges(combining_ranges, point.value)) {
            width += in_ranges(wide_ranges, point.value) ? 2 : 1;
        }
        at += point.bytes;
    }
    return width;
}

}  // namespace inflight::view
