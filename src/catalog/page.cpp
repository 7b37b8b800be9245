// SPDX-License-Identifier: Apache-2.0
#include "catalog/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace inflight::catalog {
namespace {

constexpr std::size_t page_columns = 100;
constexpr std::size_t indent_columns = 2;
constexpr std::size_t gap_columns = 2;
// Below this a wrapped column is harder to read than a line that is too long.
constexpr std::size_t narrowest_column = 20;

std::vector<std::string> wrapped(std::string_view text, std::size_t columns) {
    std::vector<std::string> lines;
    std::string line;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && line.size() + 1 + word.size() > columns) {
            lines.push_back(std::move(line));
            line.clear();
        }
        if (!line.empty()) {
            line += ' ';
        }
        line += word;
    }
    lines.push_back(std::move(line));
    return lines;
}

std::string paragraph(std::string_view text, std::size_t indent) {
    std::string out;
    for (const std::string& line : wrapped(text, page_columns - indent)) {
        out += fmt::format("{:{}}{}\n", "", indent, line);
    }
    return out;
}

std::string list_item(std::string_view text, std::size_t indent) {
    std::string out = paragraph(text, indent + 2);
    out[indent] = '-';
    return out;
}

std::string heading(std::string_view title) {
    return fmt::format("\n{}\n", title);
}

using Row = std::vector<std::string>;

std::vector<std::size_t> column_widths(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    return widths;
}

// Aligned columns; the last one is wrapped to what is left of the page.
std::string text_table(const std::vector<Row>& rows, std::size_t indent) {
    const std::vector<std::size_t> widths = column_widths(rows);
    std::size_t last_start = indent;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        last_start += widths[i] + gap_columns;
    }
    const std::size_t last_width =
        last_start + narrowest_column > page_columns ? narrowest_column : page_columns - last_start;

    std::string out;
    for (const Row& row : rows) {
        std::string line(indent, ' ');
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            line += fmt::format("{:<{}}", row[i], widths[i] + gap_columns);
        }
        for (const std::string& part : wrapped(row.back(), last_width)) {
            line += part;
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + '\n';
            line.assign(last_start, ' ');
        }
    }
    return out;
}

std::string markdown_row(const Row& row) {
    std::string line = "|";
    for (const std::string& cell : row) {
        std::string escaped;
        for (const char c : cell) {
            escaped += c == '|' ? std::string{"\\|"} : std::string(1, c);
        }
        line += fmt::format(" {} |", escaped);
    }
    return line + '\n';
}

std::string markdown_table(const std::vector<Row>& rows) {
    std::string out = markdown_row(rows.front());
    out += markdown_row(Row(rows.front().size(), "---"));
    for (const Row& row : std::span{rows}.subspan(1)) {
        out += markdown_row(row);
    }
    return out;
}

std::string i386_numbers(const Event& event) {
    return event.number_i386_time64 == 0 ? fmt::format("{}", event.number_i386)
                                         : fmt::format("{}, {}", event.number_i386, event.number_i386_time64);
}

std::string code(std::string_view text) {
    return fmt::format("`{}`", text);
}

std::string intro_sentence(const Event& event) {
    return fmt::format("{}() {}.", event.name, event.intro);
}

// How a cell is written: one page has `code` marks, the other has none.
struct Style {
    std::function<std::string(std::string_view)> name;
    std::function<std::string(std::string_view)> prose;
};

const Style& text_style() {
    static const Style style{[](std::string_view text) { return std::string{text}; }, plain_text};
    return style;
}

const Style& markdown_style() {
    static const Style style{code, [](std::string_view text) { return std::string{text}; }};
    return style;
}

std::vector<Row> argument_rows(std::span<const Argument> arguments, const Style& style) {
    std::vector<Row> rows{{"Name", "Type", "Tags", "Meaning"}};
    for (const Argument& argument : arguments) {
        rows.push_back({style.name(argument.name), style.name(argument.c_type), tag_names(argument.tags),
                        style.prose(argument.meaning)});
    }
    return rows;
}

std::vector<Row> tag_rows(const Style& style) {
    std::vector<Row> rows{{"Tag", "Meaning"}};
    for (const TagInfo& tag : tags()) {
        rows.push_back({std::string{tag.name}, style.prose(tag.meaning)});
    }
    return rows;
}

std::vector<Row> return_rows(std::span<const Return> returns, const Style& style) {
    std::vector<Row> rows{{"Value", "Meaning"}};
    for (const Return& result : returns) {
        rows.push_back({std::string{result.value}, style.prose(result.meaning)});
    }
    return rows;
}

// Four columns side by side do not fit into a page.
std::string hook_blocks(const Event& event, std::string_view tier) {
    std::string out;
    for (const Hook& hook : event.hooks) {
        if (hook.tier == tier) {
            out += paragraph(hook.name, 2 * indent_columns);
            out += text_table({{"Type", std::string{hook.type}},
                               {"Target", std::string{hook.target}},
                               {"Purpose", plain_text(hook.purpose)}},
                              3 * indent_columns);
        }
    }
    return out;
}

