// SPDX-License-Identifier: Apache-2.0
// Cancel attempts as they come in records: what each did, and to which request.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<Verdict> verdicts(const Trace& trace) {
    std::vector<Verdict> all;
    for (const Cancel& each : trace.cancels) {
        all.push_back(each.verdict);
    }
    return all;
}

RequestRecord cancelled_poll(std::uint64_t iocb) {
    return request(iocb).poll().cancelled();
}

// ---- the eight verdicts, one history each

TEST(Cancels, CarryWhatTheCallSays) {
    Trace trace;
    auto record = cancel(the_iocb).span(20, 23);
    record.task.uid = 1000;
    record.task.cgroup_id = 5;
    trace.feed(context().created(1), record);
    trace.finish(100);
    ASSERT_THAT(trace.cancels, SizeIs(1));
    const Cancel& got = trace.cancels[0];
    EXPECT_EQ(got.tier, Tier::fentry);
    EXPECT_EQ(got.call_id, record.call_id);
    EXPECT_EQ(got.start_ns, 20U);
    EXPECT_EQ(got.end_ns, 23U);
    EXPECT_EQ(got.pid, the_pid);
    EXPECT_EQ(got.tid, the_tid);
    EXPECT_EQ(got.uid, 1000U);
    EXPECT_EQ(got.comm, "worker");
    EXPECT_EQ(got.cgroup_id, 5U);
    EXPECT_EQ(got.ctx_id, the_ctx_id);
    EXPECT_EQ(got.context_id, the_context);
    EXPECT_EQ(got.address, the_iocb);
    EXPECT_EQ(got.result_address, 0x9000U);
    EXPECT_EQ(got.ret, -EINVAL);
}

TEST(Cancels, APendingPollIsCancelled) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21));
    EXPECT_THAT(trace.cancels, IsEmpty()) << "what became of it is not known yet";
    trace.feed(cancelled_poll(the_iocb).submit(10).complete(25, 0));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled));
    EXPECT_TRUE(trace.cancels[0].certain);
    ASSERT_TRUE(trace.cancels[0].target);
    EXPECT_EQ(trace.cancels[0].target->submit_ns, 10U);
    EXPECT_EQ(trace.cancels[0].target->outcome, Outcome::cancelled);
    trace.finish(100);
    EXPECT_THAT(trace.cancels, SizeIs(1));
}

TEST(Cancels, ThePollMayCompleteBeforeTheCallReturns) {
    Trace trace;
    trace.feed(context().created(1), cancelled_poll(the_iocb).submit(10).complete(22, 0),
               accepted_cancel(the_iocb).span(20, 24));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled));
    EXPECT_EQ(trace.cancels[0].target->outcome, Outcome::cancelled);
    trace.finish(100);
    EXPECT_THAT(trace.cancels, SizeIs(1));
}

TEST(Cancels, AnEventThatHadFiredWasFirst) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).poll().submit(10).complete(20, 1),
               cancel(the_iocb).span(5020, 5030), snapshot(6000));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_EQ(trace.cancels[0].completed_before_ns, 5000U);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("5.00 µs before; its event was still to be reaped"));
}

TEST(Cancels, AnEventThatWasReapedWasFirst) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).poll().submit(10).complete(20, 1), reaped(25).event(the_iocb, 1),
               cancel(the_iocb).span(5020, 5030), snapshot(6000));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("5.00 µs before and its event was reaped"));
    EXPECT_EQ(trace.cancels[0].target->reap_ns, 25U);
}

TEST(Cancels, AReadInFlightCannotBeCancelled) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), request(the_iocb).submit(10).in_flight(50),
               snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::not_cancellable));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_EQ(trace.cancels[0].target->outcome, Outcome::in_flight);
}

TEST(Cancels, AReadThatEndsAfterTheCallCouldNotBeCancelled) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), request(the_iocb).submit(10).complete(30, 512),
               snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::not_cancellable));
    EXPECT_EQ(trace.cancels[0].target->result, 512);
}

