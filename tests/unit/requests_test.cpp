// SPDX-License-Identifier: Apache-2.0
// Requests: how each ends, when it is reaped, and that it is handed out once.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TrackerOptions one_second_to_reap{.reap_wait_ns = second};

std::vector<Outcome> outcomes(const Trace& trace) {
    std::vector<Outcome> all;
    for (const Request& each : trace.requests) {
        all.push_back(each.outcome);
    }
    return all;
}

// ---- what a request carries

TEST(Requests, CarryWhatTheRecordSays) {
    Trace trace;
    auto record = request(the_iocb).op(IOCB_CMD_PWRITEV).submit(10).complete(35, 512);
    record.call_id = 77;
    record.buffer = 0xb0f;
    record.length = 3;
    record.offset = 1 << 20;
    record.rw_flags = 2;
    record.aio_flags = 1;
    record.ioprio = 4;
    record.resfd = 9;
    record.user_data = 0xdada;
    record.uid = 1000;
    record.cgroup_id = 5;
    record.result2 = 1;
    record.completer_pid = 8;
    record.completer_tid = 9;
    trace.feed(context().created(1), record);
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    const Request& got = trace.requests[0];
    EXPECT_EQ(got.tier, Tier::fentry);
    EXPECT_EQ(got.outcome, Outcome::completed);
    EXPECT_EQ(got.kernel_address, record.kiocb);
    EXPECT_EQ(got.context_id, the_context);
    EXPECT_EQ(got.ctx_id, the_ctx_id);
    EXPECT_EQ(got.address, the_iocb);
    EXPECT_EQ(got.call_id, 77U);
    EXPECT_EQ(got.opcode, IOCB_CMD_PWRITEV);
    EXPECT_EQ(got.origin, Origin::kernel);
    EXPECT_EQ(got.fd, 3);
    EXPECT_EQ(got.buffer, 0xb0fU);
    EXPECT_EQ(got.length, 3U);
    EXPECT_EQ(got.offset, 1 << 20);
    EXPECT_EQ(got.rw_flags, 2U);
    EXPECT_EQ(got.aio_flags, 1U);
    EXPECT_EQ(got.ioprio, 4U);
    EXPECT_EQ(got.resfd, 9U);
    EXPECT_EQ(got.user_data, 0xdadaU);
    EXPECT_EQ(got.pid, the_pid);
    EXPECT_EQ(got.tid, the_tid);
    EXPECT_EQ(got.uid, 1000U);
    EXPECT_EQ(got.cgroup_id, 5U);
    EXPECT_EQ(got.comm, "worker");
    EXPECT_EQ(got.completer_pid, 8U);
    EXPECT_EQ(got.completer_tid, 9U);
    EXPECT_EQ(got.submit_ns, 10U);
    EXPECT_EQ(got.complete_ns, 35U);
    EXPECT_EQ(got.latency_ns(), 25U);
    EXPECT_EQ(got.reap_ns, std::nullopt);
    EXPECT_EQ(got.result, 512);
    EXPECT_EQ(got.result2, 1);
    EXPECT_TRUE(got.completion_exact);
    EXPECT_TRUE(got.completion_seen);
    EXPECT_FALSE(got.existed || got.unpaired || got.synchronous || got.compat || got.context_dead || got.poll_cancelled);
}

TEST(Requests, SayWhereTheIocbWasRead) {
    Trace trace;
    auto from_user = request(1).submit(1).complete(2);
    from_user.flags = 0;
    auto unread = request(2).submit(1).complete(3);
    unread.flags = IFL_REQ_IOCB_UNREAD | IFL_REQ_OP_UNKNOWN;
    trace.feed(from_user, unread, request(3).existed().complete(4));
    trace.finish(10);
    ASSERT_THAT(trace.requests, SizeIs(3));
    EXPECT_EQ(trace.requests[0].origin, Origin::user);
    EXPECT_FALSE(trace.requests[0].completion_exact);
    EXPECT_EQ(trace.requests[1].origin, Origin::unknown);
    EXPECT_EQ(trace.requests[1].opcode, std::nullopt);
    EXPECT_EQ(trace.requests[2].origin, Origin::kernel);
}

TEST(Requests, FlagsBecomeFields) {
    Trace trace;
    trace.feed(request(1).submit(1).complete(2).flag(IFL_REQ_SYNC | IFL_REQ_COMPAT));
    trace.finish(10);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_TRUE(trace.requests[0].synchronous);
    EXPECT_TRUE(trace.requests[0].compat);
}

TEST(Requests, ACommOfSixteenLettersHasNoNul) {
    Trace trace;
    auto record = request(1).submit(1).complete(2);
    std::fill(std::begin(record.comm), std::end(record.comm), 'x');
    trace.feed(record);
    trace.finish(10);
    EXPECT_EQ(trace.requests.at(0).comm, std::string(IFL_COMM_BYTES, 'x'));
}

TEST(Requests, FileIsTheOneOfTheRecordsBefore) {
    Trace trace;
    trace.feed(file(40, {"t.ibd", "data"}), file(41, {"u.ibd", "data"}), request(1).submit(1).complete(2).file(40),
               request(2).submit(1).complete(2).file(41), request(3).submit(1).complete(2).file(42));
    trace.finish(10);
    ASSERT_THAT(trace.requests, SizeIs(3));
    EXPECT_EQ(trace.requests[0].file->name, "/data/t.ibd");
    EXPECT_EQ(trace.requests[1].file->name, "/data/u.ibd");
    EXPECT_EQ(trace.requests[2].file, nullptr);
}

// ---- outcomes