std::vector<Row> hook_rows(const Event& event, std::string_view tier) {
    std::vector<Row> rows{{"Hook", "Type", "Target", "Purpose"}};
    for (const Hook& hook : event.hooks) {
        if (hook.tier == tier) {
            rows.push_back({code(hook.name), std::string{hook.type}, code(hook.target), std::string{hook.purpose}});
        }
    }
    return rows;
}

}  // namespace

std::string plain_text(std::string_view text) {
    std::string out{text};
    std::erase(out, '`');
    return out;
}

std::string event_page_text(const Event& event) {
    const Style& style = text_style();
    std::string out = fmt::format("{}  (family {}, system call {} on x86-64, {} on i386)\n", event.name, event.family,
                                  event.number_x86_64, i386_numbers(event));
    out += heading("Intro") + paragraph(intro_sentence(event), indent_columns);
    out += heading("Description");
    for (bool first = true; const std::string_view text : event.description) {
        out += (first ? "" : "\n") + paragraph(plain_text(text), indent_columns);
        first = false;
    }
    out += heading("Arguments") + text_table(argument_rows(event.arguments, style), indent_columns);
    if (!event.decoded.empty()) {
        out += heading("Decoded from them") + text_table(argument_rows(event.decoded, style), indent_columns);
    }
    out += heading("Tags") + text_table(tag_rows(style), indent_columns);
    out += heading("Return values") + text_table(return_rows(event.returns, style), indent_columns);
    out += heading("Hooks");
    for (bool first = true; const Tier& tier : tiers()) {
        out += (first ? "" : "\n") + paragraph(fmt::format("{}: {}", tier.name, tier.meaning), indent_columns);
        out += hook_blocks(event, tier.name);
        first = false;
    }
    out += heading("Example use case") + paragraph(plain_text(event.example_use_case), indent_columns);
    out += heading("Issues");
    for (const std::string_view issue : event.issues) {
        out += list_item(plain_text(issue), indent_columns);
    }
    out += heading("Related events");
    for (const std::string_view name : event.related) {
        out += list_item(fmt::format("{}()", name), indent_columns);
    }
    return out;
}

std::string event_page_markdown(const Event& event) {
    const Style& style = markdown_style();
    std::string out = fmt::format("<!-- Generated by `inflight events --markdown {}`: do not edit. -->\n\n# {}\n\n",
                                  event.name, event.name);
    out += fmt::format("Family {}; system call {} on x86-64, {} on i386.\n", event.family, event.number_x86_64,
                       i386_numbers(event));
    out += fmt::format("\n## Intro\n\n{}\n", intro_sentence(event));
    out += "\n## Description\n";
    for (const std::string_view text : event.description) {
        out += fmt::format("\n{}\n", text);
    }
    out += "\n## Arguments\n\n" + markdown_table(argument_rows(event.arguments, style));
    if (!event.decoded.empty()) {
        out += "\n### Decoded from them\n\n" + markdown_table(argument_rows(event.decoded, style));
    }
    out += "\n### Tags\n\n" + markdown_table(tag_rows(style));
    out += "\n## Return values\n\n" + markdown_table(return_rows(event.returns, style));
    out += "\n## Hooks\n";
    for (const Tier& tier : tiers()) {
        out += fmt::format("\n### {}\n\nTier {}: {}\n\n", tier.name, tier.name, tier.meaning);
        out += markdown_table(hook_rows(event, tier.name));
    }
    out += fmt::format("\n## Example use case\n\n{}\n", event.example_use_case);
    out += "\n## Issues\n\n";
    for (const std::string_view issue : event.issues) {
        out += fmt::format("- {}\n", issue);
    }
    out += "\n## Related events\n\n";
    for (const std::string_view name : event.related) {
        out += fmt::format("- [{0}()]({0}.md)\n", name);
    }
    return out;
}

std::string event_list_text() {
    std::vector<Row> rows{{"NAME", "X86-64", "I386", "INTRO"}};
    for (const Event& event : events()) {
        rows.push_back({std::string{event.name}, fmt::to_string(event.number_x86_64), i386_numbers(event),
                        std::string{event.intro}});
    }
    return text_table(rows, 0);
}

std::string event_index_markdown() {
    std::string out =
        "<!-- Generated by `inflight events --markdown --all docs/events`: do not edit. -->\n\n"
        "# Events\n\n"
        "An event is one system call, seen when it returns, with its arguments decoded. "
        "`inflight events` lists them, `inflight events NAME` prints a page.\n\n";
    std::vector<Row> rows{{"Event", "Family", "x86-64", "i386", "Intro"}};
    for (const Event& event : events()) {
        rows.push_back({fmt::format("[{0}]({0}.md)", event.name), std::string{event.family},
                        fmt::to_string(event.number_x86_64), i386_numbers(event), std::string{event.intro}});
    }
    return out + markdown_table(rows);
}

}  // namespace inflight::catalog
