// SPDX-License-Identifier: Apache-2.0
#include "view/layout.hpp"

#include "view/escape.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace inflight::view {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::string_view column_gap = "  ";
// What is left of a column whose cells should stay whole, where nothing else can be left out.
constexpr std::size_t last_resort_columns = 8;

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
    std::size_t used = 0;
    while (true) {
        const std::size_t bytes = code_point_at(text, end).bytes;
        used += display_width(text.substr(end, bytes));
        if (used > width - 1) {
            return std::string(text.substr(0, end)).append(ellipsis);
        }
        end += bytes;
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
        const std::size_t bytes = code_point_at(text, 0).bytes;
        used -= display_width(text.substr(0, bytes));
        text.remove_prefix(bytes);
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

std::size_t Table::width_of(std::size_t column) const {
    std::size_t width = display_width(columns_[column].title);
    for (const auto& row : rows_) {
        width = std::max(width, display_width(row[column]));
    }
    return width;
}

void Table::leave_out(std::size_t column) {
    const auto at = static_cast<std::ptrdiff_t>(column);
    columns_.erase(columns_.begin() + at);
    for (auto& row : rows_) {
        row.erase(row.begin() + at);
    }
}

std::size_t Table::shorten(std::size_t column, std::size_t least, std::size_t excess) {
    const std::size_t whole = width_of(column);
    const std::size_t kept =
        std::max({whole - std::min(whole, excess), std::min(whole, least), display_width(columns_[column].title)});
    auto* const cut = columns_[column].least != 0 ? &keep_tail : &keep_head;
    for (auto& row : rows_) {
        row[column] = cut(row[column], kept);
    }
    return whole - kept;
}

std::vector<std::string> Table::fit(std::size_t width) {
    const auto least_of = [this](std::size_t column) {
        const std::size_t whole = width_of(column);
        const std::size_t least = std::max(columns_[column].least, display_width(columns_[column].title));
        return columns_[column].least == 0 ? whole : std::min(whole, least);
    };
    const auto sum = [this](const auto& width_in) {
        std::size_t total = column_gap.size() * (columns_.size() - 1);
        for (std::size_t column = 0; column < columns_.size(); ++column) {
            total += width_in(column);
        }
        return total;
    };
    std::vector<std::string> left_out;
    while (sum(least_of) > width) {
        const auto rank = [](const Column& column) {
            return column.leaves == 0 ? std::numeric_limits<unsigned>::max() : column.leaves;
        };
        const auto next = std::ranges::min_element(columns_, {}, rank);
        if (next->leaves == 0) {
            break;
        }
        left_out.push_back(next->title);
        leave_out(static_cast<std::size_t>(next - columns_.begin()));
    }
    const std::size_t total = sum([this](std::size_t column) { return width_of(column); });
    std::size_t excess = total > width ? total - width : 0;
    for (std::size_t column = columns_.size(); column-- > 0 && excess != 0;) {
        excess -= shorten(column, least_of(column), excess);
    }
    // The first column is what a row is called.
    for (std::size_t column = columns_.size(); column-- > 1 && excess != 0;) {
        excess -= shorten(column, last_resort_columns, excess);
    }
    return left_out;
}

std::vector<std::string> Table::lines() const {
    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (std::size_t index = 0; index < columns_.size(); ++index) {
        widths.push_back(width_of(index));
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
