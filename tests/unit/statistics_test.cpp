// SPDX-License-Identifier: Apache-2.0
// What is counted on the way to a view, what is filtered, and how exact the quantiles of a latency are.
#include "model/statistics.hpp"
#include "model/selection.hpp"

#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Request finished(std::uint16_t opcode, std::uint64_t latency_ns, std::int64_t result,
                 Outcome outcome = Outcome::completed) {
    Request made;
    made.pid = the_pid;
    made.comm = "worker";
    made.opcode = opcode;
    made.submit_ns = 1000;
    made.complete_ns = 1000 + latency_ns;
    made.result = result;
    made.outcome = outcome;
    return made;
}

// ---- the histogram

std::uint64_t exact_quantile(const std::vector<std::uint64_t>& sorted, double q) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
    return sorted[std::max<std::size_t>(rank, 1) - 1];
}

constexpr std::array quantiles{0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0};

void expect_close(const LatencyHistogram& histogram, std::vector<std::uint64_t> values, unsigned seed) {
    std::ranges::sort(values);
    for (const double q : quantiles) {
        const std::uint64_t exact = exact_quantile(values, q);
        const std::uint64_t got = histogram.quantile_ns(q);
        EXPECT_GE(got, exact) << "q " << q << " seed " << seed;
        EXPECT_LE(got - exact, exact / 64) << "q " << q << " seed " << seed;
    }
    EXPECT_EQ(histogram.count(), values.size());
    EXPECT_EQ(histogram.max_ns(), values.back());
    EXPECT_EQ(histogram.quantile_ns(1.0), values.back());
}

TEST(Histogram, WithoutALatency) {
    const LatencyHistogram histogram;
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.max_ns(), 0U);
    EXPECT_EQ(histogram.quantile_ns(0.5), 0U);
    EXPECT_EQ(histogram.quantile_ns(1), 0U);
}

TEST(Histogram, OfOneLatencyIsExact) {
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{127},
          std::uint64_t{128}, std::uint64_t{1'000'003}, ~std::uint64_t{0} - 1, ~std::uint64_t{0}}) {
        LatencyHistogram histogram;
        histogram.add(value);
        for (const double q : quantiles) {
            EXPECT_EQ(histogram.quantile_ns(q), value);
        }
    }
}

TEST(Histogram, AroundEveryPowerOfTwo) {
    LatencyHistogram histogram;
    std::vector<std::uint64_t> values;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (const std::uint64_t near : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
            values.push_back((std::uint64_t{1} << bit) + near);
            histogram.add(values.back());
        }
    }
    expect_close(histogram, values, 0);
}

TEST(Histogram, OfRandomLatencies) {
    for (unsigned seed = 0; seed < 300; seed++) {
        std::mt19937_64 random(seed);
        LatencyHistogram histogram;
        std::vector<std::uint64_t> values(1 + random() % 3000);
        const auto kind = random() % 4;
        for (auto& value : values) {
            switch (kind) {
                case 0:
                    value = random() % 200;
                    break;
                case 1:
                    value = random() % 100'000'000;
                    break;
                case 2:
                    value = random() >> (random() % 64);
                    break;
                default:
                    value = static_cast<std::uint64_t>(std::exp(std::normal_distribution(11.0, 2.0)(random)));
                    break;
            }
            histogram.add(value);
        }
        expect_close(histogram, values, seed);
    }
}

// ---- counting

TEST(Counting, OfRequestsByProcessAndOperation) {
    Recorder seen;
    Statistics statistics(seen);
    statistics.on_request(finished(IOCB_CMD_PREAD, 100, 4096));
    statistics.on_request(finished(IOCB_CMD_PREAD, 200, 512));
    statistics.on_request(finished(IOCB_CMD_PREAD, 300, -EIO, Outcome::failed));
    statistics.on_request(finished(IOCB_CMD_POLL, 400, 1));
    statistics.on_request(finished(IOCB_CMD_POLL, 500, 0, Outcome::cancelled));
    auto other = finished(IOCB_CMD_PWRITEV, 600, 100);
    other.pid = 200;
    statistics.on_request(other);
    const Summary summary = statistics.summary(5, 10);
    EXPECT_THAT(seen.requests, SizeIs(6)) << "all go on";
    EXPECT_EQ(summary.start_ns, 5U);
    EXPECT_EQ(summary.end_ns, 10U);
    EXPECT_EQ(summary.requests, 6U);
    EXPECT_THAT(summary.outcomes, ElementsAre(0, 4, 1, 1, 0));
    ASSERT_THAT(summary.operations, SizeIs(3));
    EXPECT_EQ(summary.operations[0].opcode, IOCB_CMD_PREAD) << "most requests first";
    EXPECT_EQ(summary.operations[0].requests, 3U);
    EXPECT_EQ(summary.operations[0].bytes, 4096U + 512U) << "an error moves none";
    EXPECT_EQ(summary.operations[0].latency.count(), 3U);
    EXPECT_EQ(summary.operations[0].latency.max_ns(), 300U);
    EXPECT_EQ(summary.operations[0].comm, "worker");
    EXPECT_EQ(summary.operations[1].opcode, IOCB_CMD_POLL);
    EXPECT_EQ(summary.operations[1].bytes, 0U) << "events are no bytes";
    EXPECT_EQ(summary.operations[2].pid, 200U);
    EXPECT_EQ(summary.operations[2].bytes, 100U);
}

