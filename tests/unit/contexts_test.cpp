// SPDX-License-Identifier: Apache-2.0
// Contexts from their making to their end, and how long they are remembered.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__)
// sanitizer/allocator_interface.h, which not every package of the compiler has
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace inflight::model::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::size_t allocated_bytes() {
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

// Keeps nothing, so that what is allocated is the tracker's.
class Forgetful final : public Sink {
public:
    void on_request(const Request&) override { requests++; }
    void on_cancel(const Cancel&) override {}
    void on_event(const Event&) override {}
    void on_context(const Context&) override {}
    void on_finding(const Finding&) override {}
    std::uint64_t requests = 0;
};

// How much more is allocated after the second half of `rounds` than after the first.
template <typename Round>
std::ptrdiff_t growth(Tracker& tracker, std::uint64_t rounds, Round round) {
    std::size_t half = 0;
    for (std::uint64_t i = 1; i <= rounds; i++) {
        if (i == rounds / 2) {
            half = allocated_bytes();
        }
        round(tracker, i);
    }
    return static_cast<std::ptrdiff_t>(allocated_bytes()) - static_cast<std::ptrdiff_t>(half);
}

// ---- what is told

TEST(Contexts, Created) {
    Trace trace;
    auto record = context().created(5);
    record.uid = 1000;
    trace.feed(record);
    ASSERT_THAT(trace.contexts, SizeIs(1));
    const Context& got = trace.contexts[0];
    EXPECT_EQ(got.change, ContextChange::created);
    EXPECT_EQ(got.time_ns, 5U);
    EXPECT_EQ(got.created_ns, 5U);
    EXPECT_EQ(got.destroyed_ns, std::nullopt);
    EXPECT_EQ(got.context_id, the_context);
    EXPECT_EQ(got.ctx_id, the_ctx_id);
    EXPECT_EQ(got.pid, the_pid);
    EXPECT_EQ(got.uid, 1000U);
    EXPECT_EQ(got.comm, "worker");
    EXPECT_EQ(got.capacity, the_capacity);
    EXPECT_EQ(got.max_requests, 16U);
}

TEST(Contexts, Found) {
    Trace trace;
    trace.feed(context().found(5));
    ASSERT_THAT(trace.contexts, SizeIs(1));
    EXPECT_EQ(trace.contexts[0].change, ContextChange::found);
    EXPECT_EQ(trace.contexts[0].created_ns, std::nullopt);
}

TEST(Contexts, Destroyed) {
    Trace trace;
    auto end = context().destroyed(9);
    end.created_ns = 5;
    end.submitted = 20;
    end.completed = 19;
    end.in_flight = 1;
    end.in_flight_max = 7;
    trace.feed(context().created(5), end);
    ASSERT_THAT(trace.contexts, SizeIs(2));
    const Context& got = trace.contexts[1];
    EXPECT_EQ(got.change, ContextChange::destroyed);
    EXPECT_EQ(got.created_ns, 5U);
    EXPECT_EQ(got.destroyed_ns, 9U);
    EXPECT_FALSE(got.by_exit);
    EXPECT_EQ(got.submitted, 20U);
    EXPECT_EQ(got.completed, 19U);
    EXPECT_EQ(got.in_flight, 1U);
    EXPECT_EQ(got.in_flight_max, 7U);
}

TEST(Contexts, DestroyedByExitAreThoseOfTheProcess) {
    Trace trace;
    trace.feed(context(7).created(5), context(8).created(5), context(9).created(5).of(200), process_exit(10));
    ASSERT_THAT(trace.contexts, SizeIs(5));
    for (const std::size_t i : {3U, 4U}) {
        EXPECT_EQ(trace.contexts[i].change, ContextChange::destroyed);
        EXPECT_EQ(trace.contexts[i].pid, the_pid);
        EXPECT_TRUE(trace.contexts[i].by_exit);
        EXPECT_EQ(trace.contexts[i].destroyed_ns, 10U);
    }
}

TEST(Contexts, DestroyedOnesDoNotGoAgainWithTheProcess) {
    Trace trace;
    trace.feed(context().created(5), context().destroyed(7), process_exit(10));
    ASSERT_THAT(trace.contexts, SizeIs(2));
    EXPECT_FALSE(trace.contexts[1].by_exit);
}

TEST(Contexts, AtTheEnd) {
    Trace trace;
    auto end = context().counted(90);
    end.submitted = 4;
    trace.feed(context().created(5), end);
    trace.finish(100);
    ASSERT_THAT(trace.contexts, SizeIs(2));
    EXPECT_EQ(trace.contexts[1].change, ContextChange::at_end);
    EXPECT_EQ(trace.contexts[1].created_ns, 5U);
    EXPECT_EQ(trace.contexts[1].submitted, 4U);
}

// The kernel side hears of no single context when a process ends: its counters are read then and come just before.
TEST(Contexts, OfAProcessThatEndedHaveTheirCounters) {
    Trace trace;
    auto counters = context().at(IFL_CONTEXT_COUNTERS, 9);
    counters.created_ns = 5;
    counters.submitted = 4;
    counters.in_flight = 1;
    trace.feed(context().created(5), counters, process_exit(10));
    ASSERT_THAT(trace.contexts, SizeIs(2));
    EXPECT_EQ(trace.contexts[1].change, ContextChange::destroyed);
    EXPECT_TRUE(trace.contexts[1].by_exit);
    EXPECT_EQ(trace.contexts[1].submitted, 4U);
    EXPECT_EQ(trace.contexts[1].in_flight, 0U) << "no request outlives the memory of its process";
    EXPECT_EQ(trace.contexts[1].created_ns, 5U);
}

TEST(Contexts, OfAProcessThatEndedAreNotThereAtTheEnd) {
    Trace trace;
    trace.feed(context().created(5), process_exit(10), context().counted(20));
    trace.finish(30);
    ASSERT_THAT(trace.contexts, SizeIs(2));
    EXPECT_EQ(trace.contexts[1].change, ContextChange::destroyed);
}

TEST(Contexts, TheNextProcessOfThatNumberHasItsOwn) {
    Trace trace;
    trace.feed(context(7).created(5), process_exit(10), context(8).created(20),
               request(the_iocb).in(8).submit(21).complete(22, 512), reaped(23, 8).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].context_id, 8U);
    EXPECT_EQ(trace.requests[0].reap_ns, 23U);
    trace.feed(context(8).counted(90));
    trace.finish(100);
    EXPECT_EQ(trace.contexts.back().change, ContextChange::at_end);
    EXPECT_FALSE(trace.contexts.back().by_exit);
}

