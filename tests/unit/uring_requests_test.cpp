// SPDX-License-Identifier: Apache-2.0
// io_uring requests: what their records say, how they ended, when their CQEs were taken.
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(UringRequests, CarryWhatTheRecordSays) {
    UringTrace trace;
    auto record = uring(1).submit(10).complete(30, 512).file(4);
    record.sqe_field(uring::sqe_addr_at, std::uint64_t{0x7000})
        .sqe_field(uring::sqe_len_at, std::uint32_t{4096})
        .sqe_field(uring::sqe_off_at, std::uint64_t{8192})
        .sqe_field(uring::sqe_op_flags_at, std::uint32_t{2})
        .sqe_field(uring::sqe_ioprio_at, std::uint16_t{3});
    record.punt_ns = 12;
    record.punts = 1;
    record.call_id = 77;
    record.completer_pid = 55;
    trace.feed(ring().created(1), file(4, {"t.ibd", "data", "/"}), record);
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    const Request& got = trace.requests[0];
    EXPECT_EQ(got.family, Family::uring);
    EXPECT_EQ(got.tier, Tier::tracepoint);
    EXPECT_EQ(got.outcome, Outcome::completed);
    EXPECT_EQ(got.ctx_id, 5U);
    EXPECT_EQ(got.opcode, read_op);
    EXPECT_EQ(got.origin, Origin::user);
    EXPECT_EQ(got.buffer, 0x7000U);
    EXPECT_EQ(got.length, 4096U);
    EXPECT_EQ(got.offset, 8192);
    EXPECT_EQ(got.rw_flags, 2U);
    EXPECT_EQ(got.ioprio, 3U);
    EXPECT_EQ(got.user_data, 0x101U);
    EXPECT_TRUE(got.user_data_known);
    EXPECT_EQ(got.file->name, "/data/t.ibd");
    EXPECT_EQ(got.submit_ns, 10U);
    EXPECT_EQ(got.complete_ns, 30U);
    EXPECT_EQ(got.result, 512);
    EXPECT_EQ(got.call_id, 77U);
    EXPECT_EQ(got.completer_pid, 55U);
    ASSERT_TRUE(got.uring);
    EXPECT_EQ(got.uring->request_id, 1U);
    EXPECT_TRUE(got.uring->sqe_known);
    EXPECT_EQ(got.uring->punt_ns, 12U);
    EXPECT_FALSE(got.uring->worker_ns);
    EXPECT_EQ(got.uring->cqe_count, 1U);
    EXPECT_EQ(got.uring->cqe_bytes, 512U);
    EXPECT_EQ(got.uring->cause, EndCause::none);
}

