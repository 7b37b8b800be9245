// SPDX-License-Identifier: Apache-2.0
// What is in flight, as the table of the kernel side shows it now and then.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(Snapshots, AreWantedWhileACancelIsUnexplained) {
    Trace trace;
    trace.feed(context().created(1));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
    trace.feed(cancel(the_iocb).span(10, 11));
    EXPECT_TRUE(trace.tracker.wants_snapshot());
    trace.feed(snapshot(20));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
    EXPECT_THAT(trace.cancels, SizeIs(1));
}

TEST(Snapshots, OneThatIsOlderThanTheCallExplainsNothing) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(10, 25), snapshot(25));
    EXPECT_TRUE(trace.tracker.wants_snapshot());
    EXPECT_THAT(trace.cancels, IsEmpty());
    trace.feed(snapshot(26));
    EXPECT_THAT(trace.cancels, SizeIs(1));
}

TEST(Snapshots, InTheMiddleHandNothingOut) {
    Trace trace;
    trace.feed(context().created(1), request(1).submit(2).in_flight(20), snapshot(20));
    EXPECT_THAT(trace.requests, IsEmpty());
    trace.feed(request(1).submit(2).complete(30, 512), reaped(31).event(1, 512));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
}

// The look takes a while: what ends meanwhile is among the copies and has a record of its end, before or after them.
// The kernel address of an fsync is known at its end only, where the hooks are at functions.
TEST(Snapshots, ARequestThatCompletesMeanwhileHasCompleted) {
    for (const std::uint64_t address_in_table : {0x1000, 0}) {
        for (const bool copies_first : {true, false}) {
            Trace trace;
            const auto copy = request(1).fsync().kernel_address(address_in_table).submit(2).in_flight(18);
            const auto end = request(1).fsync().kernel_address(0x1000).submit(2).complete(copies_first ? 19 : 17, 0);
            trace.feed(context().created(1));
            copies_first ? trace.feed(copy, end) : trace.feed(end, copy);
            trace.feed(final_snapshot(20));
            trace.tracker.finish(20);
            ASSERT_THAT(trace.requests, SizeIs(1)) << address_in_table << copies_first;
            EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
        }
    }
}

TEST(Snapshots, AnFsyncThatCompletesLaterIsNoLongerInFlight) {
    Trace trace;
    trace.feed(context().created(1), request(1).fsync().kernel_address(0).submit(2).in_flight(20), snapshot(20),
               request(1).fsync().submit(2).complete(30, 0));
    trace.tracker.finish(40);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
}

TEST(Snapshots, AreForgottenWithTheNextOne) {
    Trace trace;
    trace.feed(context().created(1), request(1).submit(2).in_flight(20), snapshot(20), final_snapshot(30));
    trace.tracker.finish(30);
    EXPECT_THAT(trace.requests, IsEmpty()) << "its end was lost: it is not in flight any more";
}

TEST(Snapshots, WithoutAFinalOneTheLastIsTheBestThatIsKnown) {
    Trace trace;
    trace.feed(context().created(1), request(1).poll().submit(2).in_flight(20), request(2).submit(3).in_flight(20),
               snapshot(20), request(2).submit(3).complete(30, 512));
    trace.tracker.finish(40);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
    EXPECT_EQ(trace.requests[1].outcome, Outcome::in_flight);
}

TEST(Snapshots, ShowOneThatExistedBefore) {
    Trace trace;
    trace.feed(context().found(1), request(1).poll().existed().in_flight(20), snapshot(20),
               request(1).poll().existed().complete(30, 1), final_snapshot(40));
    trace.tracker.finish(40);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
}

TEST(Snapshots, OneIocbTwiceInFlight) {
    Trace trace;
    trace.feed(context().created(1), request(1).kernel_address(1).submit(2).in_flight(20),
               request(1).kernel_address(2).submit(3).in_flight(20), snapshot(20),
               request(1).kernel_address(2).submit(3).complete(30, 512));
    trace.tracker.finish(40);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].submit_ns, 3U);
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
    EXPECT_EQ(trace.requests[1].submit_ns, 2U);
    EXPECT_EQ(trace.requests[1].outcome, Outcome::in_flight);
}

}  // namespace
}  // namespace inflight::model::test
