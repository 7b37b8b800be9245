// SPDX-License-Identifier: Apache-2.0
// One row for each request, for spreadsheets, data frames and SQL.
#pragma once

#include "view/view.hpp"

#include <memory>
#include <span>
#include <string_view>

namespace inflight::view {

struct CsvColumn {
    std::string_view name;
    std::string_view meaning;
};
// In the order of the file; docs/export.md has them as a table.
[[nodiscard]] std::span<const CsvColumn> csv_columns();

// RFC 4180 with \n as the end of a line; the first line has the names of columns. An empty field: not known, or the
// operation has none. Rows come in the order in which requests are handed out, each as soon as it is: nothing is kept.
// The format has no place for losses. `output` must outlive the view.
[[nodiscard]] std::unique_ptr<View> make_csv_view(Output& output);

}  // namespace inflight::view