TEST(Cancels, ASecondOneFindsItCancelled) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(1020, 1021),
               cancelled_poll(the_iocb).submit(10).complete(1025, 0), cancel(the_iocb).span(3020, 3021),
               snapshot(5000));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::already_cancelled));
    EXPECT_TRUE(trace.cancels[1].certain);
    EXPECT_THAT(trace.cancels[1].reason, HasSubstr("2.00 µs before"));
    EXPECT_EQ(trace.cancels[1].target->submit_ns, 10U);
}

TEST(Cancels, AnIocbThatWasNeverSubmitted) {
    Trace trace;
    trace.feed(context().created(1), request(1).submit(2).complete(3), cancel(the_iocb).span(20, 21), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_FALSE(trace.cancels[0].target);
}

TEST(Cancels, AnIocbOfAnotherContextIsUnknown) {
    Trace trace;
    trace.feed(context(7).created(1), context(8).created(1).user_id(0x8000),
               request(the_iocb).in(8).submit(2).complete(3), cancel(the_iocb).span(20, 21),
               request(the_iocb).in(8).submit(4).in_flight(50), snapshot(50));
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
}

TEST(Cancels, AnIocbThatIsSubmittedLaterIsUnknown) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), request(the_iocb).poll().submit(30).complete(40, 1),
               request(the_iocb).submit(41).in_flight(50), snapshot(50));
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
}

TEST(Cancels, ABadKeyAndABadPointerNeedNoSnapshot) {
    Trace trace;
    auto unreadable = cancel(0).span(30, 31).returns(-EFAULT);
    unreadable.key_state = IFL_READ_NULL;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21).key(7), unreadable);
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::bad_key, Verdict::bad_pointer));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
}

// ---- the same iocb, several times in flight

TEST(CancelTwins, EachCancelTakesOneAndTheThirdFindsNone) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21),
               cancelled_poll(the_iocb).kernel_address(1).submit(10).complete(22, 0),
               accepted_cancel(the_iocb).span(30, 31),
               cancelled_poll(the_iocb).kernel_address(2).submit(11).complete(32, 0), cancel(the_iocb).span(40, 41),
               snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::cancelled, Verdict::already_cancelled));
    EXPECT_EQ(trace.cancels[0].target->kernel_address, 1U);
    EXPECT_EQ(trace.cancels[1].target->kernel_address, 2U);
    trace.finish(100);
    EXPECT_THAT(trace.requests, SizeIs(2));
}

TEST(CancelTwins, BothCancelsBeforeBothCompletions) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21), accepted_cancel(the_iocb).span(30, 31),
               cancel(the_iocb).span(40, 41), cancelled_poll(the_iocb).kernel_address(1).submit(10).complete(42, 0),
               cancelled_poll(the_iocb).kernel_address(2).submit(11).complete(43, 0), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::cancelled, Verdict::already_cancelled));
    EXPECT_NE(trace.cancels[0].target->kernel_address, trace.cancels[1].target->kernel_address);
}

TEST(CancelTwins, BothCompletionsBeforeBothCalls) {
    Trace trace;
    trace.feed(context().created(1), cancelled_poll(the_iocb).kernel_address(1).submit(10).complete(22, 0),
               cancelled_poll(the_iocb).kernel_address(2).submit(11).complete(23, 0),
               accepted_cancel(the_iocb).span(20, 24), accepted_cancel(the_iocb).span(21, 25));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::cancelled));
    EXPECT_NE(trace.cancels[0].target->kernel_address, trace.cancels[1].target->kernel_address);
}

TEST(CancelTwins, BothStillInFlightAtTheEnd) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21), accepted_cancel(the_iocb).span(30, 31),
               request(the_iocb).poll().kernel_address(1).submit(10).in_flight(50),
               request(the_iocb).poll().kernel_address(2).submit(11).in_flight(50), final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::cancelled));
    ASSERT_TRUE(trace.cancels[0].target && trace.cancels[1].target);
    EXPECT_EQ(trace.cancels[0].target->kernel_address, 1U) << "the kernel takes the oldest";
    EXPECT_EQ(trace.cancels[1].target->kernel_address, 2U);
    EXPECT_THAT(trace.requests, SizeIs(2));
}

