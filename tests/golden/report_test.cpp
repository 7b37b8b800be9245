// SPDX-License-Identifier: Apache-2.0
// Lines of `inflight report`: groups, differences, files; text as a person reads it, JSON as its schema says.
#include "views.hpp"

#include "view/captures.hpp"
#include "view/diff.hpp"
#include "view/groups.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>

#include <set>

namespace inflight::golden {
namespace {

using rapidjson::Document;

constexpr view::TextOptions plain{.color = false, .columns = 120};

model::Request request_of(std::uint32_t pid, std::uint64_t submit_ns, std::uint64_t latency_ns) {
    model::Request request;
    request.opcode = 0;
    request.pid = pid;
    request.comm = "fio";
    request.submit_ns = submit_ns;
    request.complete_ns = submit_ns + latency_ns;
    request.outcome = model::Outcome::completed;
    request.result = 4096;
    return request;
}

view::GroupReport groups() {
    model::Grouping grouping(model::group_fields_from({"comm", "file", "op"}).value());
    for (std::uint64_t at_us = 0; at_us < 1000; ++at_us) {
        grouping.on_request(request_of(7, 1 + at_us * 1000, 50'000));
    }
    model::Request failed = request_of(7, 1000, 2'000'000);
    failed.comm = "evil\x1b[31m\"";
    failed.outcome = model::Outcome::failed;
    failed.result = -5;
    auto file = std::make_shared<model::File>();
    file->name = "/data/table\n";
    failed.file = file;
    grouping.on_request(failed);
    model::Cancel cancel;
    cancel.target = failed;
    cancel.verdict = model::Verdict::completed_first;
    grouping.on_cancel(cancel);
    return {.fields = grouping.fields(),
            .groups = grouping.groups(model::GroupOrder::requests, 0),
            .groups_in_all = 4,
            .span_ns = 2'000'000'000};
}

view::DiffReport diff() {
    const auto run = [](std::uint64_t latency_ns) {
        model::RunSlices slices(0);
        for (std::uint64_t at_us = 1; at_us < 100'000; at_us += 50) {
            slices.on_request(request_of(7, at_us * 1000, latency_ns + at_us % 1000));
        }
        model::Finding finding;
        finding.code = "slow-submit";
        finding.time_ns = 5'000'000;
        slices.on_finding(finding);
        return slices.cut();
    };
    const auto a = run(50'000);
    const auto b = run(80'000);
    const auto side = [](std::string file, const model::RunSlices::Cut& cut) {
        return view::DiffRun{.file = std::move(file),
                             .host = "",
                             .requests = cut.requests,
                             .cancels = cut.cancels,
                             .span_ns = cut.span_ns,
                             .slices = cut.slices,
                             .slice_ns = cut.slice_ns,
                             .lost = 3,
                             .damaged = true,
                             .ended = false};
    };
    return {.a = side("a.ifl", a), .b = side("b.ifl", b), .differences = model::differences(a, b)};
}

std::vector<view::CaptureFile> captures() {
    return {{.path = "a.ifl", .host = "one", .ended = true, .ended_by = "SIGINT", .names_missing = 0, .damage = {}},
            {.path = "b.ifl",
             .host = "",
             .ended = false,
             .ended_by = "",
             .names_missing = 0,
             .damage = {"block 7 is \x1b not readable"}},
            {.path = "c.ifl.0002",
             .host = "one",
             .ended = true,
             .ended_by = "SIGINT",
             .names_missing = 1234,
             .damage = {}}};
}

TEST(ReportText, Groups) {
    const auto lines = lines_of(view::groups_text(groups(), plain));
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines[0],
              "COMM           FILE           OP     REQUESTS   RATE    BYTES    BYTES/S      P50      P90      P99    "
              "P99.9      MAX  IN FLIGHT  FAILED  CANCELS");
    EXPECT_EQ(lines[1],
              "fio            -              pread     1,000  500/s  3.9 MiB  2.0 MiB/s  50.0 µs  50.0 µs  50.0 µs  "
              "50.0 µs  50.0 µs         50       0  -");
    EXPECT_NE(lines[2].find("evil\\x1b[31m\""), std::string::npos);
    EXPECT_NE(lines[2].find("/data/table\\n"), std::string::npos);
    EXPECT_NE(lines[2].find("completed-first 1"), std::string::npos);
    EXPECT_EQ(lines[3], "and 2 more groups");
    EXPECT_EQ(lines[4], "rates are per second of 2.00 s; IN FLIGHT is the most at once");
}

TEST(ReportText, Diff) {
    const auto text = view::diff_text(diff(), plain);
    EXPECT_NE(text.find("A  a.ifl: 2,000 requests, 0 cancels in "), std::string::npos) << text;
    EXPECT_NE(text.find("lost 3; the file is damaged: something is missing; the recording did not end properly"),
              std::string::npos);
    EXPECT_NE(text.find("aio pread    p50"), std::string::npos) << text;
    EXPECT_NE(text.find("HIGHER (p "), std::string::npos);
    EXPECT_NE(text.find("slow-submit"), std::string::npos);
    EXPECT_NE(text.find("figures differ by more than the noise of the runs"), std::string::npos);
    EXPECT_NE(text.find("p < 0.01 (Mann and Whitney, two-sided)"), std::string::npos);
}

TEST(ReportText, Captures) {
    EXPECT_EQ(view::captures_text(captures(), plain),
              "capture a.ifl of one: whole\n"
              "capture b.ifl: the recording did not end properly; what came last may be missing\n"
              "capture b.ifl: damaged: block 7 is \\x1b not readable\n"
              "capture c.ifl.0002 of one: up to 1,234 names of files and cgroups are missing: there were too many to "
              "carry over from earlier parts of the recording\n");
    EXPECT_EQ(view::captures_text({captures().front()}, plain), "");
}

class ReportSchema : public testing::Test {
protected:
    void SetUp() override {
        source_.Parse(content_of(source_folder() / "docs" / "report.schema.json").c_str());
        ASSERT_FALSE(source_.HasParseError()) << "docs/report.schema.json";
        schema_ = std::make_unique<rapidjson::SchemaDocument>(source_);
        StringOutput output;
        view::write_groups(output, groups());
        view::GroupReport unknown = groups();
        unknown.span_ns = 0;
        unknown.groups.front().in_flight_max.reset();
        unknown.groups.front().latency = {};
        view::write_groups(output, unknown);
        view::write_diff(output, diff());
        view::write_diff(output, {});
        view::write_captures(output, captures());
        lines_ = lines_of(output.text);
    }
    bool accepts(const rapidjson::Value& value) const {
        rapidjson::SchemaValidator validator(*schema_);
        return value.Accept(validator);
    }

    Document source_;
    std::unique_ptr<rapidjson::SchemaDocument> schema_;
    std::vector<std::string> lines_;
};

TEST_F(ReportSchema, TakesEveryLine) {
    std::set<std::string> types;
    for (const auto& line : lines_) {
        Document document;
        document.Parse<rapidjson::kParseValidateEncodingFlag>(line.c_str());
        ASSERT_FALSE(document.HasParseError()) << line;
        EXPECT_TRUE(accepts(document)) << line;
        types.insert(document["type"].GetString());
    }
    EXPECT_EQ(types, (std::set<std::string>{"capture", "group", "diff", "difference"}));
}

TEST_F(ReportSchema, RefusesABrokenLine) {
    for (const auto& line : lines_) {
        Document document;
        document.Parse(line.c_str());
        for (const auto& member : document.GetObject()) {
            Document broken;
            broken.CopyFrom(document, broken.GetAllocator());
            broken.RemoveMember(member.name);
            EXPECT_FALSE(accepts(broken)) << "without " << member.name.GetString() << ": " << line;
        }
        document.AddMember("undescribed", 1, document.GetAllocator());
        EXPECT_FALSE(accepts(document)) << line;
    }
}

TEST_F(ReportSchema, DescribesEveryField) {
    for (const auto& definition : source_["definitions"].GetObject()) {
        ASSERT_TRUE(definition.value.HasMember("description")) << definition.name.GetString();
        if (!definition.value.HasMember("properties")) {
            continue;
        }
        for (const auto& property : definition.value["properties"].GetObject()) {
            const bool explains_itself =
                std::string_view(property.name.GetString()) == "type" || property.value.HasMember("$ref");
            EXPECT_TRUE(explains_itself || property.value.HasMember("description"))
                << definition.name.GetString() << "." << property.name.GetString();
        }
    }
}

}  // namespace
}  // namespace inflight::golden
