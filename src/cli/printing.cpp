// SPDX-License-Identifier: Apache-2.0
#include "cli/printing.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace inflight::cli {

Result<void> check_places(const std::string& output, const std::vector<std::string>& others) {
    for (const std::string& other : others) {
        if (!other.empty() && same_place(output, other)) {
            return failure(output.empty() ? "standard output" : "--output " + output,
                           fmt::format("it is the same file as {}, which it would destroy", other),
                           "choose another file with --output");
        }
    }
    return {};
}

Result<std::unique_ptr<FdOutput>> open_output(const std::string& path) {
    if (path.empty()) {
        return std::make_unique<FdOutput>(STDOUT_FILENO, "standard output");
    }
    auto file = open_for_writing(path, Existing::replace);
    if (!file) {
        return failure("open " + path, file.error().why, "choose another file with --output");
    }
    return std::make_unique<FdOutput>(std::move(*file), path);
}

std::optional<Terminal> terminal_at(const std::string& path) {
    if (!path.empty() || ::isatty(STDOUT_FILENO) == 0) {
        return std::nullopt;
    }
    constexpr std::size_t least = 80;
    Terminal terminal{.columns = view::TextOptions{}.columns, .rows = 0, .color = std::getenv("NO_COLOR") == nullptr};
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0) {
        terminal.columns = std::max<std::size_t>(size.ws_col, least);
        terminal.rows = size.ws_row;
    }
    return terminal;
}

view::TextOptions text_options(const std::string& path) {
    const auto terminal = terminal_at(path);
    return terminal ? view::TextOptions{.color = terminal->color, .columns = terminal->columns, .terminal = true}
                    : view::TextOptions{};
}

std::unique_ptr<view::View> make_view(const std::string& format, const std::string& path, Output& output) {
    if (format == "json") {
        return view::make_json_view(output);
    }
    if (format == "tracee") {
        return view::make_tracee_view(output);
    }
    return view::make_text_view(output, text_options(path));
}

}  // namespace inflight::cli
