// SPDX-License-Identifier: Apache-2.0
// Random histories of submissions, completions, cancels and reapings, checked against the kernel's rules.
#include "capture/sorter.hpp"
#include "kernel_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace inflight::model::test {
namespace {

const ifl_header& header_of(const std::vector<std::uint64_t>& record) {
    return *reinterpret_cast<const ifl_header*>(record.data());
}

// Whether two records of nearly the same time may change places without another story being told. A snapshot is made by
// the reader itself, after it has drained what is older; of two completions the order is what tells twins apart.
bool may_change_places(const ifl_header& a, const ifl_header& b) {
    const auto fixed = [](const ifl_header& header) {
        if (header.kind == IFL_REQUEST) {
            const auto& request = reinterpret_cast<const ifl_request&>(header);
            return request.state == IFL_REQUEST_IN_FLIGHT || (request.flags & IFL_REQ_CONTEXT_DEAD) != 0;
        }
        return header.kind != IFL_CALL && header.kind != IFL_IO_EVENTS;
    };
    return !fixed(a) && !fixed(b) && !(a.kind == IFL_REQUEST && b.kind == IFL_REQUEST);
}

// As the live source does it: records of several CPUs come late by less than the sorter waits. `disorder`: some more
// change places on the way, as if their clocks differed.
void deliver(const KernelModel& history, Trace& trace, unsigned seed, std::uint64_t scale_ns, bool disorder) {
    std::mt19937 random(seed);
    const std::uint64_t wait_ns = 40 * scale_ns;
    std::multimap<std::uint64_t, const std::vector<std::uint64_t>*> arrivals;
    for (const auto& [time_ns, record] : history.records()) {
        const bool by_the_reader = header_of(record).kind == IFL_SNAPSHOT || header_of(record).tier == IFL_TIER_NONE;
        const bool in_snapshot = header_of(record).kind == IFL_REQUEST &&
                                 reinterpret_cast<const ifl_request&>(header_of(record)).state == IFL_REQUEST_IN_FLIGHT;
        arrivals.emplace(time_ns + (by_the_reader || in_snapshot ? 0 : random() % (wait_ns - 1)), &record);
    }
    std::vector<std::vector<std::uint64_t>> ordered;
    std::vector<std::uint64_t> advances;
    capture::Sorter sorter;
    const auto release = [&](std::uint64_t until_ns) {
        sorter.release(until_ns, [&](const ifl_header& header) {
            const auto* words = reinterpret_cast<const std::uint64_t*>(&header);
            ordered.emplace_back(words, words + header.size_bytes / 8);
        });
    };
    for (const auto& [arrival_ns, record] : arrivals) {
        sorter.add(header_of(*record));
        release(arrival_ns - std::min(arrival_ns, wait_ns));
    }
    release(~std::uint64_t{0});
    EXPECT_EQ(sorter.out_of_order(), 0U);
    ASSERT_EQ(ordered.size(), history.records().size());
    for (std::size_t i = 0; disorder && i + 1 < ordered.size(); i++) {
        if (random() % 3 == 0 && may_change_places(header_of(ordered[i]), header_of(ordered[i + 1]))) {
            std::swap(ordered[i], ordered[i + 1]);
            i++;
        }
    }
    for (const auto& record : ordered) {
        trace.tracker.on_record(header_of(record));
        if (random() % 8 == 0) {
            trace.tracker.advance(header_of(record).time_ns);
        }
    }
    trace.tracker.finish(history.end_ns());
}

const Cancel* find_cancel(const Trace& trace, std::uint64_t call_id) {
    const auto found = std::ranges::find(trace.cancels, call_id, &Cancel::call_id);
    return found == trace.cancels.end() ? nullptr : &*found;
}

void check_cancels(const KernelModel& history, const Trace& trace, bool certain) {
    ASSERT_EQ(trace.cancels.size(), history.cancels().size()) << "each once";
    for (const HistoryCancel& attempt : history.cancels()) {
        const Cancel* got = find_cancel(trace, attempt.record.call_id);
        ASSERT_NE(got, nullptr) << "call " << attempt.record.call_id;
        EXPECT_TRUE(history.right_verdicts(attempt).contains(got->verdict)) << testing::PrintToString(*got);
        EXPECT_TRUE(got->certain || !certain) << testing::PrintToString(*got);
        if (attempt.target) {
            ASSERT_TRUE(got->target) << testing::PrintToString(*got);
            EXPECT_EQ(got->target->submit_ns, history.requests()[*attempt.target].record.submit_ns);
        }
    }
}

// By time of submission, which no two share.
std::map<std::uint64_t, const Request*> by_submission(const Trace& trace) {
    std::map<std::uint64_t, const Request*> all;
    for (const Request& each : trace.requests) {
        EXPECT_TRUE(all.emplace(each.submit_ns.value_or(0), &each).second) << "twice: " << testing::PrintToString(each);
    }
    return all;
}

void check_requests(const KernelModel& history, const Trace& trace, bool reapings) {
    const auto requests = by_submission(trace);
    EXPECT_EQ(requests.size(), history.requests().size());
    for (const HistoryRequest& expected : history.requests()) {
        const auto found = requests.find(expected.record.submit_ns);
        ASSERT_NE(found, requests.end()) << "iocb " << expected.record.iocb << " of " << expected.record.submit_ns;
        const Request& got = *found->second;
        EXPECT_EQ(got.outcome, expected.outcome()) << testing::PrintToString(got);
        EXPECT_EQ(got.address, expected.record.iocb);
        EXPECT_TRUE(got.completion_seen);
        if (expected.queued()) {
            EXPECT_EQ(got.result, expected.record.result);
            EXPECT_GE(got.complete_ns, expected.queued_ns) << testing::PrintToString(got);
        }
        if (reapings) {
            EXPECT_EQ(got.reap_ns.value_or(0), expected.reaped_ns) << testing::PrintToString(got);
            EXPECT_EQ(got.complete_ns.value_or(~std::uint64_t{0}), expected.end_ns()) << testing::PrintToString(got);
        }
    }
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 0U);
}

