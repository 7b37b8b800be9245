// SPDX-License-Identifier: Apache-2.0
// What the JSON views print is JSON, and that of the json view is what docs/trace.schema.json says.
#include "views.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <set>

namespace inflight::golden {
namespace {

using rapidjson::Document;

constexpr unsigned strict = rapidjson::kParseValidateEncodingFlag | rapidjson::kParseFullPrecisionFlag;

std::string json_of(const Scenario& scenario) {
    return print(scenario, view::make_json_view);
}

std::string text_of(const rapidjson::Value& value) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    value.Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
}

class Schema : public testing::Test {
protected:
    void SetUp() override {
        const std::string text = content_of(source_folder() / "docs" / "trace.schema.json");
        source_.Parse(text.c_str());
        ASSERT_FALSE(source_.HasParseError()) << "docs/trace.schema.json";
        schema_ = std::make_unique<rapidjson::SchemaDocument>(source_);
    }

    bool accepts(const rapidjson::Value& value) const {
        rapidjson::SchemaValidator validator(*schema_);
        return value.Accept(validator);
    }

    // Validates against the definition of the line's type alone, which tells where it is wrong.
    std::string fault(const rapidjson::Value& value) const {
        const std::string definition = std::string("/definitions/") + value["type"].GetString();
        Document one;
        one.CopyFrom(source_, one.GetAllocator());
        one.RemoveMember("oneOf");
        rapidjson::Value all(rapidjson::kArrayType);
        rapidjson::Value reference(rapidjson::kObjectType);
        reference.AddMember("$ref", rapidjson::Value(("#" + definition).c_str(), one.GetAllocator()),
                            one.GetAllocator());
        all.PushBack(reference, one.GetAllocator());
        one.AddMember("allOf", all, one.GetAllocator());
        const rapidjson::SchemaDocument schema(one);
        rapidjson::SchemaValidator validator(schema);
        if (value.Accept(validator)) {
            return "none of its type, but several types take it";
        }
        rapidjson::StringBuffer place;
        validator.GetInvalidDocumentPointer().StringifyUriFragment(place);
        return std::string(validator.GetInvalidSchemaKeyword()) + " at " + place.GetString();
    }

    Document source_;
    std::unique_ptr<rapidjson::SchemaDocument> schema_;
};

TEST_F(Schema, TakesEveryLine) {
    std::set<std::string> types;
    for (const Scenario& scenario : scenarios()) {
        for (const std::string& line : lines_of(json_of(scenario))) {
            Document document;
            document.Parse<strict>(line.c_str());
            ASSERT_FALSE(document.HasParseError()) << line;
            EXPECT_TRUE(accepts(document)) << fault(document) << "\n" << line;
            types.insert(document["type"].GetString());
        }
    }
    const std::set<std::string> all = {"trace",   "request", "completion", "cancel", "event",
                                       "context", "finding", "loss",       "summary"};
    EXPECT_EQ(types, all);
}

// Every line, each of its fields taken away, given a neighbour that nobody described, or turned into another type.
TEST_F(Schema, RefusesABrokenLine) {
    for (const Scenario& scenario : scenarios()) {
        for (const std::string& line : lines_of(json_of(scenario))) {
            Document document;
            document.Parse(line.c_str());
            for (const auto& member : document.GetObject()) {
                Document broken;
                broken.CopyFrom(document, broken.GetAllocator());
                broken.RemoveMember(member.name);
                EXPECT_FALSE(accepts(broken)) << "without " << member.name.GetString() << ": " << text_of(broken);

                broken.CopyFrom(document, broken.GetAllocator());
                broken[member.name.GetString()].SetDouble(0.5);
                EXPECT_FALSE(accepts(broken)) << member.name.GetString() << " of another type: " << text_of(broken);
            }
            document.AddMember("undescribed", 1, document.GetAllocator());
            EXPECT_FALSE(accepts(document)) << text_of(document);
        }
    }
}

TEST_F(Schema, RefusesAnAddressThatIsANumber) {
    for (const char* value : {"\"7f\"", "\"0x\"", "\"0xXY\"", "127"}) {
        Document document;
        const std::string context = lines_of(json_of(*std::ranges::find(scenarios(), "contexts", &Scenario::name)))[1];
        document.Parse(context.c_str());
        ASSERT_TRUE(accepts(document)) << context;
        Document replacement(&document.GetAllocator());
        replacement.Parse(value);
        document["context"].CopyFrom(replacement, document.GetAllocator());
        EXPECT_FALSE(accepts(document)) << value;
    }
}

TEST_F(Schema, DescribesEveryField) {
    const auto& definitions = source_["definitions"];
    for (const auto& definition : definitions.GetObject()) {
        const auto& described = definition.value;
        ASSERT_TRUE(described.HasMember("description")) << definition.name.GetString();
        const std::string name = definition.name.GetString();
        if (name == "outcomes" || name == "verdicts") {
            continue;  // their fields are the words of the glossary
        }
        for (const auto& property : described["properties"].GetObject()) {
            const bool explains_itself =
                std::string_view(property.name.GetString()) == "type" || property.value.HasMember("$ref");
            EXPECT_TRUE(explains_itself || property.value.HasMember("description"))
                << name << "." << property.name.GetString();
        }
        EXPECT_FALSE(described["additionalProperties"].GetBool()) << name;
    }
}

TEST(JsonView, EndsWithTheLossesAndTheSummary) {
    for (const Scenario& scenario : scenarios()) {
        const std::vector<std::string> lines = lines_of(json_of(scenario));
        ASSERT_GE(lines.size(), 3U);
        EXPECT_TRUE(lines.front().starts_with(R"({"type":"trace","schema":1,)"));
        EXPECT_TRUE(lines[lines.size() - 2].starts_with(R"({"type":"loss",)"));
        EXPECT_TRUE(lines.back().starts_with(R"({"type":"summary",)"));
        const std::string total = scenario.name == "losses" ? "2423" : "0";
        EXPECT_NE(lines[lines.size() - 2].find("\"total\":" + total + ","), std::string::npos);
        EXPECT_TRUE(lines.back().ends_with("\"lost\":" + total + "}"));
    }
}

TEST(TraceeView, PrintsCallsThatReturnedAndTheLosses) {
    for (const Scenario& scenario : scenarios()) {
        const std::vector<std::string> lines = lines_of(print(scenario, view::make_tracee_view));
        for (const std::string& line : lines) {
            Document document;
            document.Parse<strict>(line.c_str());
            ASSERT_FALSE(document.HasParseError()) << line;
            EXPECT_EQ(document["args"].Size(), document["argsNum"].GetUint()) << line;
            EXPECT_TRUE(document["eventId"].IsString()) << line;
        }
        Document last;
        last.Parse(lines.back().c_str());
        EXPECT_STREQ(last["eventName"].GetString(), "inflight_loss");
        EXPECT_EQ(last["returnValue"].GetInt64(), scenario.name == "losses" ? 2423 : 0);
        const std::size_t calls = scenario.name == "events"               ? 8
                                  : scenario.name == "uring_events"       ? 7
                                  : scenario.name == "uring_newer_events" ? 9
                                                                          : 0;
        EXPECT_EQ(lines.size(), calls + 1) << scenario.name;
    }
}

}  // namespace
}  // namespace inflight::golden