TEST(UringRequests, ARefusedSqeSaysWhyAlsoWhereItsCqeWasNotSeen) {
    UringTrace trace;
    auto seen = uring(1).submit(10).complete(11, -EINVAL).flag(IFL_UREQ_PREP_FAILED);
    seen.prep_error = -EINVAL;
    auto unseen = uring(2).submit(20).unseen(30).flag(IFL_UREQ_PREP_FAILED);
    unseen.prep_error = -EOPNOTSUPP;
    auto nonsense = uring(3).submit(40).unseen(50).flag(IFL_UREQ_PREP_FAILED);
    nonsense.prep_error = -123456;
    trace.feed(ring().created(1), seen, unseen, nonsense);
    trace.finish(1'000'000'000);
    ASSERT_THAT(trace.requests, SizeIs(3));
    std::ranges::sort(trace.requests, {}, [](const Request& each) { return each.uring->request_id; });
    EXPECT_EQ(trace.requests[0].uring->prep_error, EINVAL);
    EXPECT_EQ(trace.requests[1].uring->prep_error, EOPNOTSUPP);
    EXPECT_EQ(trace.requests[1].outcome, Outcome::failed);
    EXPECT_EQ(trace.requests[1].result, -EOPNOTSUPP);
    EXPECT_TRUE(trace.requests[1].result_known);
    EXPECT_FALSE(trace.requests[1].completion_seen) << "its completion is missing all the same";
    EXPECT_EQ(trace.requests[2].uring->prep_error, 0);
    EXPECT_FALSE(trace.requests[2].result_known);
}

TEST(UringRequests, ABriefRecordSaysTheSameAsAWholeOne) {
    UringTrace of_brief;
    UringTrace of_whole;
    auto record = uring(1).submit(10).complete(30, 512);
    record.task_works = 2;
    record.task_work_ns = 20;
    record.completer_pid = the_pid;
    record.completer_tid = the_tid;
    of_brief.feed(ring().created(1), BriefRecord(record));
    set_comm(record.completer_comm, "worker");
    of_whole.feed(ring().created(1), record);
    of_brief.finish(100);
    of_whole.finish(100);
    ASSERT_THAT(of_brief.requests, SizeIs(1));
    ASSERT_THAT(of_whole.requests, SizeIs(1));
    const Request& brief = of_brief.requests[0];
    const Request& whole = of_whole.requests[0];
    EXPECT_EQ(brief.result, 512);
    EXPECT_EQ(brief.complete_ns, whole.complete_ns);
    EXPECT_EQ(brief.outcome, whole.outcome);
    ASSERT_TRUE(brief.uring);
    EXPECT_EQ(brief.uring->completer_comm, "worker");
    EXPECT_EQ(brief.uring->completer_comm, whole.uring->completer_comm);
    EXPECT_EQ(brief.uring->task_works, 2U);
    EXPECT_FALSE(brief.uring->punt_ns);
    EXPECT_FALSE(brief.uring->arm_ns);
    EXPECT_EQ(brief.uring->punts, 0U);
}

TEST(UringRequests, ABriefRecordOfOneInFlightNamesNoCompleter) {
    UringTrace trace;
    trace.feed(ring().created(1), BriefRecord(uring(1).submit(10).in_flight(90)));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].uring->completer_comm, "");
}

TEST(UringRequests, TheKernelsOwnArgumentsGoBeforeTheSqe) {
    UringTrace trace;
    auto record = uring(1).submit(10).complete(30, 512).flag(IFL_UREQ_KERNEL_RW);
    record.k_address = 0x9000;
    record.k_length = 100;
    record.k_offset = 55;
    auto unread = uring(2).submit(10).complete(30, 0).flag(IFL_UREQ_SQE_UNREAD);
    unread.sqe_field(uring::sqe_len_at, std::uint32_t{4096});
    trace.feed(ring().created(1), record, unread);
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].origin, Origin::kernel);
    EXPECT_EQ(trace.requests[0].buffer, 0x9000U);
    EXPECT_EQ(trace.requests[0].length, 100U);
    EXPECT_EQ(trace.requests[0].offset, 55);
    EXPECT_EQ(trace.requests[1].origin, Origin::unknown);
    EXPECT_EQ(trace.requests[1].length, 0U);
    EXPECT_FALSE(trace.requests[1].uring->sqe_known);
}

TEST(UringRequests, WithoutASubmitterAreTheRingOwners) {
    UringTrace trace;
    auto record = uring(1).submit(10).complete(30).flag(IFL_UREQ_SQPOLL);
    record.pid = record.uid = 0;
    record.sq_thread = 33;
    record.comm[0] = '\0';
    trace.feed(ring().created(1), record);
    trace.finish(100);
    EXPECT_EQ(trace.requests.at(0).pid, the_pid);
    EXPECT_EQ(trace.requests.at(0).tid, 0U);
    EXPECT_EQ(trace.requests.at(0).uid, 1000U);
    EXPECT_EQ(trace.requests.at(0).comm, "worker");
    EXPECT_EQ(trace.requests.at(0).uring->sq_thread_tid, 33U);
}

TEST(UringRequests, FromBeforeTheTraceAndUnpaired) {
    UringTrace trace;
    trace.feed(ring().found(1), uring(1).submit(0).complete(30).flag(IFL_UREQ_EXISTED),
               uring(2).submit(0).complete(30).flag(IFL_UREQ_UNPAIRED));
    trace.finish(100);
    EXPECT_TRUE(trace.requests.at(0).existed);
    EXPECT_FALSE(trace.requests.at(0).submit_ns);
    EXPECT_TRUE(trace.requests.at(1).unpaired);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 1U);
}

