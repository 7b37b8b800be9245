// SPDX-License-Identifier: Apache-2.0
// When a request's event is reaped, in whatever order the records of it come; and addresses that are used again.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TrackerOptions one_second_to_reap{.reap_wait_ns = second};

// ---- reaping

TEST(Reaping, ByIoGetevents) {
    Trace trace(one_second_to_reap);
    trace.feed(context().created(1), request(the_iocb).submit(2).complete(8, 512));
    EXPECT_THAT(trace.requests, IsEmpty()) << "it waits for its reaping";
    trace.feed(reaped(11).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].reap_ns, 11U);
    EXPECT_EQ(trace.requests[0].complete_ns, 8U);
    trace.finish(100);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(Reaping, LaterThanTheWaitMakesNoSecondRequest) {
    Trace trace(one_second_to_reap);
    trace.feed(context().created(1), request(the_iocb).submit(2).complete(8, 512));
    trace.tracker.advance(second + 8);
    EXPECT_THAT(trace.requests, IsEmpty()) << "not before the wait is over";
    trace.tracker.advance(second + 9);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].reap_ns, std::nullopt);
    trace.feed(reaped(2 * second).event(the_iocb, 512));
    trace.tracker.advance(4 * second);
    trace.finish(5 * second);
    EXPECT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(Reaping, IsTheCallThatTookTheEvent) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).submit(2).complete(8, 512),
               reaped(9).event(the_iocb, 512).of_call(31));
    // Its event was taken before its record came.
    trace.feed(reaped(19).event(the_iocb + 64, 8).of_call(32), request(the_iocb + 64).submit(12).complete(18, 8));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].reap_call_id, 31U);
    EXPECT_EQ(trace.requests[1].reap_call_id, 32U);
}

TEST(Reaping, Never) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).submit(2).complete(8, 512));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].reap_ns, std::nullopt);
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
}

TEST(Reaping, TheEndOfTheContextEndsTheWait) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).submit(2).complete(8, 512), context().destroyed(9));
    EXPECT_THAT(trace.requests, SizeIs(1));
    trace.finish(100);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(Reaping, TheEndOfTheProcessEndsTheWait) {
    Trace trace;
    trace.feed(context().created(1), context(8).created(1).of(200), request(1).submit(2).complete(8, 512),
               request(2).in(8).of(200).submit(2).complete(8, 512), process_exit(9));
    EXPECT_THAT(trace.requests, SizeIs(1)) << "of that process only";
    trace.finish(100);
    EXPECT_THAT(trace.requests, SizeIs(2));
}

// A program may take events from the ring without a call. Then the room of the ring says what must have been taken.
TEST(Reaping, InUserSpaceIsBoundByTheRing) {
    Trace trace(one_second_to_reap);
    trace.feed(context().created(1).room(4));
    for (std::uint64_t i = 0; i < 10; i++) {
        trace.feed(request(100 + i).submit(10 * i + 10).complete(10 * i + 15, 512));
    }
    ASSERT_THAT(trace.requests, SizeIs(6));
    EXPECT_EQ(trace.requests[0].address, 100U) << "the oldest first";
    EXPECT_EQ(trace.requests[5].address, 105U);
    EXPECT_EQ(trace.requests[0].reap_ns, std::nullopt);
    trace.feed(reaped(200).event(106, 512));
    EXPECT_THAT(trace.requests, SizeIs(7));
    EXPECT_EQ(trace.requests.back().reap_ns, 200U);
    trace.finish(1000);
    EXPECT_THAT(trace.requests, SizeIs(10));
}

TEST(Reaping, SeveralInOneCall) {
    Trace trace;
    trace.feed(context().created(1), request(1).submit(2).complete(8, 512), request(2).submit(2).complete(9, -EIO),
               reaped(11).event(2, -EIO).event(1, 512));
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].address, 2U);
    EXPECT_EQ(trace.requests[1].reap_ns, 11U);
}