TEST(CancelTwins, AReadOfTheSameIocbIsNotWhatWasTaken) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21),
               request(the_iocb).kernel_address(1).submit(9).in_flight(50),
               request(the_iocb).poll().kernel_address(2).submit(10).in_flight(50), final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled));
    ASSERT_TRUE(trace.cancels[0].target);
    EXPECT_EQ(trace.cancels[0].target->opcode, IOCB_CMD_POLL);
}

TEST(CancelTwins, ASuccessorThatCompletedIsNotAlreadyCancelled) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21),
               cancelled_poll(the_iocb).submit(10).complete(22, 0), request(the_iocb).poll().submit(30).complete(35, 1),
               cancel(the_iocb).span(40, 41), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::completed_first));
    EXPECT_EQ(trace.cancels[1].target->submit_ns, 30U);
}

// ---- races

TEST(CancelRaces, AcceptedButTheEventFires) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21),
               cancelled_poll(the_iocb).submit(10).complete(25, 1), cancel(the_iocb).span(40, 41), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first, Verdict::completed_first));
    EXPECT_EQ(trace.cancels[0].target->outcome, Outcome::completed);
    EXPECT_EQ(trace.cancels[1].completed_before_ns, 15U);
}

TEST(CancelRaces, ThePollCompletesDuringTheCall) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).poll().submit(10).complete(25, 1), cancel(the_iocb).span(20, 30),
               snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_EQ(trace.cancels[0].completed_before_ns, 0U);
}

TEST(CancelRaces, TheCompletionIsOnItsWay) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), request(the_iocb).poll().submit(10).complete(25, 1),
               snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("came 5 ns after the call began"));
}

TEST(CancelRaces, ThePollIsInFlightAndYetWasNotOnTheList) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), request(the_iocb).poll().submit(10).in_flight(50),
               snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first));
    EXPECT_FALSE(trace.cancels[0].certain);
}

TEST(CancelRaces, TheSnapshotComesBeforeTheTargetCompletes) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21), cancel(the_iocb).span(30, 31),
               request(the_iocb).poll().submit(10).in_flight(35), snapshot(35));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::already_cancelled))
        << "the first waits for what becomes of its target";
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_TRUE(trace.tracker.wants_snapshot());
    trace.feed(cancelled_poll(the_iocb).submit(10).complete(40, 0), snapshot(50));
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::already_cancelled, Verdict::cancelled));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::cancelled);
}

// The first call returns after the second, which comes first in the order of records.
TEST(CancelRaces, TheFirstCancelReturnsLast) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(22, 23), accepted_cancel(the_iocb).span(20, 30),
               request(the_iocb).poll().submit(10).in_flight(35), snapshot(35));
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::already_cancelled));
}

TEST(CancelRaces, ACancelThatCameLaterExplainsNothing) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), accepted_cancel(the_iocb).span(30, 31),
               cancelled_poll(the_iocb).submit(10).complete(33, 0), snapshot(50));
    ASSERT_THAT(trace.cancels, SizeIs(2));
    EXPECT_NE(trace.cancels[1].verdict, Verdict::already_cancelled);
}

TEST(CancelRaces, TheTargetIsStillInFlightAtTheEnd) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21), cancel(the_iocb).span(30, 31),
               request(the_iocb).poll().submit(10).in_flight(50), final_snapshot(50));
    trace.tracker.finish(50);
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled, Verdict::already_cancelled));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("its event has not been queued yet"));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::in_flight);
}

TEST(CancelRaces, TheTargetsEndIsNeverSeen) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21));
    trace.finish(100);
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled));
    EXPECT_FALSE(trace.cancels[0].certain);
    EXPECT_FALSE(trace.cancels[0].target);
}