TEST(Counting, OfLatenciesThatAreNotKnown) {
    Recorder seen;
    Statistics statistics(seen);
    auto existed = finished(IOCB_CMD_POLL, 100, 1);
    existed.submit_ns.reset();
    statistics.on_request(existed);
    auto in_flight = finished(IOCB_CMD_PREAD, 100, 4096, Outcome::in_flight);
    in_flight.complete_ns.reset();
    statistics.on_request(in_flight);
    auto unknown = finished(IOCB_CMD_PREAD, 100, 4096);
    unknown.opcode.reset();
    statistics.on_request(unknown);
    const Summary summary = statistics.summary(0, 1);
    ASSERT_THAT(summary.operations, SizeIs(3));
    for (const OperationStats& each : summary.operations) {
        EXPECT_EQ(each.latency.count(), each.opcode ? 0U : 1U);
        EXPECT_EQ(each.bytes, 0U);
    }
    EXPECT_THAT(summary.outcomes, ElementsAre(1, 2, 0, 0, 0));
}

TEST(Counting, OfEverythingElse) {
    Recorder seen;
    Statistics statistics(seen);
    Cancel cancelled;
    cancelled.verdict = Verdict::cancelled;
    Cancel bad;
    bad.verdict = Verdict::bad_pointer;
    statistics.on_cancel(cancelled);
    statistics.on_cancel(bad);
    statistics.on_cancel(bad);
    Event event;
    statistics.on_event(event);
    event.in_progress = true;
    statistics.on_event(event);
    statistics.on_finding({});
    const Summary summary = statistics.summary(0, 1);
    EXPECT_EQ(summary.cancels, 3U);
    EXPECT_THAT(summary.verdicts, ElementsAre(1, 0, 0, 0, 0, 0, 0, 2, 0, 0));
    EXPECT_EQ(summary.events, 1U) << "a call that goes on is counted when it returns";
    EXPECT_EQ(summary.findings, 1U);
    EXPECT_THAT(seen.cancels, SizeIs(3));
    EXPECT_THAT(seen.events, SizeIs(2));
    EXPECT_THAT(seen.findings, SizeIs(1));
}

TEST(Counting, OfContextsIsWhatWasSaidLast) {
    Recorder seen;
    Statistics statistics(seen);
    Context few;
    few.context_id = 1;
    Context many;
    many.context_id = 2;
    statistics.on_context(few);
    statistics.on_context(many);
    few.submitted = 1;
    many.submitted = 5;
    many.change = ContextChange::destroyed;
    statistics.on_context(few);
    statistics.on_context(many);
    const Summary summary = statistics.summary(0, 1);
    ASSERT_THAT(summary.contexts, SizeIs(2));
    EXPECT_EQ(summary.contexts[0].context_id, 2U) << "most requests first";
    EXPECT_EQ(summary.contexts[0].change, ContextChange::destroyed);
    EXPECT_THAT(seen.contexts, SizeIs(4));
}

// ---- selecting

std::size_t selected(const SelectionOptions& options, const Request& one) {
    Recorder seen;
    Selection selection(options, seen);
    selection.on_request(one);
    return seen.requests.size();
}

TEST(Selecting, EverythingWithoutAFilter) {
    auto unknown = finished(0, 0, 0);
    unknown.opcode.reset();
    unknown.submit_ns.reset();
    EXPECT_EQ(selected({}, unknown), 1U);
}