TEST(UringRequests, InFlightAtTheEnd) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).in_flight(90));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::in_flight);
    EXPECT_FALSE(trace.requests[0].complete_ns);
}

TEST(UringRequests, ThatEndWhileTheTableIsReadAreNotInFlight) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).in_flight(90), uring(1).submit(10).complete(92, 1),
               uring(2).submit(11).complete(89, 1), uring(2).submit(11).in_flight(90));
    trace.finish(100);
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::completed, Outcome::completed));
}

// ---- outcomes

struct EndCase {
    const char* what;
    std::uint8_t opcode;
    std::int32_t result;
    std::uint32_t flags;
    Outcome outcome;
    EndCause cause;
};

TEST(UringOutcomes, FollowFromResultAndMoment) {
    const EndCase cases[] = {
        {"zero", read_op, 0, 0, Outcome::completed, EndCause::none},
        {"data", read_op, 512, 0, Outcome::completed, EndCause::none},
        {"error", read_op, -EIO, 0, Outcome::failed, EndCause::none},
        {"interrupted by nobody", read_op, -EINTR, 0, Outcome::failed, EndCause::none},
        {"refused", read_op, -EINVAL, IFL_UREQ_PREP_FAILED, Outcome::failed, EndCause::none},
        {"refused so", read_op, -ECANCELED, IFL_UREQ_PREP_FAILED, Outcome::failed, EndCause::none},
        {"cancelled by nobody", read_op, -ECANCELED, 0, Outcome::cancelled, EndCause::unknown},
        {"ring closed", read_op, -ECANCELED, IFL_UREQ_RING_DYING, Outcome::abandoned, EndCause::ring_closed},
        {"task gone", read_op, -ECANCELED, IFL_UREQ_TASK_EXITING, Outcome::abandoned, EndCause::task_exit},
        {"interrupted at exit", read_op, -EINTR, IFL_UREQ_TASK_EXITING, Outcome::abandoned, EndCause::task_exit},
        {"restart at exit", read_op, -512, IFL_UREQ_RING_DYING, Outcome::abandoned, EndCause::ring_closed},
        {"restart block at exit", read_op, -516, IFL_UREQ_RING_DYING, Outcome::abandoned, EndCause::ring_closed},
        {"error at exit", read_op, -EIO, IFL_UREQ_TASK_EXITING, Outcome::failed, EndCause::none},
        {"data at exit", read_op, 5, IFL_UREQ_TASK_EXITING, Outcome::completed, EndCause::none},
        {"expired", uring::op_timeout, -ETIME, 0, Outcome::completed, EndCause::none},
        {"read says ETIME", read_op, -ETIME, 0, Outcome::failed, EndCause::none},
        {"linked timeout not needed", uring::op_link_timeout, -ECANCELED, 0, Outcome::cancelled,
         EndCause::target_ended},
        {"linked timeout fired", uring::op_link_timeout, -ETIME, 0, Outcome::completed, EndCause::none},
        {"chain broken", read_op, -ECANCELED, IFL_UREQ_LINK_FAILED, Outcome::cancelled, EndCause::link_failed},
    };
    for (const EndCase& each : cases) {
        UringTrace trace;
        trace.feed(ring().created(1), uring(1).op(each.opcode).submit(10).complete(20, each.result).flag(each.flags));
        trace.finish(second);
        ASSERT_THAT(trace.requests, SizeIs(1)) << each.what;
        EXPECT_EQ(trace.requests[0].outcome, each.outcome) << each.what;
        EXPECT_EQ(name(trace.requests[0].uring->cause), name(each.cause)) << each.what;
    }
}

TEST(UringOutcomes, ABrokenChainSaysWhoBrokeIt) {
    UringTrace trace;
    auto record = uring(2).chain(1).submit(11).complete(20, -ECANCELED).flag(IFL_UREQ_LINK_FAILED);
    record.failed_by = 1;
    trace.feed(ring().created(1), record);
    trace.finish(100);
    EXPECT_EQ(trace.requests.at(0).uring->failed_by, 1U);
    EXPECT_EQ(trace.requests.at(0).uring->link_head, 1U);
}