// An io_getevents that waits while another thread destroys the context may still return events of what was abandoned.
TEST(Reaping, OfAnAbandonedRequestMakesNoSecondOne) {
    Trace trace;
    trace.feed(context().created(1), request(1).poll().submit(2).complete(8, 0).cancelled().context_dead(),
               reaped(9).event(1, 0), context().destroyed(10));
    trace.finish(20);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::abandoned));
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

// Records of two CPUs may change places: an event is never that of a request that was submitted after it was reaped.
TEST(Reaping, IsNotOfARequestThatWasSubmittedLater) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).submit(13).complete(14, 512), reaped(12).event(the_iocb, 512),
               request(the_iocb).submit(2).complete(10, 512), reaped(20).event(the_iocb, 512));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].submit_ns, 2U);
    EXPECT_EQ(trace.requests[0].reap_ns, 12U);
    EXPECT_EQ(trace.requests[1].submit_ns, 13U);
    EXPECT_EQ(trace.requests[1].reap_ns, 20U);
}

// The kernel side cuts a record of few events short.
TEST(Reaping, OfARecordThatEndsAfterItsLastEvent) {
    std::vector<std::uint64_t> buffer((offsetof(ifl_io_events, events) + 2 * sizeof(ifl_io_event)) / 8);
    auto record = reaped(11).event(1, 512).event(2, 512);
    record.header.size_bytes = static_cast<ifl_u32>(buffer.size() * 8);
    for (const std::uint32_t count : {2U, 3U, 32U, 0xffffffffU}) {
        record.count = count;
        std::memcpy(buffer.data(), &record, record.header.size_bytes);
        Trace trace;
        trace.feed(context().created(1), request(1).submit(2).complete(8, 512), request(2).submit(2).complete(9, 512));
        trace.tracker.on_record(*reinterpret_cast<const ifl_header*>(buffer.data()));
        EXPECT_THAT(trace.requests, SizeIs(2));
    }
}

TEST(Reaping, OfMoreEventsThanARecordHoldsReadsNoFurther) {
    Trace trace;
    auto record = reaped(11).event(1, 512);
    record.count = 0xffffffff;
    trace.feed(context().created(1), request(1).submit(2).complete(8, 512), record);
    trace.finish(100);
    EXPECT_GE(trace.requests.size(), 1U);
}

// ---- the event before its completion's record: the tracepoint tier sees the free that follows

TEST(EarlyReaping, CompletionComesLater) {
    Trace trace;
    auto late = request(the_iocb).submit(2).complete(12, 512).tier(IFL_TIER_TRACEPOINT);
    late.flags = 0;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512));
    EXPECT_THAT(trace.requests, IsEmpty());
    trace.feed(late);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].reap_ns, 11U);
    EXPECT_EQ(trace.requests[0].complete_ns, 11U) << "it cannot have completed after its event was reaped";
    EXPECT_FALSE(trace.requests[0].completion_exact);
    EXPECT_TRUE(trace.requests[0].completion_seen);
    trace.finish(100);
    EXPECT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(EarlyReaping, CompletionNeverSeenIsCounted) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, -EIO, 0xdada));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    const Request& got = trace.requests[0];
    EXPECT_FALSE(got.completion_seen);
    EXPECT_FALSE(got.completion_exact);
    EXPECT_EQ(got.outcome, Outcome::failed);
    EXPECT_EQ(got.complete_ns, 11U);
    EXPECT_EQ(got.reap_ns, 11U);
    EXPECT_EQ(got.user_data, 0xdadaU);
    EXPECT_EQ(got.pid, the_pid);
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 1U);
}

TEST(EarlyReaping, CompletionNeverSeenOfARequestInTheSnapshot) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512), request(the_iocb).submit(2).in_flight(50),
               final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(trace.requests, SizeIs(1)) << "it has ended: not in flight too";
    EXPECT_EQ(trace.requests[0].submit_ns, 2U);
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
    EXPECT_FALSE(trace.requests[0].completion_seen);
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 0U);
}