TEST(Contexts, TheSameCtxIdAfterDestroyIsAnotherContext) {
    Trace trace;
    trace.feed(context(7).created(1), request(the_iocb).in(7).submit(2).complete(3, 512), context(7).destroyed(5),
               context(8).created(6), request(the_iocb).in(8).submit(7).complete(8, 512),
               reaped(9, 8).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].context_id, 7U);
    EXPECT_EQ(trace.requests[0].reap_ns, std::nullopt);
    EXPECT_EQ(trace.requests[1].context_id, 8U);
    EXPECT_EQ(trace.requests[1].reap_ns, 9U);
}

TEST(Contexts, ARequestMayComeAfterTheEndOfItsContext) {
    Trace trace;
    trace.feed(context().created(1), context().destroyed(5), request(the_iocb).submit(2).complete(3, 512));
    EXPECT_THAT(trace.requests, SizeIs(1));
    trace.tracker.advance(10 * second);
    trace.feed(request(2).submit(2).complete(4, 512));
    trace.finish(11 * second);
    EXPECT_THAT(trace.requests, SizeIs(2));
}

TEST(Contexts, WithoutARecordOfTheirMaking) {
    Trace trace;
    trace.feed(request(the_iocb).submit(2).complete(3, 512), reaped(5).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].reap_ns, 5U);
    EXPECT_THAT(trace.contexts, IsEmpty());
}

