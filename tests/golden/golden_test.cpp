// SPDX-License-Identifier: Apache-2.0
// Each scenario through each view, against NAME.VIEW.expected. INFLIGHT_UPDATE_GOLDEN=1 writes those files instead.
#include "view/escape.hpp"
#include "views.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <tuple>

namespace inflight::golden {
namespace {

std::filesystem::path expected_path(const Scenario& scenario, const ViewKind& kind) {
    std::string name(scenario.name);
    name.append(".").append(kind.name).append(".expected");
    return source_folder() / "tests" / "golden" / name;
}

// The first line that differs, with a few before it.
std::string difference(const std::string& expected, const std::string& got) {
    constexpr std::size_t lines_before = 2;
    const std::vector<std::string> left = lines_of(expected);
    const std::vector<std::string> right = lines_of(got);
    std::size_t at = 0;
    while (at < left.size() && at < right.size() && left[at] == right[at]) {
        ++at;
    }
    std::string text = "line " + std::to_string(at + 1) + ":\n";
    for (std::size_t line = at - std::min(at, lines_before); line < at; ++line) {
        text += "  " + left[line] + "\n";
    }
    text += at < left.size() ? "- " + left[at] + "\n" : "- (the end)\n";
    text += at < right.size() ? "+ " + right[at] + "\n" : "+ (the end)\n";
    return text;
}

class Golden : public testing::TestWithParam<std::tuple<Scenario, ViewKind>> {};

TEST_P(Golden, PrintsWhatIsExpected) {
    const auto& [scenario, kind] = GetParam();
    const std::filesystem::path path = expected_path(scenario, kind);
    const std::string got = print(scenario, kind.make);
    if (std::getenv("INFLIGHT_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << got;
        GTEST_SKIP() << "wrote " << path;
    }
    ASSERT_TRUE(std::filesystem::exists(path)) << path << " is missing; INFLIGHT_UPDATE_GOLDEN=1 makes it";
    const std::string expected = content_of(path);
    EXPECT_TRUE(got == expected) << path.filename() << " differs in " << difference(expected, got)
                                 << "If the new text is right, run the test with INFLIGHT_UPDATE_GOLDEN=1 and read the "
                                    "diff of the file.";
}

INSTANTIATE_TEST_SUITE_P(Views, Golden, testing::Combine(testing::ValuesIn(scenarios()), testing::ValuesIn(view_kinds)),
                         [](const auto& test) {
                             std::string name(std::get<0>(test.param).name);
                             return name.append("_").append(std::get<1>(test.param).name);
                         });

std::string plain_text(const Scenario& scenario) {
    return print(scenario, view_kinds[0].make);
}

const Scenario& scenario_named(std::string_view name) {
    return *std::ranges::find(scenarios(), name, &Scenario::name);
}

// The column where `part` starts in `line`, in columns of a terminal.
std::size_t column_of(std::string_view line, std::string_view part) {
    const std::size_t at = line.find(part);
    return at == std::string_view::npos ? at : view::display_width(line.substr(0, at));
}

TEST(TextView, LinesFit) {
    for (const Scenario& scenario : scenarios()) {
        if (scenario.name.ends_with("events")) {
            continue;  // a call is one line, however many arguments it has
        }
        for (const std::string& line : lines_of(plain_text(scenario))) {
            EXPECT_LE(view::display_width(line), columns) << line;
        }
    }
}

// One entry for each column that the line takes, for a line without wide characters.
std::vector<std::string_view> glyphs_of(std::string_view line) {
    std::vector<std::string_view> glyphs;
    for (std::size_t at = 0; at < line.size();) {
        glyphs.push_back(line.substr(at, view::code_point_at(line, at).bytes));
        at += glyphs.back().size();
    }
    return glyphs;
}

TEST(TextView, ColumnsAlignWhateverIsInThem) {
    const std::vector<std::string> lines = lines_of(plain_text(scenario_named("requests")));
    const auto titles = std::ranges::find_if(lines, [](const std::string& line) { return line.find("TIME") < 20; });
    ASSERT_NE(titles, lines.end());
    std::size_t seen = 0;
    for (auto line = titles + 1; !line->empty(); ++line) {
        const std::vector<std::string_view> glyphs = glyphs_of(*line);
        for (const std::string_view title : {"COMM", "OP", "RESULT"}) {  // to the left
            const std::size_t start = column_of(*titles, title);
            ASSERT_GT(glyphs.size(), start) << *line;
            EXPECT_EQ(glyphs[start - 1], " ") << title << ": " << *line;
            EXPECT_NE(glyphs[start], " ") << title << ": " << *line;
        }
        for (const std::string_view title : {"TIME", "PID", "LATENCY"}) {  // to the right
            const std::size_t end = column_of(*titles, title) + title.size();
            EXPECT_NE(glyphs[end - 1], " ") << title << ": " << *line;
            EXPECT_EQ(glyphs[end], " ") << title << ": " << *line;
        }
        ++seen;
    }
    EXPECT_EQ(seen, 17U);
}

TEST(TextView, NothingOfAProgramReachesTheTerminalRaw) {
    for (const Scenario& scenario : scenarios()) {
        const std::string text = plain_text(scenario);
        EXPECT_TRUE(view::is_utf8(text)) << scenario.name;
        for (const char byte : text) {
            EXPECT_TRUE(byte == '\n' || static_cast<unsigned char>(byte) >= 0x20) << scenario.name;
        }
        EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos) << "a character that turns the direction of text";
    }
}

TEST(TextView, ColourChangesNoCharacter) {
    for (const Scenario& scenario : scenarios()) {
        StringOutput output;
        scenario.feed(*view::make_text_view(output, {.color = true, .columns = columns}));
        EXPECT_NE(output.text.find("\x1b["), std::string::npos);
        EXPECT_EQ(std::regex_replace(output.text, std::regex("\x1b\\[[0-9]*m"), ""), plain_text(scenario));
    }
}

TEST(TextView, SaysWhatWasLostOnOneLine) {
    const auto count_loss_lines = [](const std::string& text, const std::string& pattern) {
        const std::vector<std::string> lines = lines_of(text);
        return std::ranges::count_if(
            lines, [&](const std::string& line) { return std::regex_match(line, std::regex(pattern)); });
    };
    for (const Scenario& scenario : scenarios()) {
        const bool complete = scenario.name != "losses";
        EXPECT_EQ(count_loss_lines(plain_text(scenario), complete ? "lost 0" : "lost 2423: .*"), 1) << scenario.name;
    }
}

TEST(TextView, TakesANarrowTerminal) {
    for (const std::size_t narrow : {1U, 20U, 80U, 100U}) {
        for (const Scenario& scenario : scenarios()) {
            StringOutput output;
            scenario.feed(*view::make_text_view(output, {.color = false, .columns = narrow}));
            EXPECT_NE(output.text.find("lost "), std::string::npos);
        }
    }
}

}  // namespace
}  // namespace inflight::golden