TEST(Selecting, ByOperation) {
    const SelectionOptions options{.families = {},
                                   .operations = {{Family::aio, IOCB_CMD_PREAD}, {Family::aio, IOCB_CMD_POLL}},
                                   .outcomes = {},
                                   .min_latency_ns = 0};
    EXPECT_EQ(selected(options, finished(IOCB_CMD_PREAD, 1, 1)), 1U);
    EXPECT_EQ(selected(options, finished(IOCB_CMD_POLL, 1, 1)), 1U);
    EXPECT_EQ(selected(options, finished(IOCB_CMD_PWRITE, 1, 1)), 0U);
    auto unknown = finished(IOCB_CMD_PREAD, 1, 1);
    unknown.opcode.reset();
    EXPECT_EQ(selected(options, unknown), 0U);
}

TEST(Selecting, ByOutcome) {
    const SelectionOptions options{
        .families = {}, .operations = {}, .outcomes = {Outcome::failed, Outcome::in_flight}, .min_latency_ns = 0};
    for (const auto outcome :
         {Outcome::in_flight, Outcome::completed, Outcome::failed, Outcome::cancelled, Outcome::abandoned}) {
        const bool wanted = outcome == Outcome::failed || outcome == Outcome::in_flight;
        EXPECT_EQ(selected(options, finished(IOCB_CMD_PREAD, 1, 1, outcome)), wanted ? 1U : 0U) << name(outcome);
    }
}

TEST(Selecting, ByLatency) {
    const SelectionOptions options{.families = {}, .operations = {}, .outcomes = {}, .min_latency_ns = 100};
    EXPECT_EQ(selected(options, finished(IOCB_CMD_PREAD, 100, 1)), 1U);
    EXPECT_EQ(selected(options, finished(IOCB_CMD_PREAD, 99, 1)), 0U);
    auto unknown = finished(IOCB_CMD_PREAD, 100, 1);
    unknown.submit_ns.reset();
    EXPECT_EQ(selected(options, unknown), 0U);
}

TEST(Selecting, OfCancelsByTheirTarget) {
    Recorder seen;
    Selection selection({.families = {},
                         .operations = {{Family::aio, IOCB_CMD_POLL}},
                         .outcomes = {Outcome::failed},
                         .min_latency_ns = 1000},
                        seen);
    Cancel attempt;
    selection.on_cancel(attempt);
    attempt.target = finished(IOCB_CMD_PREAD, 1, 1);
    selection.on_cancel(attempt);
    EXPECT_THAT(seen.cancels, IsEmpty());
    attempt.target = finished(IOCB_CMD_POLL, 1, 1);
    selection.on_cancel(attempt);
    EXPECT_THAT(seen.cancels, SizeIs(1));
    selection.on_event({});
    selection.on_context({});
    selection.on_finding({});
    EXPECT_THAT(seen.events, SizeIs(1));
    EXPECT_THAT(seen.contexts, SizeIs(1));
    EXPECT_THAT(seen.findings, SizeIs(1));
}

TEST(Selecting, AnOperationIsThatOfItsFamily) {
    auto of_a_ring = finished(IOCB_CMD_PREAD, 1, 1);
    of_a_ring.family = Family::uring;
    const SelectionOptions aio{
        .families = {}, .operations = {{Family::aio, IOCB_CMD_PREAD}}, .outcomes = {}, .min_latency_ns = 0};
    EXPECT_EQ(selected(aio, of_a_ring), 0U);
    const SelectionOptions both{
        .families = {}, .operations = {{Family::aio, 5}, {Family::uring, 0}}, .outcomes = {}, .min_latency_ns = 0};
    EXPECT_EQ(selected(both, of_a_ring), 1U);
    EXPECT_EQ(selected(both, finished(5, 1, 1)), 1U);
    EXPECT_EQ(selected(both, finished(0, 1, 1)), 0U);
}

TEST(Selecting, ByFamily) {
    Recorder seen;
    Selection selection({.families = {Family::uring}, .operations = {}, .outcomes = {}, .min_latency_ns = 0}, seen);
    Request request = finished(0, 1, 1);
    Cancel cancel;
    Event event;
    Context context;
    for (const auto family : {Family::aio, Family::uring}) {
        request.family = cancel.family = event.family = context.family = family;
        selection.on_request(request);
        selection.on_cancel(cancel);
        selection.on_event(event);
        selection.on_context(context);
    }
    EXPECT_THAT(seen.requests, SizeIs(1));
    EXPECT_THAT(seen.cancels, SizeIs(1));
    EXPECT_THAT(seen.events, SizeIs(1));
    EXPECT_THAT(seen.contexts, SizeIs(1));
}

struct Completions final : Recorder {
    std::size_t count = 0;
    void on_completion(const Completion& /*completion*/) override { count++; }
};

