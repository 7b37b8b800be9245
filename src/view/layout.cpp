// SPDX-License-Identifier: Apache-2.0
#include "view/layout.hpp"

#include "view/escape.hpp"

#include <algorithm>

namespace inflight::view {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::string_view column_gap = "  ";

}  // namespace

std::string pad(std::string_view text, std::size_t width, Align align) {
    const std::size_t used = display_width(text);
    const std::string spaces(used < width ? width - used : 0, ' ');
    std::string out;
    out.reserve(text.size() + spaces.size());
    if (align == Align::right) {
        out.append(spaces).append(text);
    } else {
        out.append(text).append(spaces);
    }
    return out;
}

std::string keep_head(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) {
        return std::string(text);
    }
    if (width == 0) {
        return {};
    }
    std::size_t end = 0;
    while (true) {
        const std::size_t next = end + code_point_at(text, end).bytes;
        if (display_width(text.substr(0, next)) > width - 1) {
            return std::string(text.substr(0, end)).append(ellipsis);
        }
        end = next;
    }
}

std::string keep_tail(std::string_view text, std::size_t width) {
    std::size_t used = display_width(text);
    if (used <= width) {
        return std::string(text);
    }
    if (width == 0) {
        return {};
    }
    while (used > width - 1) {
        text.remove_prefix(code_point_at(text, 0).bytes);
        used = display_width(text);
    }
    return std::string(ellipsis).append(text);
}

std::string wrap(std::string_view text, std::size_t columns, std::size_t first_column, std::size_t indent) {
    std::string out;
    std::size_t at = first_column;
    bool line_is_empty = true;
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find(' ', start), text.size());
        const std::string_view word = text.substr(start, end - start);
        const std::size_t width = display_width(word);
        if (!line_is_empty && at + 1 + width > columns) {
            out.append("\n").append(indent, ' ');
            at = indent;
            line_is_empty = true;
        }
        if (!line_is_empty) {
            out += ' ';
            ++at;
        }
        out += word;
        at += width;
        line_is_empty = false;
        start = end + 1;
    }
    return out;
}

bool Table::has_titles() const {
    return std::ranges::any_of(columns_, [](const Column& column) { return !column.title.empty(); });
}

std::vector<std::string> Table::lines() const {
    std::vector<std::size_t> widths;
    for (std::size_t index = 0; index < columns_.size(); ++index) {
        std::size_t width = display_width(columns_[index].title);
        for (const auto& row : rows_) {
            width = std::max(width, display_width(row[index]));
        }
        widths.push_back(width);
    }
    std::vector<std::string> out;
    const auto add_line = [&](auto cell_of) {
        std::string line;
        for (std::size_t index = 0; index < columns_.size(); ++index) {
            line.append(index == 0 ? "" : column_gap).append(pad(cell_of(index), widths[index], columns_[index].align));
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out.push_back(std::move(line));
    };
    if (has_titles()) {
        add_line([&](std::size_t index) -> const std::string& { return columns_[index].title; });
    }
    for (const auto& row : rows_) {
        add_line([&](std::size_t index) -> const std::string& { return row[index]; });
    }
    return out;
}

}  // namespace inflight::view