TEST(EarlyReaping, OfOneThatCompletedBeforeTheTraceIsNotOurs) {
    Trace trace;
    trace.feed(context().found(10), reaped(11).event(the_iocb, 512));
    trace.finish(100);
    EXPECT_THAT(trace.requests, IsEmpty());
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(EarlyReaping, IsNotTakenByTheNextRequestOfThatIocb) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512), request(the_iocb).submit(20).complete(25, 512),
               reaped(30).event(the_iocb, 512));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].submit_ns, 20U);
    EXPECT_EQ(trace.requests[0].complete_ns, 25U);
    EXPECT_EQ(trace.requests[0].reap_ns, 30U);
    EXPECT_EQ(trace.requests[1].reap_ns, 11U);
    EXPECT_FALSE(trace.requests[1].completion_seen);
}

TEST(EarlyReaping, TellsRequestsOfOneIocbApartByDataAndResult) {
    Trace trace;
    trace.feed(context().created(1),
               reaped(11).event(the_iocb, 512, 1).event(the_iocb, 512, 2).event(the_iocb, 1024, 2),
               request(the_iocb).data(2).submit(2).complete(13, 1024));
    ASSERT_THAT(trace.requests, SizeIs(1));
    trace.feed(request(the_iocb).data(2).submit(3).complete(14, 512),
               request(the_iocb).data(1).submit(4).complete(15, 512));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(3));
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(EarlyReaping, IsNotTakenFromTheSnapshotByALaterRequest) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512), request(the_iocb).submit(20).in_flight(50),
               final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_FALSE(trace.requests[0].completion_seen);
    EXPECT_EQ(trace.requests[0].submit_ns, std::nullopt);
    EXPECT_EQ(trace.requests[1].outcome, Outcome::in_flight);
    EXPECT_EQ(trace.requests[1].submit_ns, 20U);
}

TEST(EarlyReaping, OfSeveralEventsAndRequestsTheOldestBelongTogether) {
    Trace trace;
    trace.feed(context().created(1), reaped(15).event(the_iocb, 512), reaped(11).event(the_iocb, 512),
               request(the_iocb).kernel_address(1).submit(12).in_flight(50),
               request(the_iocb).kernel_address(2).submit(2).in_flight(50), final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].submit_ns, 2U);
    EXPECT_EQ(trace.requests[0].reap_ns, 11U);
    EXPECT_EQ(trace.requests[1].submit_ns, 12U);
    EXPECT_EQ(trace.requests[1].reap_ns, 15U);
}

TEST(EarlyReaping, IsNotTakenFromTheSnapshotByItsTwin) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512, 1),
               request(the_iocb).data(2).submit(5).in_flight(50), final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].user_data, 1U);
    EXPECT_FALSE(trace.requests[0].completion_seen);
    EXPECT_EQ(trace.requests[1].user_data, 2U);
    EXPECT_EQ(trace.requests[1].outcome, Outcome::in_flight);
}

TEST(EarlyReaping, IsNotForgottenWithItsContext) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512), context().destroyed(20));
    trace.tracker.advance(10 * second);
    trace.finish(11 * second);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

// ---- ends that no hook saw: the kernel's memory is another request's now, or an event came without a completion

RequestRecord ended_unseen(std::uint64_t iocb, std::uint64_t submit_ns, std::uint64_t noticed_ns) {
    return request(iocb).submit(submit_ns).complete(noticed_ns).flag(IFL_REQ_END_UNSEEN);
}

TEST(UnseenEnds, AreCountedAndHaveNoResult) {
    Trace trace;
    trace.feed(context().created(1), ended_unseen(the_iocb, 2, 20));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_FALSE(trace.requests[0].completion_seen);
    EXPECT_FALSE(trace.requests[0].result_known);
    EXPECT_EQ(trace.requests[0].submit_ns, 2U);
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

TEST(UnseenEnds, TheEventMayHaveBeenReapedBefore) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, -EIO), ended_unseen(the_iocb, 2, 20));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_TRUE(trace.requests[0].result_known);
    EXPECT_EQ(trace.requests[0].result, -EIO);
    EXPECT_EQ(trace.requests[0].outcome, Outcome::failed);
    EXPECT_EQ(trace.requests[0].complete_ns, 11U);
    EXPECT_EQ(trace.requests[0].reap_ns, 11U);
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

