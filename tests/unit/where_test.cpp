// SPDX-License-Identifier: Apache-2.0
#include "model/where.hpp"
#include "made.hpp"
#include "model/where_filter.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace inflight::model::test {
namespace {

bool holds(std::string_view text, const Request& request) {
    const auto where = Where::parse(text);
    EXPECT_TRUE(where.has_value()) << where.error().message();
    return where && where->matches(request);
}

std::string why_not(std::string_view text) {
    const auto where = Where::parse(text);
    return where ? std::string("it was taken") : where.error().why;
}

// pread of 4 KiB at 8 KiB on /data/file, 20 ms
Request slow_read() {
    Request request = aio_made(0, 0x1000, 1'000'000, 21'000'000);
    request.result = 4096;
    request.length = 4096;
    request.offset = 8192;
    request.uid = 1000;
    request.ctx_id = 0x7f0000001000;
    request.user_data = 0xffffffffffffffff;
    request.user_data_known = true;
    return request;
}

Request failed_read() {
    Request request = slow_read();
    request.result = -EIO;
    request.outcome = Outcome::failed;
    return request;
}

TEST(Where, ComparesNumbersWithUnits) {
    const Request request = slow_read();
    EXPECT_TRUE(holds("latency == 20ms", request));
    EXPECT_TRUE(holds("latency >= 0.02s", request));
    EXPECT_TRUE(holds("latency > 19999us and latency < 20.001ms", request));
    EXPECT_FALSE(holds("latency > 20ms", request));
    EXPECT_TRUE(holds("bytes == 4KiB", request));
    EXPECT_TRUE(holds("bytes = 4096", request));
    EXPECT_TRUE(holds("length <= 4096B", request));
    EXPECT_TRUE(holds("offset != 8191", request));
    EXPECT_TRUE(holds("offset >= 8kB", request));
    EXPECT_TRUE(holds("user_data == 0xffffffffffffffff", request));
    EXPECT_TRUE(holds("user_data > 0", request));
    EXPECT_TRUE(holds("context == 0x7f0000001000", request));
    EXPECT_TRUE(holds("iocb == 4096", request));
    EXPECT_TRUE(holds("submit-to-reap > 20ms", request));
    EXPECT_TRUE(holds("reap_wait == 1ns", request));
}

TEST(Where, ComparesNames) {
    const Request request = slow_read();
    EXPECT_TRUE(holds("op == pread", request));
    EXPECT_TRUE(holds("op != pwrite", request));
    EXPECT_TRUE(holds("family == aio", request));
    EXPECT_TRUE(holds("outcome == completed", request));
    EXPECT_TRUE(holds("comm == worker", request));
    EXPECT_TRUE(holds("comm == 'worker'", request));
    EXPECT_TRUE(holds("file == /data/file", request));
    EXPECT_TRUE(holds("file ~ /data/*", request));
    EXPECT_TRUE(holds("file ~ *file", request));
    EXPECT_FALSE(holds("file ~ data", request));
    EXPECT_TRUE(holds("file !~ '*.db'", request));
    EXPECT_TRUE(holds("file =~ '^/da(ta|ti)/'", request));
    EXPECT_FALSE(holds("file =~ '^data'", request));
    EXPECT_TRUE(holds("file_kind == \"regular file\"", request));
}

// Each of these has taken more than a gigabyte, or a time that doubles with each byte more.
TEST(Where, AnExpressionThatMultipliesIsRefused) {
    EXPECT_TRUE(why_not("comm =~ 'a" + std::string(30, '+') + "'").starts_with("column 9: not a regular expression: "));
    EXPECT_TRUE(why_not("comm =~ '(((a{99}){99}){99}){99}'").starts_with("column 9: not a regular expression: "));
}

TEST(Where, AnExpressionTakesTimeThatGrowsWithTheName) {
    Request request = slow_read();
    request.comm = std::string(100'000, 'a');
    EXPECT_FALSE(holds("comm =~ '(a*)*b'", request));
    EXPECT_FALSE(holds("comm =~ '(a|aa)+$b'", request));
}

TEST(Where, AnExpressionSeesBytes) {
    Request request = slow_read();
    request.comm = "na\xc3";
    EXPECT_TRUE(holds("comm =~ '^na.$'", request));
}

TEST(Where, JoinsConditions) {
    const Request request = slow_read();
    EXPECT_TRUE(holds("pid == 1 or pid == 2 or pid == 100", request));
    EXPECT_TRUE(holds("pid == 100 or pid == 2 and pid == 3", request));  // and binds closer
    EXPECT_FALSE(holds("(pid == 100 or pid == 2) and pid == 3", request));
    EXPECT_TRUE(holds("not pid == 3", request));
    EXPECT_TRUE(holds("!(pid == 3) && !(pid == 4 || tid == 4)", request));
    EXPECT_TRUE(holds("not not (pid==100)", request));
    EXPECT_FALSE(holds("not pid == 100 or pid == 3", request));
}

TEST(Where, ErrorsByNameAndNumber) {
    EXPECT_TRUE(holds("error == EIO", failed_read()));
    EXPECT_TRUE(holds("error == 5", failed_read()));
    EXPECT_TRUE(holds("errno != EINVAL", failed_read()));
    EXPECT_TRUE(holds("result == -5", failed_read()));
    EXPECT_TRUE(holds("result < 0", failed_read()));
    EXPECT_FALSE(holds("error == EIO", slow_read()));
}

TEST(Where, WhatIsNotKnownIsNeitherEqualNorUnequal) {
    Request request = slow_read();
    request.submit_ns.reset();
    request.file.reset();
    request.opcode.reset();
    for (const std::string field : {"latency", "file", "op", "error", "verdict", "cause", "punts"}) {
        EXPECT_FALSE(holds("known(" + field + ")", request)) << field;
    }
    EXPECT_TRUE(holds("known(pid)", request));
    EXPECT_FALSE(holds("latency < 1h", request));
    EXPECT_FALSE(holds("file != /x", request));
    EXPECT_FALSE(holds("file !~ x", request));
    EXPECT_FALSE(holds("error != EIO", request));
    EXPECT_TRUE(holds("not latency < 1h", request));
    request.origin = Origin::unknown;
    EXPECT_FALSE(holds("fd >= 0", request));
    // In flight: 0 bytes would be a claim.
    request.complete_ns.reset();
    EXPECT_FALSE(holds("bytes == 0", request));
}

TEST(Where, Booleans) {
    Request request = slow_read();
    EXPECT_FALSE(holds("synchronous", request));
    request.synchronous = true;
    EXPECT_TRUE(holds("synchronous", request));
    EXPECT_TRUE(holds("synchronous == true and not existed", request));
    const Request uring = UringMade(22).done();
    EXPECT_FALSE(holds("known(synchronous)", uring));
    EXPECT_TRUE(holds("punts == 0 and op == read", uring));
}

TEST(Where, SaysWhereItIsWrong) {
    EXPECT_EQ(why_not(""), "column 1: a condition is missing here");
    EXPECT_TRUE(why_not("latencyy > 1ms").starts_with("column 1: there is no field 'latencyy'; there are pid, "));
    EXPECT_EQ(why_not("pid == 1 and latency > 10"),
              "column 24: '10' is not a time: give ns, us, ms, s, m or h, as 10ms");
    EXPECT_EQ(why_not("pid = one"), "column 7: 'one' is not a number, as 12 or 0x1f");
    EXPECT_EQ(why_not("pid ="), "column 6: a value must follow '='");
    EXPECT_EQ(why_not("pid"), "column 4: an operator must follow 'pid': == != < <= > >= ~ !~ =~");
    EXPECT_EQ(why_not("pid == 1 pid == 2"), "column 10: 'pid' cannot stand here: join conditions with and, or");
    EXPECT_EQ(why_not("(pid == 1"), "column 1: the parenthesis that closes this one is missing");
    EXPECT_EQ(why_not("pid == 1)"), "column 9: ')' cannot stand here: join conditions with and, or");
    EXPECT_EQ(why_not("comm == 'x"), "column 9: the quotation mark that ends this is missing");
    EXPECT_TRUE(why_not("op == raed").starts_with("column 7: no op has the name 'raed'"));
    EXPECT_TRUE(why_not("outcome == done").starts_with("column 12: no outcome has the name 'done'"));
    EXPECT_TRUE(why_not("verdict == maybe").starts_with("column 12: no verdict"));
    EXPECT_TRUE(why_not("error == EWHAT").starts_with("column 10: 'EWHAT' is no error"));
    EXPECT_EQ(why_not("pid ~ 1*"), "column 5: 'pid' is a number: patterns are for names");
    EXPECT_EQ(why_not("comm < x"), "column 6: 'comm' is a name: it is compared with == != ~ !~ =~");
    EXPECT_EQ(why_not("comm =~ '('"), "column 9: not a regular expression: missing ): (");
    EXPECT_TRUE(why_not("pid == 1 ; pid").starts_with("column 10: this character cannot stand here"));
    EXPECT_EQ(why_not("known(pid"), "column 10: known(FIELD) ends with a parenthesis");
    EXPECT_TRUE(why_not("known(nope)").starts_with("column 7: there is no field"));
    EXPECT_TRUE(why_not("not").starts_with("column 4: a condition is missing"));
    EXPECT_TRUE(why_not("bytes > nan").starts_with("column 9: "));
    EXPECT_TRUE(why_not("bytes > 1e300TiB").starts_with("column 9: "));
    EXPECT_TRUE(why_not("user_data == 99999999999999999999").starts_with("column 14: "));
    const std::string deep(100'000, '(');
    EXPECT_EQ(why_not(deep), "column 101: it is nested too deep");
}

// Collects what passes.
class Passed final : public Sink {
public:
    void on_request(const Request&) override { requests++; }
    void on_cancel(const Cancel&) override { cancels++; }
    void on_event(const Event&) override { events++; }
    void on_context(const Context&) override { contexts++; }
    void on_finding(const Finding&) override { findings++; }
    void on_completion(const Completion&) override { completions++; }
    int requests = 0;
    int cancels = 0;
    int events = 0;
    int contexts = 0;
    int findings = 0;
    int completions = 0;
};

TEST(WhereFilter, CancelsPassWithTheirTarget) {
    Passed passed;
    WhereFilter filter(Where::parse("op == pread").value(), {}, passed);
    Cancel cancel;
    filter.on_cancel(cancel);
    EXPECT_EQ(passed.cancels, 0);
    cancel.target = slow_read();
    filter.on_cancel(cancel);
    EXPECT_EQ(passed.cancels, 1);
    cancel.target->opcode = 1;
    filter.on_cancel(cancel);
    EXPECT_EQ(passed.cancels, 1);
    cancel.more_targets.push_back(slow_read());
    filter.on_cancel(cancel);
    EXPECT_EQ(passed.cancels, 2);
}

TEST(WhereFilter, VerdictsAreOfCancels) {
    Passed passed;
    WhereFilter filter(Where::parse("verdict == unknown-request and pid == 7").value(), {}, passed);
    filter.on_request(slow_read());
    Cancel cancel;
    cancel.pid = 7;
    filter.on_cancel(cancel);
    cancel.verdict = Verdict::bad_key;
    filter.on_cancel(cancel);
    EXPECT_EQ(passed.requests, 0);
    EXPECT_EQ(passed.cancels, 1);
}

TEST(WhereFilter, FindingsPassWithTheirRequests) {
    Passed passed;
    WhereFilter filter(Where::parse("op == pread").value(), {}, passed);
    Finding finding;
    filter.on_finding(finding);
    EXPECT_EQ(passed.findings, 1);
    finding.stories.push_back(UringMade(22).done());
    filter.on_finding(finding);
    EXPECT_EQ(passed.findings, 1);
}

TEST(WhereFilter, SpanIsOfTheEnd) {
    Passed passed;
    WhereFilter filter(std::nullopt, {.since_ns = 100, .until_ns = 200}, passed);
    const auto count = [&](std::optional<std::uint64_t> submit_ns, std::optional<std::uint64_t> complete_ns) {
        Request request = slow_read();
        request.submit_ns = submit_ns;
        request.complete_ns = complete_ns;
        const int before = passed.requests;
        filter.on_request(request);
        return passed.requests - before;
    };
    EXPECT_EQ(count(50, 99), 0);
    EXPECT_EQ(count(50, 100), 1);
    EXPECT_EQ(count(150, 199), 1);
    EXPECT_EQ(count(150, 200), 0);
    EXPECT_EQ(count(150, std::nullopt), 1);  // in flight
    EXPECT_EQ(count(50, std::nullopt), 0);
    EXPECT_EQ(count(std::nullopt, 150), 1);
    Context context;
    context.time_ns = 300;
    context.change = ContextChange::created;
    filter.on_context(context);
    EXPECT_EQ(passed.contexts, 0);
    context.change = ContextChange::at_end;
    filter.on_context(context);
    EXPECT_EQ(passed.contexts, 1);
}

}  // namespace
}  // namespace inflight::model::test