// The head asked for no CQE and failed: the kernel takes the rest of the chain along without a word.
TEST(UringOutcomes, AChainMayBreakWithoutCqes) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(20, -EBADF).sqe_flag(uring::sqe_cqe_skip_success),
               uring(2).chain(1).submit(11).unseen(50).flag(IFL_UREQ_LINK_FAILED));
    trace.finish(5'000'000'000);
    ASSERT_THAT(trace.requests, SizeIs(2));
    const Request& rest = trace.requests[1];
    EXPECT_EQ(rest.outcome, Outcome::cancelled);
    EXPECT_EQ(rest.uring->cause, EndCause::link_failed);
    EXPECT_TRUE(rest.uring->cqe_skipped);
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(UringOutcomes, ASuccessWithoutACqueueEntryIsNoLoss) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).unseen(50).sqe_flag(uring::sqe_cqe_skip_success),
               uring(2).submit(10).unseen(50),
               uring(3).submit(10).unseen(50).sqe_flag(uring::sqe_cqe_skip_success).flag(IFL_UREQ_LINK_FAILED));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(3));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::completed);
    EXPECT_TRUE(trace.requests[0].uring->cqe_skipped);
    EXPECT_FALSE(trace.requests[0].result_known);
    EXPECT_FALSE(trace.requests[0].completion_exact);
    EXPECT_TRUE(trace.requests[0].completion_seen);
    EXPECT_EQ(trace.requests[0].uring->cqe_count, 0U);
    EXPECT_FALSE(trace.requests[1].completion_seen);
    EXPECT_FALSE(trace.requests[1].result_known);
    EXPECT_EQ(trace.requests[2].outcome, Outcome::cancelled);
    EXPECT_EQ(trace.requests[2].uring->cause, EndCause::link_failed);
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

// ---- reaping

TEST(UringReaping, IsSeenFromTheHeadOfLaterRecords) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(20).queue(1, 0));
    EXPECT_THAT(trace.requests, IsEmpty());
    trace.feed(uring(2).submit(30).complete(40).queue(2, 1));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].reap_ns, 40U);
    trace.feed(ring().looked_at(60, 2, 2));
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[1].reap_ns, 60U);
}

TEST(UringReaping, PositionsWrapAround) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(20).queue(0xffffffff, 0xfffffffe),
               uring(2).submit(10).complete(21).queue(0, 0xfffffffe), uring(3).submit(10).complete(30).queue(1, 0));
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[1].reap_ns, 30U);
}

TEST(UringReaping, AHeadThatCannotBeIsNotBelieved) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(20).queue(1, 0),
               uring(2).submit(10).complete(21).queue(2, 77), uring(3).submit(10).complete(22).queue(3, 3 - 1000U));
    EXPECT_THAT(trace.requests, IsEmpty());
}

TEST(UringReaping, RecordsInDisorderKeepTheOrderOfTheRing) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(2).submit(10).complete(21).queue(2, 0),
               uring(1).submit(10).complete(20).queue(1, 0), uring(3).submit(10).complete(30).queue(3, 1));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].uring->request_id, 1U);
}

TEST(UringReaping, IsNotWaitedForForEver) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(20).queue(1, 0));
    trace.tracker.advance(second);
    EXPECT_THAT(trace.requests, IsEmpty());
    trace.tracker.advance(second + 21);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_FALSE(trace.requests[0].reap_ns);
}

TEST(UringReaping, EndsWithTheRingOrItsProcess) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(20).queue(1, 0), ring().destroyed(30),
               uring(2).submit(10).complete(31, -ECANCELED).flag(IFL_UREQ_RING_DYING));
    EXPECT_THAT(outcomes(trace), ElementsAre(Outcome::completed, Outcome::abandoned));
    UringTrace other;
    other.feed(ring().created(1), uring(1).submit(10).complete(20).queue(1, 0), process_exit(30));
    EXPECT_THAT(other.requests, SizeIs(1));
}

// ---- details