// The memory goes back at the completion, so the next request may have it before the event is reaped.
TEST(UnseenEnds, TheEventMayBeReapedLater) {
    Trace trace;
    trace.feed(context().created(1), ended_unseen(the_iocb, 2, 20), reaped(31).event(the_iocb, -EIO));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::failed);
    EXPECT_EQ(trace.requests[0].result, -EIO);
    EXPECT_EQ(trace.requests[0].complete_ns, 20U);
    EXPECT_EQ(trace.requests[0].reap_ns, 31U);
    trace.finish(100);
    EXPECT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

TEST(UnseenEnds, TakeNoEventWithOtherUserData) {
    Trace trace;
    trace.feed(context().created(1), ended_unseen(the_iocb, 2, 20).data(1),
               request(the_iocb).data(2).submit(19).complete(25, 512), reaped(31).event(the_iocb, 512, 2));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].user_data, 2U);
}

// ---- addresses that are used again

TEST(Reuse, OfAnIocbAThousandTimes) {
    Trace trace;
    trace.feed(context().created(1));
    for (std::uint64_t i = 1; i <= 1000; i++) {
        trace.feed(request(the_iocb).submit(100 * i).complete(100 * i + 10, 512),
                   reaped(100 * i + 20).event(the_iocb, 512));
    }
    trace.finish(second);
    ASSERT_THAT(trace.requests, SizeIs(1000));
    for (std::uint64_t i = 1; i <= 1000; i++) {
        EXPECT_EQ(trace.requests[i - 1].submit_ns, 100 * i);
        EXPECT_EQ(trace.requests[i - 1].reap_ns, 100 * i + 20);
    }
}

// Its events are queued in the order of completion, whatever the order of submission.
TEST(Reuse, OneIocbTwiceInFlightIsReapedInOrderOfCompletion) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).kernel_address(2).submit(3).complete(8, 512),
               request(the_iocb).kernel_address(1).submit(2).complete(9, 512), reaped(11).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].complete_ns, 8U);
    trace.feed(reaped(12).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[1].complete_ns, 9U);
    EXPECT_EQ(trace.requests[1].reap_ns, 12U);
}

TEST(Reuse, OneIocbTwiceInFlightIsToldApartByItsResult) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).kernel_address(1).submit(2).complete(8, 512),
               request(the_iocb).kernel_address(2).submit(3).complete(9, 1024), reaped(11).event(the_iocb, 1024));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].result, 1024);
}

TEST(Reuse, OfTheKernelsAddressForAnotherIocb) {
    Trace trace;
    trace.feed(context().created(1), request(1).kernel_address(0xabc).submit(2).complete(8, 512),
               request(2).kernel_address(0xabc).submit(9).in_flight(20), final_snapshot(20));
    trace.tracker.finish(20);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::completed, Outcome::in_flight));
}

TEST(Reuse, OfTheKernelsAddressForTheSameIocb) {
    Trace trace;
    trace.feed(context().created(1), request(1).kernel_address(0xabc).submit(2).complete(8, 512),
               request(1).kernel_address(0xabc).submit(9).in_flight(20), final_snapshot(20));
    trace.tracker.finish(20);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::completed, Outcome::in_flight));
}

TEST(Reuse, ReapingHasNothingToDoWithOtherContexts) {
    Trace trace;
    trace.feed(context(7).created(1), context(8).created(1), request(the_iocb).in(7).submit(2).complete(8, 512),
               request(the_iocb).in(8).submit(2).complete(9, 512), reaped(11, 8).event(the_iocb, 512));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].context_id, 8U);
}

}  // namespace
}  // namespace inflight::model::test
