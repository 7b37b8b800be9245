// SPDX-License-Identifier: Apache-2.0
// What is kept is bounded, and what that leaves out is counted; nothing is told twice because of it.
#include "capture/sorter.hpp"
#include "model/queue.hpp"
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// What the table still has of a ring comes half a second after its end, or later.
TEST(Limits, AnEndThatAnOverflowedCqeToldIsNotToldAgainWhenItsRingIsForgotten) {
    UringTrace trace;
    trace.feed(ring().created(1), last_cqe(20, 7).overflowed());
    trace.feed(uring(1).data(7).submit(10).in_flight(30), snapshot(31), ring().destroyed(40));
    ASSERT_THAT(trace.requests, SizeIs(1));
    trace.tracker.advance(5 * second);
    trace.feed(uring(1).data(7).submit(10).unseen(6 * second).flag(IFL_UREQ_RING_DYING));
    trace.finish(20 * second);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(Limits, RingsAndContextsBeyondTheLimitAreLeftOutAndCounted) {
    TrackerOptions options;
    options.contexts_limit = 2;
    UringTrace trace(options);
    trace.feed(ring(1).created(1), ring(2).created(2), ring(3).created(3));
    trace.feed(context(4).created(4), context(5).created(5), context(6).created(6));
    trace.feed(uring(1).in(3).submit(7).complete(8));
    EXPECT_EQ(trace.tracker.records_left_out(), 3U);
    EXPECT_THAT(trace.contexts, SizeIs(4));
    trace.feed(ring(1).destroyed(10));
    trace.tracker.advance(5 * second);
    trace.feed(ring(3).created(6 * second));
    EXPECT_THAT(trace.contexts, SizeIs(6)) << "one that is gone makes room for another";
}

TEST(Limits, AQueueGivesItsValuesInOrderAndCanTakeOneNearItsEnd) {
    Queue<int> queue;
    EXPECT_TRUE(queue.empty());
    for (int i = 0; i < 1000; i++) {
        queue.push_back(i);
    }
    for (int i = 0; i < 990; i++) {
        ASSERT_EQ(queue.take_front(), i);
    }
    queue.insert_before_last(2, -1);
    queue.insert_before_last(100, -2);
    queue.erase_if([](int value) { return value > 990 && value < 998; });
    std::vector<int> rest;
    while (!queue.empty()) {
        rest.push_back(queue.take_front());
    }
    EXPECT_THAT(rest, ElementsAre(-2, 990, -1, 998, 999));
}

TEST(Limits, ASorterStopsWhenItIsToldToAndGoesOnLater) {
    capture::Sorter sorter;
    for (std::uint64_t i = 0; i < 10; i++) {
        sorter.add(process_exit(100 + i).header);
    }
    EXPECT_EQ(sorter.waiting_bytes(), 10 * sizeof(ifl_process_exit));
    std::vector<std::uint64_t> times;
    const auto keep = [&times](const ifl_header& record) { times.push_back(record.time_ns); };
    EXPECT_FALSE(sorter.release(108, keep, [&times] { return times.size() < 3; }));
    EXPECT_THAT(times, ElementsAre(100, 101, 102));
    EXPECT_TRUE(sorter.release(108, keep, [] { return true; }));
    EXPECT_THAT(times, SizeIs(8));
    EXPECT_EQ(sorter.waiting_bytes(), 2 * sizeof(ifl_process_exit));
    EXPECT_TRUE(sorter.release(1000, keep, [] { return false; }) || times.size() == 9);
}

}  // namespace
}  // namespace inflight::model::test
