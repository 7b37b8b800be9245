// SPDX-License-Identifier: Apache-2.0
// The views of stat and hist against stat.*.expected and hist.*.expected, and their JSON against docs/stat.schema.json.
// INFLIGHT_UPDATE_GOLDEN=1 writes the files instead.
#include "view/stat_view.hpp"
#include "views.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>

#include <cstdlib>
#include <set>

namespace inflight::golden {
namespace {

using model::StatFrame;
using model::StatHistogram;
using model::StatLine;

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t begin_ns = 100 * second_ns;

view::StatInfo info(std::uint64_t interval_ns) {
    view::StatInfo info;
    info.version = "0.1.0";
    info.host_name = "db1";
    info.kernel_release = "6.12.9";
    info.hooks = "io_uring tracepoints and fentry";
    info.limits = {
        "a limit of these hooks that is long enough to need a second line on a terminal that has a hundred "
        "and twenty columns"};
    info.command = {"fio", "job.fio"};
    info.interval_ns = interval_ns;
    info.start_ns = begin_ns;
    info.wall_offset_ns = 1'700'000'000 * static_cast<std::int64_t>(second_ns);
    return info;
}

StatLine line(model::Family family, std::string name, std::uint64_t requests, std::uint64_t latency_ns) {
    StatLine made;
    made.key = {.family = family, .name = std::move(name), .pid = {}, .comm = {}, .host_pid = 0};
    made.counters.bytes = requests * 4096;
    made.counters.latency.add(StatHistogram::bucket_of(latency_ns), requests - requests / 10);
    made.counters.latency.add(StatHistogram::bucket_of(latency_ns * 7), requests / 10);
    made.counters.max_ns = latency_ns * 7;
    made.in_flight = 3;
    made.oldest_ns = begin_ns;
    return made;
}

StatFrame frame(std::uint64_t number) {
    StatFrame made;
    made.start_ns = begin_ns + number * second_ns;
    made.end_ns = made.start_ns + second_ns;
    made.lines.push_back(line(model::Family::uring, "read", 123'456 * (number + 1), 20'000));
    made.lines.push_back(line(model::Family::aio, "pwrite", 100, 3'000'000));
    made.lines.push_back(line(model::Family::aio, "odd\x1b[31m name", 1, 900));
    made.lines[1].in_flight = std::nullopt;
    made.lines[1].oldest_ns = 0;
    made.lines[1].counters.failed = 7;
    made.lines[1].counters.cancelled = 2;
    made.lines[2].key.pid = 77;
    made.lines[2].key.comm = "odd";
    for (const auto& each : made.lines) {
        made.all.counters.add(each.counters);
    }
    made.all.in_flight = 3;
    made.all.oldest_ns = begin_ns;
    made.may_have_ended = 1;
    made.notes.unseen = 4;
    made.notes.overflowed = 5;
    made.notes.unmatched = 6;
    made.notes.untracked = 7;
    made.notes.refused = 8;
    made.notes.more_unknown = 9;
    made.notes.cancels[IFL_STAT_IO_CANCEL] = {1, 0, 0, 2, 3};
    made.notes.cancels[IFL_STAT_ASYNC_CANCEL] = {4, 5, 6, 0, 0};
    return made;
}

StatFrame nothing() {
    StatFrame made;
    made.start_ns = begin_ns + 2 * second_ns;
    made.end_ns = made.start_ns + second_ns;
    made.all.in_flight = 0;
    made.notes.unmatched_known = false;
    return made;
}

std::string shown(view::StatView& view, const StringOutput& output, std::uint64_t interval_ns) {
    view.begin(info(interval_ns));
    if (interval_ns != 0) {
        view.interval(frame(0));
        view.interval(frame(1));
        view.interval(nothing());
    }
    auto whole = frame(3);
    whole.whole_run = true;
    whole.start_ns = begin_ns;
    view.end(whole, "the command exited with status 0");
    return output.text;
}

struct Kind {
    std::string_view file;
    std::unique_ptr<view::StatView> (*make)(Output& output);
    std::uint64_t interval_ns;
};

constexpr Kind kinds[] = {
    {"stat.text", [](Output& output) { return view::make_stat_text(output, {}); }, second_ns},
    {"stat.terminal",
     [](Output& output) { return view::make_stat_text(output, {.in_place = true, .columns = 80, .rows = 22}); },
     second_ns},
    {"stat.top", [](Output& output) { return view::make_stat_text(output, {.top = 1}); }, 0},
    {"stat.json", view::make_stat_json, second_ns},
    {"hist.text", [](Output& output) { return view::make_hist_text(output, {.columns = 80}, {}); }, 0},
    {"hist.linear",
     [](Output& output) {
         return view::make_hist_text(output, {.utf8 = false, .columns = 80}, {.linear_step_ns = 10'000});
     },
     0},
    {"hist.heat", [](Output& output) { return view::make_hist_text(output, {.columns = 80}, {}); }, second_ns},
    {"hist.colour", [](Output& output) { return view::make_hist_text(output, {.color = true, .columns = 80}, {}); },
     second_ns},
    {"hist.json", view::make_hist_json, second_ns},
};

class StatViews : public testing::TestWithParam<Kind> {};

TEST_P(StatViews, PrintWhatIsExpected) {
    const auto& kind = GetParam();
    StringOutput output;
    const auto got = shown(*kind.make(output), output, kind.interval_ns);
    const auto path = source_folder() / "tests" / "golden" / (std::string(kind.file) + ".expected");
    if (std::getenv("INFLIGHT_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << got;
        GTEST_SKIP() << "wrote " << path;
    }
    EXPECT_EQ(got, content_of(path));
}

INSTANTIATE_TEST_SUITE_P(Kinds, StatViews, testing::ValuesIn(kinds), [](const auto& test) {
    std::string name(test.param.file);
    name.replace(name.find('.'), 1, "_");
    return name;
});

TEST(StatSchema, TakesEveryLineAndNoBrokenOne) {
    rapidjson::Document source;
    source.Parse(content_of(source_folder() / "docs" / "stat.schema.json").c_str());
    ASSERT_FALSE(source.HasParseError());
    const rapidjson::SchemaDocument schema(source);
    const auto accepts = [&schema](const rapidjson::Value& value) {
        rapidjson::SchemaValidator validator(schema);
        return value.Accept(validator);
    };
    std::set<std::string> types;
    for (const auto make : {view::make_stat_json, view::make_hist_json}) {
        StringOutput output;
        for (const auto& text : lines_of(shown(*make(output), output, second_ns))) {
            rapidjson::Document document;
            document.Parse<rapidjson::kParseValidateEncodingFlag>(text.c_str());
            ASSERT_FALSE(document.HasParseError()) << text;
            EXPECT_TRUE(accepts(document)) << text;
            types.insert(document["type"].GetString());
            for (const auto& member : document.GetObject()) {
                rapidjson::Document broken;
                broken.CopyFrom(document, broken.GetAllocator());
                broken.RemoveMember(member.name);
                EXPECT_FALSE(accepts(broken)) << "without " << member.name.GetString() << ": " << text;
            }
        }
    }
    EXPECT_EQ(types, (std::set<std::string>{"start", "key", "histogram", "all"}));
}

}  // namespace
}  // namespace inflight::golden
