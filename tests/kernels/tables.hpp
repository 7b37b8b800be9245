// SPDX-License-Identifier: Apache-2.0
// What we know of kernels, as data: lost.tsv, prototypes.tsv and btf/names.
#pragma once

#include "base/result.hpp"

#include <compare>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::kernels {

// "6.12"
struct Series {
    unsigned major = 0;
    unsigned minor = 0;
    auto operator<=>(const Series&) const = default;
};
[[nodiscard]] Result<Series> series(std::string_view text);

// "*", "6.12", "6.1-6.12", "7.0-", "-6.12": both ends belong to it.
struct Range {
    Series first;
    Series last{.major = ~0U, .minor = ~0U};
    [[nodiscard]] bool has(const Series& one) const { return first <= one && one <= last; }
};

// A row of lost.tsv or prototypes.tsv.
struct Row {
    Range kernels;
    std::string subject;  // "io_kiocb.tctx", "tracepoint io_uring_submit_req"
    std::string text;     // what is lost, or the prototype
    std::size_t line = 0;
};
using Table = std::vector<Row>;

// Of as many columns, divided by tabs: the first is a range, the last the text. In between may stand several subjects,
// divided by ", ", which makes a row for each. Lines that begin with # are comments.
[[nodiscard]] Result<Table> read_table(const std::string& path, std::size_t columns);
// The row for this kernel, null if there is none.
[[nodiscard]] const Row* find_row(const Table& table, const Series& kernel, std::string_view subject);

// What reduce-btf looked for in each kernel: what it did not find, the kernel does not have.
class Names {
public:
    [[nodiscard]] static Result<Names> read(const std::string& path);
    [[nodiscard]] bool contains(std::string_view name) const;

private:
    std::set<std::string, std::less<>> exact_;
    std::vector<std::string> beginnings_;
};

}  // namespace inflight::kernels