TEST(UringDetails, BelongToTheirRequest) {
    UringTrace trace;
    auto record = uring(1).submit(10).complete(20);
    record.details = 2;
    auto poor = uring(2).submit(10).complete(20);
    poor.details = 2;
    trace.feed(ring().created(1), DetailRecord(1, IFL_DETAIL_PATH, "/etc/passwd"),
               DetailRecord(1, IFL_DETAIL_OPEN_HOW, "abc"), DetailRecord(2, IFL_DETAIL_PATH, "/x"), record, poor);
    trace.finish(100);
    const UringPart& part = *trace.requests.at(0).uring;
    ASSERT_TRUE(part.detail(IFL_DETAIL_PATH));
    EXPECT_EQ(part.detail(IFL_DETAIL_PATH)->bytes, "/etc/passwd");
    EXPECT_FALSE(part.details_lost);
    EXPECT_TRUE(trace.requests.at(1).uring->details_lost);
}

TEST(UringDetails, OfAnySizeAreSafe) {
    UringTrace trace;
    DetailRecord claims_more(1, IFL_DETAIL_PATH, "ab");
    claims_more.bytes_count = 1U << 30U;
    DetailRecord headless(1, IFL_DETAIL_PATH, "ab");
    headless.header.size_bytes = 30;
    DetailRecord unreadable(1, IFL_DETAIL_ADDRESS, "ab");
    unreadable.state = IFL_READ_FAULT;
    trace.feed(ring().created(1), claims_more, headless, unreadable, uring(1).submit(10).complete(20));
    trace.finish(100);
    const UringPart& part = *trace.requests.at(0).uring;
    ASSERT_THAT(part.details, SizeIs(2));
    EXPECT_EQ(part.details[0].bytes, "ab");
    EXPECT_TRUE(part.details[0].truncated);
    EXPECT_FALSE(part.details[1].readable);
    EXPECT_EQ(part.details[1].bytes, "");
}

// ---- calls

TEST(UringCalls, BecomeEventsWithDetails) {
    UringTrace trace({.events_wanted = 1U << IFL_IO_URING_SETUP});
    trace.feed(DetailRecord(900, IFL_DETAIL_PARAMS, "params"), CallRecord(IFL_IO_URING_SETUP).id(900).span(10, 20),
               CallRecord(IFL_IO_URING_ENTER).span(10, 20));
    ASSERT_THAT(trace.events, SizeIs(1));
    EXPECT_EQ(trace.events[0].family, Family::uring);
    ASSERT_THAT(trace.events[0].details, SizeIs(1));
    EXPECT_EQ(trace.events[0].details[0].bytes, "params");
}

TEST(UringCalls, ASlowSubmissionIsAFinding) {
    UringTrace trace;
    auto enter = CallRecord(IFL_IO_URING_ENTER).span(0, 20 * ms);
    trace.feed(enter);  // nothing to submit
    trace.feed(enter.argument(1, 8).argument(2, 1));
    EXPECT_THAT(trace.findings, IsEmpty()) << "it waited for a completion";
    trace.feed(enter.argument(2, 0));
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].code, "slow-submit");
    EXPECT_THAT(trace.findings[0].message, HasSubstr("io_uring_enter blocked for 20.0 ms"));
}

// ---- the finding that is made here

TEST(UringReuse, OfUserDataInFlightIsFoundOnce) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).data(7).submit(10).complete(30), uring(2).data(7).submit(20).complete(40),
               uring(3).data(7).submit(35).complete(50), uring(4).data(8).submit(10).complete(30),
               uring(5).data(8).submit(31).complete(40), uring(6).data(0).submit(10).complete(30),
               uring(7).data(0).submit(10).complete(30));
    trace.finish(100);
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].code, "user-data-reuse");
    EXPECT_EQ(trace.findings[0].severity, Severity::info);
    EXPECT_EQ(trace.findings[0].time_ns, 20U);
}

TEST(UringReuse, IsWorseWhereACancelNamesIt) {
    UringTrace trace;
    trace.feed(ring().created(1), async_cancel(9, 7).submit(12).complete(13, -ENOENT),
               uring(1).data(7).submit(10).complete(30), uring(2).data(7).submit(20).complete(40));
    trace.finish(100);
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].severity, Severity::warn);
}

}  // namespace
}  // namespace inflight::model::test