TEST(Selecting, CompletionsByTheirRequest) {
    constexpr std::uint16_t recv = 27;
    Completion unknown;
    Completion known;
    Request request = finished(recv, 1, 1);
    request.family = Family::uring;
    known.request = std::make_shared<Request>(request);
    const auto passed = [&](const SelectionOptions& options) {
        Completions seen;
        Selection selection(options, seen);
        selection.on_completion(unknown);
        selection.on_completion(known);
        return seen.count;
    };
    SelectionOptions options;
    EXPECT_EQ(passed(options), 2U);
    options.operations = {{Family::uring, recv}};
    EXPECT_EQ(passed(options), 1U);
    options.operations = {{Family::aio, recv}};
    EXPECT_EQ(passed(options), 0U);
    options.operations = {};
    options.families = {Family::aio};
    EXPECT_EQ(passed(options), 0U);
}

TEST(Selecting, ACancelPassesWithAnyOfItsTargets) {
    Recorder seen;
    Selection selection(
        {.families = {}, .operations = {{Family::aio, IOCB_CMD_POLL}}, .outcomes = {}, .min_latency_ns = 0}, seen);
    Cancel attempt;
    attempt.target = finished(IOCB_CMD_PREAD, 1, 1);
    attempt.more_targets = {finished(IOCB_CMD_PREAD, 1, 1), finished(IOCB_CMD_POLL, 1, 1)};
    selection.on_cancel(attempt);
    EXPECT_THAT(seen.cancels, SizeIs(1));
}

// ---- io_uring

TEST(Counting, KeepsFamiliesApartAndSumsTheCqes) {
    constexpr std::uint16_t recv = 27;
    constexpr std::uint16_t nop = 0;
    Completions seen;
    Statistics statistics(seen);
    statistics.on_request(finished(IOCB_CMD_PREAD, 1, 512));
    auto request = finished(nop, 1, 512);
    request.family = Family::uring;
    statistics.on_request(request);
    request.opcode = recv;
    UringPart part;
    part.cqe_count = 3;
    part.cqe_bytes = 1536;
    request.uring = std::make_shared<UringPart>(part);
    statistics.on_request(request);
    statistics.on_completion({});
    statistics.on_completion({});
    EXPECT_EQ(seen.count, 2U);
    const Summary summary = statistics.summary(0, 1);
    EXPECT_EQ(summary.completions, 2U);
    ASSERT_THAT(summary.operations, SizeIs(3));
    for (const OperationStats& stats : summary.operations) {
        const std::uint64_t bytes = stats.family == Family::aio ? 512 : stats.opcode == recv ? 1536 : 0;
        EXPECT_EQ(stats.bytes, bytes) << name(stats.family) << " " << *stats.opcode;
    }
}

TEST(Counting, ALookAtARingIsKeptAndNotShown) {
    Recorder seen;
    Statistics statistics(seen);
    Context ring;
    ring.context_id = 7;
    ring.change = ContextChange::observed;
    ring.submitted = 3;
    statistics.on_context(ring);
    EXPECT_THAT(seen.contexts, IsEmpty());
    const Summary summary = statistics.summary(0, 1);
    ASSERT_THAT(summary.contexts, SizeIs(1));
    EXPECT_EQ(summary.contexts[0].submitted, 3U);
}

// ---- losses

TEST(LossAccount, AddsUp) {
    Losses losses;
    EXPECT_EQ(losses.total(), 0U);
    losses.cpus = {{.cpu = 0, .kinds = {{.kind = "request", .generated = 10, .delivered = 8, .lost = 2}}},
                   {.cpu = 1, .kinds = {{.kind = "call", .generated = 4, .delivered = 3, .lost = 1}}}};
    losses.requests_untracked = 10;
    losses.calls_untracked = 20;
    losses.contexts_untracked = 30;
    losses.exits_missed = 40;
    losses.programs_skipped = 50;
    losses.completions_unseen = 60;
    losses.submissions_unseen = 70;
    losses.out_of_order = 80;
    EXPECT_EQ(losses.records_lost(), 3U);
    EXPECT_EQ(losses.total(), 363U);
}

TEST(Names, OfOutcomesGoBothWays) {
    for (const auto outcome :
         {Outcome::in_flight, Outcome::completed, Outcome::failed, Outcome::cancelled, Outcome::abandoned}) {
        EXPECT_EQ(outcome_by_name(name(outcome)), outcome);
    }
    EXPECT_EQ(outcome_by_name("?"), std::nullopt);
    EXPECT_EQ(name(static_cast<Verdict>(200)), "?");
}

}  // namespace
}  // namespace inflight::model::test
