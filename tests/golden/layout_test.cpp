// SPDX-License-Identifier: Apache-2.0
#include "view/layout.hpp"
#include "view/escape.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace inflight::view {
namespace {

TEST(Escape, KeepsWhatCanBePrinted) {
    for (const char* text : {"", "plain /path-1.dat", "größe µ", "日本語", "a b"}) {
        EXPECT_EQ(printable(text), text);
        EXPECT_EQ(valid_utf8(text), text);
        EXPECT_TRUE(is_utf8(text));
    }
}

TEST(Escape, ShowsWhatCannot) {
    EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
    EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(printable("back\\slash"), "back\\\\slash");
    EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
    EXPECT_EQ(printable("\x7f"), "\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "a one-character escape sequence of 8-bit terminals";
    EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "right-to-left override";
}

TEST(Escape, FindsWhatIsNotUtf8) {
    const char* const malformed[] = {
        "\xff",              // no such byte
        "\xc3",              // cut off
        "\xc3(",             // no continuation
        "\xc0\xaf",          // "/" in two bytes
        "\xe0\x80\xaf",      // in three
        "\xed\xa0\x80",      // a surrogate
        "\xf4\x90\x80\x80",  // above U+10FFFF
        "\x80",              // a continuation alone
    };
    for (const char* text : malformed) {
        EXPECT_FALSE(is_utf8(text));
        EXPECT_TRUE(is_utf8(valid_utf8(text)));
        EXPECT_TRUE(is_utf8(printable(text)));
        EXPECT_EQ(valid_utf8(text).substr(0, 2), "\\x");
    }
    EXPECT_EQ(valid_utf8("a\xffz"), "a\\xffz");
    EXPECT_EQ(valid_utf8("\x1b\\"), "\x1b\\") << "JSON has its own escapes for these";
}

TEST(Layout, CountsColumnsNotBytes) {
    EXPECT_EQ(display_width("12.3 µs"), 7U);
    EXPECT_EQ(display_width("≤12.3 µs"), 8U);
    EXPECT_EQ(display_width("…"), 1U);
    EXPECT_EQ(display_width("日本"), 4U);
    EXPECT_EQ(display_width("e\xcc\x81"), 1U) << "e and a combining accent";
    EXPECT_EQ(pad("µs", 4, Align::right), "  µs");
    EXPECT_EQ(pad("µs", 4, Align::left), "µs  ");
    EXPECT_EQ(pad("too long", 3, Align::left), "too long");
}

TEST(Layout, CutsTextsToTheirColumns) {
    EXPECT_EQ(keep_tail("/a/b/c", 6), "/a/b/c");
    EXPECT_EQ(keep_tail("/a/b/c", 5), "…/b/c");
    EXPECT_EQ(keep_head("/a/b/c", 5), "/a/b…");
    EXPECT_EQ(keep_tail("/a/b/c", 1), "…");
    EXPECT_EQ(keep_tail("/a/b/c", 0), "");
    EXPECT_EQ(keep_head("/a/b/c", 0), "");
    for (std::size_t width = 0; width < 12; ++width) {
        EXPECT_LE(display_width(keep_tail("/データ/ベース", width)), width);
        EXPECT_LE(display_width(keep_head("/データ/ベース", width)), width);
        EXPECT_TRUE(is_utf8(keep_tail("/データ/ベース", width)));
    }
}

TEST(Layout, WrapsAtSpaces) {
    EXPECT_EQ(wrap("one two three", 20, 0, 2), "one two three");
    EXPECT_EQ(wrap("one two three", 8, 0, 2), "one two\n  three");
    EXPECT_EQ(wrap("one two three", 8, 4, 0), "one\ntwo\nthree");
    EXPECT_EQ(wrap("alongwordthatdoesnotfit x", 8, 0, 0), "alongwordthatdoesnotfit\nx");
    EXPECT_EQ(wrap("", 8, 0, 0), "");
}

TEST(Layout, AlignsTables) {
    Table table({{"NAME", Align::left}, {"TIME", Align::right}, {"NOTE", Align::left}});
    table.add({"日本", "12.3 µs", "x"});
    table.add({"a", "≤9 ns", ""});
    const std::vector<std::string> lines = table.lines();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0], "NAME     TIME  NOTE");
    EXPECT_EQ(lines[1], "日本  12.3 µs  x");
    EXPECT_EQ(lines[2], "a       ≤9 ns");

    Table bare({{"", Align::right}, {"", Align::left}});
    bare.add({"1", "one"});
    bare.add({"10", "ten"});
    EXPECT_EQ(bare.lines(), (std::vector<std::string>{" 1  one", "10  ten"}));
}

TEST(Layout, FitsTablesToATerminal) {
    const auto fitted = [](std::size_t width, std::vector<std::string>& left_out) {
        Table table({{"ID", Align::left},
                     {"A", Align::left, 0, 2},
                     {"B", Align::right, 0, 1},
                     {"STATE", Align::left},
                     {"FILE", Align::left, 8}});
        table.add({"4242-ab", "aaaa", "bb", "running along", "/a/very/long/path/to/a/file"});
        left_out = table.fit(width);
        return table.lines().back();
    };
    using Titles = std::vector<std::string>;
    std::vector<std::string> left_out;
    EXPECT_EQ(fitted(80, left_out), "4242-ab  aaaa  bb  running along  /a/very/long/path/to/a/file");
    EXPECT_EQ(left_out, Titles{});
    EXPECT_EQ(fitted(50, left_out), "4242-ab  aaaa  bb  running along  …/path/to/a/file");
    EXPECT_EQ(left_out, Titles{});
    EXPECT_EQ(fitted(40, left_out), "4242-ab  aaaa  running along  …to/a/file");
    EXPECT_EQ(left_out, Titles{"B"});
    EXPECT_EQ(fitted(34, left_out), "4242-ab  running along  …to/a/file");
    EXPECT_EQ(left_out, (Titles{"B", "A"}));
    EXPECT_EQ(fitted(30, left_out), "4242-ab  running al…  …/a/file");
    for (std::size_t width = 27; width < 80; width++) {
        EXPECT_LE(display_width(fitted(width, left_out)), width);
    }
}

}  // namespace
}  // namespace inflight::view
