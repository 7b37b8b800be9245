// SPDX-License-Identifier: Apache-2.0
// Names that could steer a terminal, forge a line or be taken for a formula, through every output.
#include "view/escape.hpp"
#include "parts.hpp"
#include "view/cancelled.hpp"
#include "view/captures.hpp"
#include "view/in_flight.hpp"
#include "views.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <array>

namespace inflight::golden {
namespace {

// One of each kind: C0, DEL, C1 as UTF-8, bidirectional controls, line separators, invisible characters, a tag beyond
// the first plane.
constexpr std::array steering = std::to_array<std::string_view>(
    {"\x1b", "\n", "\r", "\x07", "\x7f", "\xc2\x9b", "\xc2\x85", "\u061c", "\u200e", "\u200f", "\u2028", "\u2029",
     "\u202a", "\u202e", "\u2066", "\u2069", "\u200b", "\ufeff", "\U000e0041"});

// Everything that steers, in 15 bytes or not, with text around it.
std::string evil_name() {
    std::string name = "=a";
    for (const std::string_view each : steering) {
        name.append(each).append("b");
    }
    return name;
}

// The first thing in `text` that a terminal would obey; empty: nothing. A line end is the output's own.
std::string what_steers(const std::string& text) {
    if (!view::is_utf8(text)) {
        return "bytes that are not UTF-8";
    }
    for (const std::string_view each : steering) {
        if (each != "\n" && text.find(each) != std::string::npos) {
            return view::printable(each);
        }
    }
    return "";
}

void feed_steering(view::View& view) {
    using namespace parts;
    const std::string evil = evil_name() + "\xff";
    view::TraceInfo info = trace_info();
    info.host_name = evil;
    info.kernel_release = evil;
    info.command = {evil};
    view.begin(info);
    Request request = parts::request(IOCB_CMD_PREAD, 1 * ms, 87'100);
    request.comm = evil;
    request.file = file(evil);
    view.on_request(request);
    Cancel attempt = cancel(Verdict::unknown_request, -EINVAL, 2 * ms, evil);
    attempt.comm = evil;
    attempt.target = request;
    view.on_cancel(attempt);
    Finding finding;
    finding.code = evil;
    finding.message = evil;
    finding.advice = evil;
    finding.time_ns = at(3 * ms);
    finding.comm = evil;
    view.on_finding(finding);
    model::Event event;
    event.call.syscall = IFL_IO_CANCEL;
    event.container_id = evil;
    std::string_view("\x1b\xc2\x9b\x7f\xe2\x80\xae").copy(&event.call.task.comm[0], IFL_COMM_BYTES - 1);
    view.on_event(event);
    Summary result = summary();
    result.requests = 1;
    result.outcomes = {0, 1, 0, 0, 0};
    result.ended_by = evil;
    view.end(result);
}

TEST(Escapes, NothingThatSteersATerminalIsInAnyView) {
    for (const ViewKind& kind : view_kinds) {
        EXPECT_EQ(what_steers(print({"steering", feed_steering}, kind.make)), "") << kind.name;
    }
}

TEST(Escapes, AJsonParserGetsTheSameText) {
    std::string name = evil_name();
    rapidjson::Document document;
    document.Parse<rapidjson::kParseValidateEncodingFlag>(("\"" + view::json_escaped(name) + "\"").c_str());
    ASSERT_FALSE(document.HasParseError());
    EXPECT_EQ(std::string(document.GetString(), document.GetStringLength()), name);
    EXPECT_EQ(view::json_escaped("a\xff\"\\"), R"(a\\xff\"\\)");
    EXPECT_EQ(view::json_escaped("\U000e0041"), R"(\uDB40\uDC41)");
    EXPECT_EQ(what_steers(view::json_escaped(name)), "");
}

// The rows of a csv export, of which only the name differs.
std::string comm_in_csv(const std::string& comm) {
    StringOutput output;
    const auto view = view::make_csv_view(output);
    view->begin(parts::trace_info());
    model::Request request = parts::request(IOCB_CMD_PREAD, 1 * parts::ms, 87'100);
    request.comm = comm;
    request.pid = 1;
    request.tid = 2;
    request.uid = 3;
    view->on_request(request);
    const std::string row = lines_of(output.text).back();
    const auto from = row.find(",1,2,3,") + 7;
    return row.substr(from, row.find(",pread,") - from);
}

TEST(Escapes, CsvHasNoControlCharacterAndNoFormula) {
    EXPECT_EQ(comm_in_csv("plain"), "plain");
    EXPECT_EQ(comm_in_csv("a,\"b"), "\"a,\"\"b\"");
    EXPECT_EQ(comm_in_csv("a\nb\x1b[2J\\"), "a\\nb\\x1b[2J\\\\");
    EXPECT_EQ(comm_in_csv("a\xff\xc2\x9b"), "a\\xff\\xc2\\x9b");
    EXPECT_EQ(comm_in_csv("=1+1"), "\\x3d1+1");
    EXPECT_EQ(comm_in_csv("+1"), "\\x2b1");
    EXPECT_EQ(comm_in_csv("-1"), "\\x2d1");
    EXPECT_EQ(comm_in_csv("@SUM(1,1)"), "\"\\x40SUM(1,1)\"");
    EXPECT_EQ(comm_in_csv("\uff1d1"), "\\xef\\xbc\\x9d1");
    EXPECT_EQ(comm_in_csv("a=1"), "a=1");
    EXPECT_EQ(comm_in_csv("\t=1"), "\\t=1");
}

view::CancelReport evil_report() {
    view::CancelReport report;
    report.chosen.id = "1-1";
    report.chosen.request = parts::request(IOCB_CMD_PREAD, 1 * parts::ms, 87'100);
    report.chosen.request.comm = "x\ncancel by uid 0";
    report.chosen.request.file = parts::file("/tmp/a\", way ring: cancelled: it ended\n" + evil_name() + "\xff");
    report.result.reason = "open " + evil_name() + "\n  a hint";
    return report;
}

// Syslog and the file of --audit have a line for each cancel, which nobody but inflight writes.
TEST(Escapes, AnAuditLineIsOneLine) {
    for (const std::string& who : {std::string("uid 0"), "uid 0 (sudo by uid 1000\ncancel by uid 0)" + evil_name()}) {
        const std::string line = view::audit_line(evil_report(), who);
        EXPECT_EQ(line.find('\n'), std::string::npos) << line;
        EXPECT_EQ(what_steers(line), "") << line;
        // What a program chose stands in quotation marks, and cannot end them.
        EXPECT_NE(line.find(R"("/tmp/a\x22, way ring: cancelled: it ended\n)"), std::string::npos) << line;
        EXPECT_NE(line.find(R"("x\ncancel by uid 0")"), std::string::npos) << line;
    }
}

TEST(Escapes, NothingThatSteersATerminalIsInLists) {
    StringOutput json;
    view::write_cancelled(json, evil_report());
    EXPECT_EQ(what_steers(json.text), "");
    EXPECT_EQ(what_steers(view::cancelled_text(evil_report(), {})), "");
    view::InFlightReport report;
    report.requests.push_back(evil_report().chosen);
    EXPECT_EQ(what_steers(view::in_flight_text(report, {})), "");
    const std::string evil = evil_name();
    const std::vector<view::CaptureFile> files{
        {.path = evil, .host = evil, .ended = false, .ended_by = evil, .damage = {evil}}};
    EXPECT_EQ(what_steers(view::captures_text(files, {})), "");
    view::write_captures(json, files);
    EXPECT_EQ(what_steers(json.text), "");
}

}  // namespace
}  // namespace inflight::golden