TEST(CancelRaces, TheContextIsDestroyedMeanwhile) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 30).unflag(IFL_CALL_CTX_AT_EXIT),
               context().destroyed(29), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
    EXPECT_FALSE(trace.cancels[0].certain);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("the context was destroyed meanwhile"));
}

TEST(CancelRaces, AContextIsKeptUntilItsCancelsAreExplained) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).poll().submit(10).complete(15, 1), cancel(the_iocb).span(20, 21),
               context().destroyed(25));
    trace.tracker.advance(10 * second);
    trace.feed(snapshot(10 * second));
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first));
}

// ---- what may not have been seen

TEST(CancelCertainty, TheContextIsOlderThanTheTrace) {
    Trace trace;
    trace.feed(context().found(1), cancel(the_iocb).span(20, 21), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
    EXPECT_FALSE(trace.cancels[0].certain);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("since the trace began"));
}

TEST(CancelCertainty, APollOlderThanTheTraceIsFound) {
    Trace trace;
    trace.feed(context().found(1), accepted_cancel(the_iocb).span(20, 21),
               request(the_iocb).poll().existed().cancelled().complete(25, 0));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_TRUE(trace.cancels[0].target->existed);
}

TEST(CancelCertainty, RecordsWereLost) {
    Trace trace;
    trace.tracker.note_losses();
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
    EXPECT_FALSE(trace.cancels[0].certain);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("records were lost or forgotten"));
}

TEST(CancelCertainty, TooManyIocbsToRemember) {
    Trace trace({.history_limit = 8});
    trace.feed(context().created(1));
    for (std::uint64_t i = 0; i < 20; i++) {
        trace.feed(request(100 + i).submit(10 + 2 * i).complete(11 + 2 * i));
    }
    trace.feed(cancel(119).span(70, 71), cancel(100).span(72, 73), snapshot(80));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::completed_first, Verdict::unknown_request));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_FALSE(trace.cancels[1].certain);
}

// A pool of iocbs that fits is remembered, however often each is used.
TEST(CancelCertainty, FewIocbsOftenUsedAreRemembered) {
    Trace trace({.history_limit = 8});
    trace.feed(context().created(1));
    for (std::uint64_t i = 0; i < 400; i++) {
        trace.feed(request(100 + i % 4).submit(10 + 2 * i).complete(11 + 2 * i));
    }
    trace.feed(cancel(999).span(2000, 2001), snapshot(3000));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
    EXPECT_TRUE(trace.cancels[0].certain);
}

TEST(CancelCertainty, TheKeyCouldNotBeRead) {
    Trace trace;
    auto unread = cancel(the_iocb).span(20, 21);
    unread.key_state = IFL_READ_FAULT;
    trace.feed(context().created(1), unread, snapshot(50));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
    EXPECT_FALSE(trace.cancels[0].certain);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("aio_key could not be read"));
}

// ---- calls that are no cancels

TEST(CancelCalls, InProgressOrWithoutAReturnAreNoAttempts) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21).flag(IFL_CALL_IN_PROGRESS),
               cancel(the_iocb).span(20, 21).flag(IFL_CALL_EXIT_MISSED));
    trace.finish(100);
    EXPECT_THAT(trace.cancels, IsEmpty());
}

TEST(CancelCalls, OfX32AreNotExplained) {
    Trace trace;
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21).no_context(the_ctx_id).flag(IFL_CALL_NOT_DECODED));
    trace.finish(100);
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_NE(trace.cancels[0].verdict, Verdict::bad_context) << "nobody looked for the context";
    EXPECT_FALSE(trace.cancels[0].certain);
}

TEST(CancelCalls, EachIsHandedOutOnce) {
    Trace trace;
    trace.feed(context().created(1));
    for (std::uint64_t i = 0; i < 100; i++) {
        trace.feed(cancel(i).span(20 + i, 21 + i));
        if (i % 7 == 0) {
            trace.feed(snapshot(22 + i));
        }
    }
    trace.finish(1000);
    EXPECT_THAT(trace.cancels, SizeIs(100));
}

}  // namespace
}  // namespace inflight::model::test