void check_histories(unsigned from, unsigned count, HistoryKind kind, bool disorder) {
    for (unsigned seed = from; seed < from + count && !testing::Test::HasFailure(); seed++) {
        KernelModel history(seed, kind);
        history.run();
        Trace trace({.reap_wait_ns = kind.scale_ns == 1 ? second : 200 * ms});
        deliver(history, trace, seed, kind.scale_ns, disorder);
        // With events that were taken without a call, or handed out before they were reaped, it is not known whose it
        // was.
        check_requests(history, trace, !kind.user_reaping && kind.scale_ns == 1);
        check_cancels(history, trace, !kind.tracepoints);
        EXPECT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

TEST(Histories, SeenByFunctions) {
    check_histories(0, 400, {.unique_data = false}, false);
}

TEST(Histories, SeenByFunctionsInSomeDisorder) {
    check_histories(1000, 400, {}, true);
}

TEST(Histories, SeenByTracepoints) {
    check_histories(2000, 400, {.tracepoints = true}, false);
}

TEST(Histories, SeenByTracepointsInSomeDisorder) {
    check_histories(3000, 400, {.tracepoints = true}, true);
}

TEST(Histories, WithEventsReapedInUserSpace) {
    check_histories(4000, 300, {.user_reaping = true}, false);
}

// Seconds long: requests are handed out before they are reaped, contexts are forgotten.
TEST(Histories, OfASlowProgram) {
    check_histories(5000, 300, {.scale_ns = 20 * ms, .steps = 200}, false);
}

TEST(Histories, WithLostRecordsAreCompletedFromTheEvents) {
    for (unsigned seed = 6000; seed < 6300 && !HasFailure(); seed++) {
        KernelModel history(seed, {.user_reaping = true, .losses = true});
        history.run();
        Trace trace;
        trace.tracker.note_losses();
        deliver(history, trace, seed, 1, false);
        std::map<std::uint64_t, const Request*> by_data;
        for (const Request& each : trace.requests) {
            EXPECT_TRUE(by_data.emplace(each.user_data, &each).second) << "twice: " << testing::PrintToString(each);
        }
        std::uint64_t unseen = 0;
        for (const HistoryRequest& expected : history.requests()) {
            const auto found = by_data.find(expected.record.user_data);
            const bool known = !expected.lost || expected.reaped_ns != 0;
            EXPECT_EQ(found != by_data.end(), known) << "data " << expected.record.user_data;
            if (found == by_data.end()) {
                continue;
            }
            unseen += expected.lost ? 1 : 0;
            EXPECT_EQ(found->second->completion_seen, !expected.lost);
            EXPECT_EQ(found->second->result, expected.record.result * (expected.queued() ? 1 : 0));
            EXPECT_EQ(found->second->unpaired, expected.lost);
        }
        EXPECT_EQ(trace.tracker.completions_unseen(), unseen);
        EXPECT_EQ(trace.cancels.size(), history.cancels().size());
        EXPECT_FALSE(HasFailure()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace inflight::model::test
