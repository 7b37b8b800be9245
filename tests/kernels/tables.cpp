// SPDX-License-Identifier: Apache-2.0
#include "tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>

namespace inflight::kernels {

namespace {

std::optional<Range> range(std::string_view text) {
    if (text == "*") {
        return Range{};
    }
    const auto dash = text.find('-');
    const auto first = text.substr(0, dash);
    const auto last = dash == std::string_view::npos ? first : text.substr(dash + 1);
    Range found;
    if (!first.empty()) {
        const auto one = series(first);
        if (!one) {
            return std::nullopt;
        }
        found.first = *one;
    }
    if (!last.empty()) {
        const auto one = series(last);
        if (!one) {
            return std::nullopt;
        }
        found.last = *one;
    }
    return first.empty() && last.empty() ? std::nullopt : std::optional(found);
}

std::vector<std::string> cut(std::string_view line, std::string_view divider) {
    std::vector<std::string> cells;
    for (;;) {
        const auto end = line.find(divider);
        cells.emplace_back(line.substr(0, end));
        if (end == std::string_view::npos) {
            return cells;
        }
        line.remove_prefix(end + divider.size());
    }
}

}  // namespace

Result<Series> series(std::string_view text) {
    Series one;
    const char* const end = text.end();
    const auto [dot, error] = std::from_chars(text.begin(), end, one.major);
    if (error != std::errc{} || dot == end || *dot != '.' || std::from_chars(dot + 1, end, one.minor).ptr != end) {
        return failure(fmt::format("read the kernel '{}'", text), "it is no series such as 6.12", "write one");
    }
    return one;
}

Result<Table> read_table(const std::string& path, std::size_t columns) {
    std::ifstream file(path);
    if (!file) {
        return failure("read " + path, "it cannot be opened", "take it from the repository");
    }
    Table table;
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); number++) {
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const auto cells = cut(line, "\t");
        const auto kernels = range(cells.front());
        if (cells.size() != columns || !kernels || std::ranges::any_of(cells, &std::string::empty)) {
            return failure(fmt::format("read line {} of {}", number, path),
                           fmt::format("it has not {} columns, or its first is no range of kernels", columns),
                           "divide the columns by tabs; a range is *, 6.1, 6.1-6.12, 7.0- or -6.12");
        }
        const std::string kind = columns == 4 ? cells[1] + " " : "";
        for (const auto& subject : cut(cells[columns - 2], ", ")) {
            table.push_back({.kernels = *kernels, .subject = kind + subject, .text = cells.back(), .line = number});
        }
    }
    return table;
}

const Row* find_row(const Table& table, const Series& kernel, std::string_view subject) {
    const auto row = std::ranges::find_if(
        table, [&](const Row& each) { return each.subject == subject && each.kernels.has(kernel); });
    return row == table.end() ? nullptr : &*row;
}

Result<Names> Names::read(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return failure("read " + path, "it cannot be opened", "take it from the repository");
    }
    Names names;
    std::string line;
    while (std::getline(file, line)) {
        if (line.ends_with('*')) {
            names.beginnings_.push_back(line.substr(0, line.size() - 1));
        } else if (!line.empty() && !line.starts_with('#')) {
            names.exact_.insert(line);
        }
    }
    return names;
}

bool Names::contains(std::string_view name) const {
    return exact_.contains(name) ||
           std::ranges::any_of(beginnings_, [&](const std::string& each) { return name.starts_with(each); });
}

}  // namespace inflight::kernels
