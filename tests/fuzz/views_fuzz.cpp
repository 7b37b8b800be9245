// SPDX-License-Identifier: Apache-2.0
// Every view and export, of what the model makes of any records. What is to be JSON is JSON.
#include "capture/format.hpp"
#include "harness.hpp"
#include "model/diff.hpp"
#include "model/grouping.hpp"
#include "model/slowest.hpp"
#include "record_maker.hpp"
#include "view/chrome.hpp"
#include "view/csv.hpp"
#include "view/diff.hpp"
#include "view/groups.hpp"
#include "view/perfetto.hpp"
#include "view/view.hpp"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace inflight;

class Kept final : public Output {
public:
    void write(std::string_view bytes) override { text.append(bytes); }
    void flush() override {}

    std::string text;
};

bool is_json(std::string_view text) {
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::Reader reader;
    rapidjson::BaseReaderHandler<> handler;
    return !reader.Parse < rapidjson::kParseValidateEncodingFlag |
           rapidjson::kParseIterativeFlag > (stream, handler).IsError();
}

void require_json_lines(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        fuzz::require(end != std::string_view::npos && is_json(text.substr(0, end)));
        text.remove_prefix(end + 1);
    }
}

struct Format {
    std::unique_ptr<view::View> (*make)(Output& output);
    void (*check)(std::string_view text);
};

std::unique_ptr<view::View> make_text(Output& output) {
    return view::make_text_view(output, {.color = true, .columns = 80, .terminal = true});
}

constexpr std::array formats{
    Format{make_text, nullptr},
    Format{view::make_json_view, require_json_lines},
    Format{view::make_tracee_view, require_json_lines},
    Format{view::make_csv_view, nullptr},
    Format{view::make_chrome_view, [](std::string_view text) { fuzz::require(is_json(text)); }},
    Format{view::make_perfetto_view, nullptr},
};

// Hands everything to one more sink than the view.
class Fork final : public model::Sink {
public:
    Fork(model::Sink& one, model::Sink& other) : one_(one), other_(other) {}

    void on_request(const model::Request& value) override { one_.on_request(value), other_.on_request(value); }
    void on_cancel(const model::Cancel& value) override { one_.on_cancel(value), other_.on_cancel(value); }
    void on_event(const model::Event& value) override { one_.on_event(value), other_.on_event(value); }
    void on_context(const model::Context& value) override { one_.on_context(value), other_.on_context(value); }
    void on_finding(const model::Finding& value) override { one_.on_finding(value), other_.on_finding(value); }
    void on_completion(const model::Completion& value) override {
        one_.on_completion(value), other_.on_completion(value);
    }

private:
    model::Sink& one_;
    model::Sink& other_;
};

void show_groups(model::Grouping& grouping, const std::vector<model::GroupField>& fields, std::uint64_t span_ns) {
    const view::GroupReport report{.fields = fields,
                                   .groups = grouping.groups(model::GroupOrder::latency, 10),
                                   .groups_in_all = grouping.size(),
                                   .span_ns = span_ns};
    (void)view::groups_text(report, {});
    Kept kept;
    view::write_groups(kept, report);
    require_json_lines(kept.text);
}

void show_difference(const model::RunSlices& slices) {
    view::DiffReport report;
    const auto cut = slices.cut();
    report.a = {.file = "a", .host = "h", .requests = cut.requests, .cancels = cut.cancels, .span_ns = cut.span_ns};
    report.b = report.a;
    report.differences = model::differences(cut, cut);
    (void)view::diff_text(report, {});
    Kept kept;
    view::write_diff(kept, report);
    require_json_lines(kept.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Bytes bytes({data, size});
    const auto choice = bytes.take<std::uint8_t>();
    const Format& format = formats.at(choice % formats.size());
    Kept kept;
    const auto view = format.make(kept);
    model::TraceInfo info;
    info.start_ns = 1'000'000'000;
    info.wall_offset_ns = 1'700'000'000'000'000'000;
    info.command = {"a", std::string(1, static_cast<char>(choice))};
    view->begin(info);
    const std::vector fields{model::GroupField::comm, model::GroupField::op, model::GroupField::file};
    model::Grouping grouping(fields);
    model::RunSlices slices(info.start_ns);
    Fork counted(grouping, slices);
    Fork both(*view, counted);
    fuzz::Model model(both, choice | 2U);
    fuzz::RecordMaker maker;
    while (const auto item = maker.next(bytes)) {
        if (item->kind == capture::format::mark_advance) {
            model.advance(item->mark_ns());
        } else if (!item->is_mark()) {
            model.on_record(item->record());
        }
    }
    model.finish(~std::uint64_t{0} >> 2U);
    view->end(model.summary());
    if (format.check != nullptr) {
        format.check(kept.text);
    }
    show_groups(grouping, fields, choice % 4U == 0 ? 1 : 1'000'000'000);
    show_difference(slices);
    return 0;
}