TEST(Outcomes, OfACompletion) {
    Trace trace;
    trace.feed(context().created(1), request(1).submit(2).complete(3, 4096), request(2).submit(2).complete(4, 0),
               request(3).submit(2).complete(5, -EIO));
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::completed, Outcome::completed, Outcome::failed));
    EXPECT_EQ(trace.requests[2].error(), EIO);
    EXPECT_EQ(trace.requests[0].error(), 0);
}

TEST(Outcomes, APollThatIoCancelTookIsCancelled) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(5, 6),
               request(the_iocb).poll().submit(2).complete(8, 0).cancelled());
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::cancelled));
}

// Records of two CPUs: the worker's completion may come before the call that caused it has returned.
TEST(Outcomes, ACancelledPollMayBeSeenBeforeItsCancel) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).poll().submit(2).complete(6, 0).cancelled(),
               accepted_cancel(the_iocb).span(5, 8));
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::cancelled));
}

TEST(Outcomes, ACancelledPollWhoseCallWasLostIsCancelledAllTheSame) {
    Trace trace;
    trace.feed(context().created(1), request(the_iocb).poll().submit(2).complete(8, 0).cancelled());
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::cancelled));
}

TEST(Outcomes, AnEventThatFiredAgainstACancelCompletes) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(5, 6),
               request(the_iocb).poll().submit(2).complete(8, 1).cancelled());
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::completed));
}

TEST(Outcomes, IoDestroyAbandons) {
    Trace trace;
    trace.feed(context().created(1), request(1).poll().submit(2).complete(8, 0).cancelled().context_dead(),
               request(2).submit(2).complete(8, 4096).context_dead(), context().destroyed(9));
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::abandoned, Outcome::abandoned));
}

TEST(Outcomes, ACancelBeforeIoDestroyIsACancel) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(1).span(5, 6),
               request(1).poll().submit(2).complete(8, 0).cancelled().context_dead(), context().destroyed(9));
    trace.finish(10);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::cancelled));
}

// From 6.16 the process's end is told before its memory goes, and with that its contexts; before, after it.
TEST(Outcomes, ProcessExitAbandonsOnOldAndNewKernels) {
    for (const bool exit_first : {true, false}) {
        Trace trace;
        const auto abandoned = request(1).poll().submit(2).complete(8, 0).cancelled().context_dead();
        trace.feed(context().created(1));
        if (exit_first) {
            trace.feed(process_exit(7), abandoned);
        } else {
            trace.feed(abandoned, process_exit(9));
        }
        EXPECT_THAT(trace.requests, SizeIs(1)) << "handed out at once: nobody will reap it";
        trace.finish(10);
        EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::abandoned));
    }
}

TEST(Outcomes, InFlightAtTheEnd) {
    Trace trace;
    trace.feed(context().created(1), request(1).poll().submit(2).in_flight(20), final_snapshot(20));
    trace.tracker.finish(20);
    ASSERT_THAT(outcomes(trace), ElementsAre(Outcome::in_flight));
    EXPECT_EQ(trace.requests[0].complete_ns, std::nullopt);
    EXPECT_EQ(trace.requests[0].latency_ns(), std::nullopt);
    EXPECT_EQ(trace.requests[0].error(), 0);
}

TEST(Outcomes, OneThatExistedBefore) {
    Trace trace;
    trace.feed(context().found(1), request(1).poll().existed().complete(8, 1));
    trace.finish(10);
    ASSERT_THAT(outcomes(trace), ElementsAre(Outcome::completed));
    EXPECT_TRUE(trace.requests[0].existed);
    EXPECT_EQ(trace.requests[0].submit_ns, std::nullopt);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 0U);
}

TEST(Outcomes, OneWhoseSubmissionShouldHaveBeenSeenIsCounted) {
    Trace trace;
    trace.feed(context().created(1), request(1).complete(8, 1).flag(IFL_REQ_UNPAIRED));
    trace.finish(10);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_TRUE(trace.requests[0].unpaired);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 1U);
}

TEST(Outcomes, OfAContextThatIsNotKnown) {
    Trace trace;
    trace.feed(request(1).in(0).submit(2).complete(8, 1));
    EXPECT_THAT(trace.requests, SizeIs(1)) << "no event can be matched with it: nothing to wait for";
    trace.finish(10);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(Outcomes, ACompletionWithoutATimeTakesTheRecords) {
    Trace trace;
    auto record = request(1).submit(2).complete(8, 1);
    record.complete_ns = 0;
    trace.feed(context().created(1), record);
    trace.tracker.advance(2 * second);
    trace.finish(3 * second);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].complete_ns, 8U);
}

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
    trace.tracker.advance(3 * second);
    trace.finish(4 * second);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::abandoned));
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
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
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512, 1).event(the_iocb, 512, 2).event(the_iocb, 1024, 2),
               request(the_iocb).data(2).submit(2).complete(13, 1024));
    ASSERT_THAT(trace.requests, SizeIs(1));
    trace.feed(request(the_iocb).data(2).submit(3).complete(14, 512), request(the_iocb).data(1).submit(4).complete(15, 512));
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

TEST(EarlyReaping, IsNotForgottenWithItsContext) {
    Trace trace;
    trace.feed(context().created(1), reaped(11).event(the_iocb, 512), context().destroyed(20));
    trace.tracker.advance(10 * second);
    trace.finish(11 * second);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

// ---- addresses that are used again

TEST(Reuse, OfAnIocbAThousandTimes) {
    Trace trace;
    trace.feed(context().created(1));
    for (std::uint64_t i = 1; i <= 1000; i++) {
        trace.feed(request(the_iocb).submit(100 * i).complete(100 * i + 10, 512), reaped(100 * i + 20).event(the_iocb, 512));
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