// ---- how much is remembered

constexpr std::ptrdiff_t little = 64 * 1024;

TEST(Memory, OfContextsThatAreGone) {
    Forgetful sink;
    Tracker tracker({}, sink);
    const auto grown = growth(tracker, 40'000, [](Tracker& each, std::uint64_t i) {
        const auto time = i * 10 * ms;
        each.on_record(context(i).created(time).header);
        each.on_record(request(1).in(i).submit(time + 1).complete(time + 2, 512).header);
        if (i % 2 == 0) {
            each.on_record(context(i).destroyed(time + 3).header);
        } else {
            each.on_record(process_exit(time + 3).header);
        }
        each.advance(time + 4);
    });
    EXPECT_LT(grown, little);
    EXPECT_EQ(sink.requests, 40'000U);
}

TEST(Memory, OfRequestsThatWereReaped) {
    Forgetful sink;
    Tracker tracker({.history_limit = 64}, sink);
    tracker.on_record(context().created(1).header);
    const auto grown = growth(tracker, 40'000, [](Tracker& each, std::uint64_t i) {
        const auto time = i * us;
        each.on_record(request(i % 1000).submit(time).complete(time + 1, 512).header);
        each.on_record(reaped(time + 2).event(i % 1000, 512).header);
        each.advance(time);
    });
    EXPECT_LT(grown, little);
    EXPECT_EQ(sink.requests, 40'000U);
}

TEST(Memory, OfRequestsThatAreReapedInUserSpace) {
    Forgetful sink;
    Tracker tracker({.history_limit = 64}, sink);
    tracker.on_record(context().created(1).header);
    const auto grown = growth(tracker, 40'000, [](Tracker& each, std::uint64_t i) {
        const auto time = i * us;
        each.on_record(request(i % 1000).submit(time).complete(time + 1, 512).header);
        each.advance(time);
    });
    EXPECT_LT(grown, little);
}

// One event that was taken without a call must not hold back all that come after it.
TEST(Memory, OfRequestsBehindOneThatWasReapedInUserSpace) {
    Forgetful sink;
    Tracker tracker({.history_limit = 64}, sink);
    tracker.on_record(context().created(1).header);
    tracker.on_record(request(5000).submit(2).complete(3, 512).header);
    const auto grown = growth(tracker, 40'000, [](Tracker& each, std::uint64_t i) {
        const auto time = i * us;
        each.on_record(request(i % 1000).submit(time).complete(time + 1, 512).header);
        each.on_record(reaped(time + 2).event(i % 1000, 512).header);
        each.advance(time);
    });
    EXPECT_LT(grown, little);
}

TEST(Memory, OfCancels) {
    Forgetful sink;
    Tracker tracker({.history_limit = 64}, sink);
    tracker.on_record(context().created(1).header);
    const auto grown = growth(tracker, 20'000, [](Tracker& each, std::uint64_t i) {
        const auto time = i * us;
        each.on_record(cancel(i % 100).span(time, time + 1).header);
        each.on_record(snapshot(time + 2).header);
        each.advance(time);
    });
    EXPECT_LT(grown, little);
}

TEST(Memory, OfEventsWhoseCallWasLost) {
    Forgetful sink;
    Tracker tracker({.events_wanted = 1U << IFL_IO_GETEVENTS}, sink);
    tracker.on_record(context().found(1).header);
    const auto grown = growth(tracker, 20'000, [](Tracker& each, std::uint64_t i) {
        const auto time = i * ms;
        each.on_record(reaped(time, 0).event(i % 100).of_call(i).header);
        each.advance(time);
    });
    EXPECT_LT(grown, little);
}

}  // namespace
}  // namespace inflight::model::test
