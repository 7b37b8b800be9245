// SPDX-License-Identifier: Apache-2.0
// Where a command prints to, and how that looks there.
#pragma once

#include "base/output.hpp"
#include "base/result.hpp"
#include "view/view.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace inflight::cli {

// An error where the output would go to one of these files, which are read or written too. Nothing is opened.
[[nodiscard]] Result<void> check_places(const std::string& output, const std::vector<std::string>& others);

// `path` is what --output says; empty: standard output.
[[nodiscard]] Result<std::unique_ptr<FdOutput>> open_output(const std::string& path);

struct Terminal {
    std::size_t columns = 0;
    std::size_t rows = 0;  // 0: not known
    bool color = false;
};
// Empty: what is printed there goes to a file or a pipe.
[[nodiscard]] std::optional<Terminal> terminal_at(const std::string& path);

// As wide as the terminal, and in colour where that is wanted.
[[nodiscard]] view::TextOptions text_options(const std::string& path);

// The view of what is printed at `path`: "text", "json" or "tracee".
[[nodiscard]] std::unique_ptr<view::View> make_view(const std::string& format, const std::string& path, Output& output);

}  // namespace inflight::cli
