// SPDX-License-Identifier: Apache-2.0
// What the tests of the views share.
#pragma once

#include "scenarios.hpp"
#include "view/chrome.hpp"
#include "view/csv.hpp"
#include "view/view.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::golden {

class StringOutput final : public Output {
public:
    void write(std::string_view bytes) override { text += bytes; }
    void flush() override {}

    std::string text;
};

struct ViewKind {
    std::string_view name;
    std::unique_ptr<view::View> (*make)(Output& output);
};

inline constexpr std::size_t columns = 120;

inline constexpr ViewKind view_kinds[] = {
    {"text", [](Output& output) { return view::make_text_view(output, {.color = false, .columns = columns}); }},
    {"json", view::make_json_view},
    {"tracee", view::make_tracee_view},
    {"chrome", view::make_chrome_view},
    {"csv", view::make_csv_view},
};

inline std::string print(const Scenario& scenario, std::unique_ptr<view::View> (*make)(Output& output)) {
    StringOutput output;
    scenario.feed(*make(output));
    return output.text;
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

inline std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

inline std::filesystem::path source_folder() {
    return INFLIGHT_SOURCE_DIR;
}

}  // namespace inflight::golden
