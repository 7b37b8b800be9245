// SPDX-License-Identifier: Apache-2.0
// Requests: what each carries and how it ends.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

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
    EXPECT_FALSE(got.existed || got.unpaired || got.synchronous || got.compat || got.context_dead ||
                 got.poll_cancelled);
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

}  // namespace
}  // namespace inflight::model::test
