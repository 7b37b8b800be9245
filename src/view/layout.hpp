// SPDX-License-Identifier: Apache-2.0
// Columns, padding and line breaks of the text view, counted in columns of a terminal and not in bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::view {

enum class Align { left, right };

// Spaces are added up to `width`; a longer text stays whole.
[[nodiscard]] std::string pad(std::string_view text, std::size_t width, Align align);

// At most `width` columns: the start of the text and "…", or "…" and its end.
[[nodiscard]] std::string keep_head(std::string_view text, std::size_t width);
[[nodiscard]] std::string keep_tail(std::string_view text, std::size_t width);

// Breaks at spaces so that no line passes `columns`. The first line starts at column `first_column`, where the caller
// already is; the others are indented by `indent`. A word that is longer than a line stays whole.
[[nodiscard]] std::string wrap(std::string_view text, std::size_t columns, std::size_t first_column,
                               std::size_t indent);

// A table whose columns are as wide as their widest cell. No cell holds an escape sequence.
class Table {
public:
    struct Column {
        std::string title;
        Align align = Align::left;
        std::size_t least = 0;  // fit() may shorten its cells to this many columns, at the front; 0: never
        unsigned leaves = 0;    // fit() may leave it out, the lowest of these numbers first; 0: it stays
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    // One cell per column.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool has_titles() const;
    // Shortens cells, the last column's first, and where that is not enough leaves columns out, until no line is wider
    // than `width`, if it can be done; then it shortens what should stay whole. The titles of those that were left out.
    std::vector<std::string> fit(std::size_t width);
    // Lines without trailing spaces, the titles first if it has them.
    [[nodiscard]] std::vector<std::string> lines() const;

private:
    [[nodiscard]] std::size_t width_of(std::size_t column) const;
    void leave_out(std::size_t column);
    // By how much it got narrower: up to `excess`, but not below `least`.
    std::size_t shorten(std::size_t column, std::size_t least, std::size_t excess);

    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace inflight::view
