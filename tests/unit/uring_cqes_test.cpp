// SPDX-License-Identifier: Apache-2.0
// CQEs that the kernel gives no request for: multishot, zero-copy, messages, overflow.
#include "model/statistics.hpp"
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

UringRecord multishot(std::uint64_t id) {
    return uring(id).op(recv_op);
}
UringRecord zero_copy_send(std::uint64_t id) {
    return uring(id).op(uring::op_send_zc);
}

TEST(UringCqes, OfAMultishotRequestBelongToIt) {
    UringTrace trace;
    auto end = multishot(1).submit(10).complete(40, -ENOBUFS);
    end.cqes = 2;
    trace.feed(ring().created(1), multishot(1).submit(10).announced(), more_cqe(20, 0x101, 100),
               more_cqe(30, 0x101, 50).of(1), end);
    ASSERT_THAT(trace.completions, SizeIs(2));
    EXPECT_EQ(trace.completions[0].cqe.result, 100);
    EXPECT_EQ(trace.completions[0].user_data, 0x101U);
    EXPECT_EQ(trace.completions[0].pid, the_pid);
    ASSERT_TRUE(trace.completions[0].request);
    EXPECT_EQ(trace.completions[0].request->uring->request_id, 1U);
    EXPECT_EQ(trace.completions[0].request->outcome, Outcome::in_flight);
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    const UringPart& part = *trace.requests[0].uring;
    EXPECT_TRUE(part.multishot);
    ASSERT_THAT(part.cqes, SizeIs(2));
    EXPECT_EQ(part.cqes[1].result, 50);
    EXPECT_EQ(part.cqe_count, 3U);
    EXPECT_EQ(part.cqe_bytes, 150U);
    EXPECT_EQ(trace.requests[0].outcome, Outcome::failed);
}

TEST(UringCqes, GoToTheYoungestThatWasThere) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).data(7).submit(10).announced(),
               multishot(2).data(7).submit(20).announced(), multishot(3).data(7).submit(60).announced(),
               more_cqe(50, 7));
    ASSERT_THAT(trace.completions, SizeIs(1));
    ASSERT_TRUE(trace.completions[0].request);
    EXPECT_EQ(trace.completions[0].request->uring->request_id, 2U);
}

TEST(UringCqes, ThatComeLateStillBelong) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).submit(10).announced(),
               multishot(1).submit(10).complete(40, 0).queue(3, 0), more_cqe(30, 0x101, 9), more_cqe(50, 0x101, 9));
    ASSERT_THAT(trace.completions, SizeIs(2));
    EXPECT_TRUE(trace.completions[0].request);
    EXPECT_FALSE(trace.completions[1].request) << "that was after its end";
    trace.finish(100);
    EXPECT_THAT(trace.requests.at(0).uring->cqes, SizeIs(1));
}

TEST(UringCqes, AreKeptUpToALimitAndCountedAll) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).submit(10).announced());
    for (std::uint64_t i = 0; i < 300; i++) {
        trace.feed(more_cqe(20 + i, 0x101, 1));
    }
    trace.feed(multishot(1).submit(10).complete(400, 0));
    trace.finish(500);
    EXPECT_THAT(trace.requests.at(0).uring->cqes, SizeIs(UringPart::cqes_kept));
    EXPECT_EQ(trace.requests[0].uring->cqe_count, 301U);
    EXPECT_EQ(trace.requests[0].uring->cqe_bytes, 300U);
}

TEST(UringCqes, AreReapedEachByItself) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).submit(10).announced(), more_cqe(20, 0x101).queue(1, 0),
               more_cqe(30, 0x101).queue(2, 1), multishot(1).submit(10).complete(40).queue(3, 1));
    trace.finish(100);
    EXPECT_EQ(trace.requests.at(0).uring->cqes.at(0).reap_ns, 30U);
    EXPECT_FALSE(trace.requests[0].uring->cqes.at(1).reap_ns);
}

TEST(UringCqes, InFlightRequestsHaveTheirsToo) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).submit(10).announced(), more_cqe(20, 0x101, 4),
               multishot(1).submit(10).in_flight(90));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::in_flight);
    EXPECT_THAT(trace.requests[0].uring->cqes, SizeIs(1));
}

TEST(UringCqes, AnAnnouncedRequestWhoseEndWasLostIsNotSilent) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).submit(10).announced());
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_FALSE(trace.requests[0].completion_seen);
    EXPECT_FALSE(trace.requests[0].result_known);
    EXPECT_EQ(trace.tracker.completions_unseen(), 1U);
}

TEST(UringCqes, AMessageFromAnotherRingHasNoRequest) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).data(7).submit(10).announced(), last_cqe(20, 7, 3), more_cqe(20, 8, 3));
    ASSERT_THAT(trace.completions, SizeIs(2));
    EXPECT_FALSE(trace.completions[0].request);
    EXPECT_FALSE(trace.completions[1].request);
    EXPECT_EQ(trace.completions[0].context_id, the_ring);
}

// ---- zero-copy

TEST(UringZeroCopy, WaitsForItsNotification) {
    UringTrace trace;
    trace.feed(ring().created(1), zero_copy_send(1).submit(10).announced(),
               zero_copy_send(1).submit(10).complete(20, 100).cqe(uring::cqe_more).queue(1, 0),
               ring().looked_at(25, 1, 1));
    EXPECT_THAT(trace.requests, IsEmpty());
    trace.feed(notification(30, 0x101).queue(2, 1));
    trace.tracker.advance(31);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].complete_ns, 20U);
    EXPECT_EQ(trace.requests[0].reap_ns, 25U);
    EXPECT_EQ(trace.requests[0].uring->notified_ns, 30U);
    EXPECT_EQ(trace.requests[0].uring->cqe_count, 2U);
    EXPECT_EQ(trace.requests[0].uring->cqe_bytes, 100U);
    ASSERT_THAT(trace.completions, SizeIs(1));
    EXPECT_TRUE(trace.completions[0].request);
}

TEST(UringZeroCopy, WithoutOneIsHandedOutAfterAWhile) {
    UringTrace trace;
    trace.feed(ring().created(1), zero_copy_send(1).submit(10).announced(),
               zero_copy_send(1).submit(10).complete(20, 100).cqe(uring::cqe_more).queue(1, 0),
               ring().looked_at(25, 1, 1));
    trace.tracker.advance(second + 100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_FALSE(trace.requests[0].uring->notified_ns);
    trace.feed(notification(2 * second, 0x101));
    ASSERT_THAT(trace.completions, SizeIs(1));
    EXPECT_TRUE(trace.completions[0].request) << "late, and known all the same";
    trace.finish(3 * second);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(UringZeroCopy, NotificationsGoToTheOldestFirst) {
    UringTrace trace;
    trace.feed(ring().created(1), zero_copy_send(1).data(7).submit(10).announced(),
               zero_copy_send(2).data(7).submit(11).announced(),
               zero_copy_send(1).data(7).submit(10).complete(20, 5).cqe(uring::cqe_more),
               zero_copy_send(2).data(7).submit(11).complete(21, 5).cqe(uring::cqe_more), notification(30, 7),
               notification(40, 7));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].uring->notified_ns, 30U);
    EXPECT_EQ(trace.requests[1].uring->notified_ns, 40U);
}

// Since Linux 7.1, by sqe.addr3. The other request that has this user_data has nothing to do with it.
TEST(UringZeroCopy, MayHaveANotificationWithAUserDataOfItsOwn) {
    UringTrace trace;
    const auto send = [](std::uint64_t id) {
        return zero_copy_send(id).submit(10 + id).sqe_field(uring::sqe_addr3_at, std::uint64_t{0xbeef});
    };
    trace.feed(ring().created(1), send(1).announced(), zero_copy_send(2).data(0xbeef).submit(20).announced(),
               send(1).complete(30, 100).cqe(uring::cqe_more), notification(40, 0xbeef), notification(50, 0x101));
    ASSERT_THAT(trace.completions, SizeIs(2));
    ASSERT_TRUE(trace.completions[0].request);
    EXPECT_EQ(trace.completions[0].request->user_data, 0x101U);
    EXPECT_FALSE(trace.completions[1].request) << "no notification comes by the user_data of the request";
    trace.feed(zero_copy_send(2).data(0xbeef).submit(20).complete(60, 5).cqe(uring::cqe_more),
               notification(70, 0xbeef));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[0].uring->notified_ns, 40U);
    EXPECT_EQ(trace.requests[1].uring->notified_ns, 70U);
}

TEST(UringCqes, OfThirtyTwoBytesKeepTheirSecondHalf) {
    UringTrace trace;
    CqeRecord big = more_cqe(20, 0x101, 4);
    big.flags |= IFL_UCQE_BIG;
    big.big_cqe[0] = 7;
    big.big_cqe[1] = 8;
    trace.feed(ring().created(1), multishot(1).submit(10).announced(), big, more_cqe(30, 0x101, 4));
    ASSERT_THAT(trace.completions, SizeIs(2));
    EXPECT_EQ(trace.completions[0].cqe.big, (std::array<std::uint64_t, 2>{7, 8}));
    EXPECT_FALSE(trace.completions[1].cqe.big);
}

TEST(UringCqes, OfACommandOf128BytesThatRepeatsItself) {
    UringTrace trace;
    constexpr std::uint32_t multishot_flag = uring::cmd_multishot;
    const auto command = [](std::uint32_t flags) {
        return uring(1).op(uring::op_uring_cmd128).submit(10).sqe_field(uring::sqe_op_flags_at, flags);
    };
    trace.feed(ring().created(1), command(multishot_flag).announced(), more_cqe(20, 0x101),
               command(multishot_flag).complete(30, 0));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_TRUE(trace.requests[0].uring->multishot);
    UringTrace once;
    once.feed(ring().created(1), command(0).announced(), command(0).complete(30, 0));
    once.finish(100);
    EXPECT_FALSE(once.requests.at(0).uring->multishot);
}

TEST(UringZeroCopy, ThatFailsHasNone) {
    UringTrace trace;
    trace.feed(ring().created(1), zero_copy_send(1).submit(10).announced(),
               zero_copy_send(1).submit(10).complete(20, -EPIPE).queue(1, 0), ring().looked_at(25, 1, 1));
    EXPECT_THAT(trace.requests, SizeIs(1));
}

// ---- overflow

TEST(UringOverflow, IsTheEndOfARequestWhoseMemoryIsUsedAgain) {
    UringTrace trace;
    trace.feed(ring().created(1), last_cqe(30, 0x101, 512).overflowed());
    EXPECT_THAT(trace.completions, IsEmpty());
    EXPECT_TRUE(trace.tracker.wants_snapshot());
    trace.feed(uring(1).submit(10).unseen(80));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
    ASSERT_THAT(trace.requests, SizeIs(1));
    const Request& got = trace.requests[0];
    EXPECT_EQ(got.outcome, Outcome::completed);
    EXPECT_EQ(got.result, 512);
    EXPECT_EQ(got.complete_ns, 30U);
    EXPECT_TRUE(got.completion_exact && got.completion_seen && got.result_known);
    EXPECT_TRUE(got.uring->overflowed);
    EXPECT_FALSE(got.reap_ns);
    trace.finish(100);
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(UringOverflow, OfAnotherTimeOrRingIsNotItsEnd) {
    UringTrace trace;
    auto elsewhere = last_cqe(30, 0x101, 512).overflowed();
    elsewhere.context_id = 88;
    trace.feed(ring().created(1), last_cqe(5, 0x101, 1).overflowed(), elsewhere, last_cqe(90, 0x101, 1).overflowed(),
               uring(1).submit(10).unseen(80));
    trace.tracker.advance(100 * ms);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_FALSE(trace.requests[0].result_known);
}

TEST(UringOverflow, MayComeAfterTheRecord) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).unseen(80), last_cqe(30, 0x101, -EIO).overflowed());
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::failed);
    EXPECT_EQ(trace.requests[0].complete_ns, 30U);
    trace.finish(100);
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(UringOverflow, AFailureDoesNotSkipItsCqe) {
    UringTrace trace;
    trace.feed(ring().created(1), last_cqe(30, 0x101, -EIO).overflowed(),
               uring(1).submit(10).unseen(80).sqe_flag(uring::sqe_cqe_skip_success));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_FALSE(trace.requests[0].uring->cqe_skipped);
    EXPECT_EQ(trace.requests[0].result, -EIO);
}

TEST(UringOverflow, IsExplainedByASnapshotAndToldOnce) {
    UringTrace trace;
    trace.feed(ring().created(1), last_cqe(30, 0x101, 512).overflowed(), uring(1).submit(10).in_flight(50),
               snapshot(50));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].complete_ns, 30U);
    EXPECT_TRUE(trace.requests[0].completion_seen);
    EXPECT_TRUE(trace.requests[0].uring->overflowed);
    trace.feed(uring(1).submit(10).in_flight(60), snapshot(60), uring(1).submit(10).unseen(80),
               uring(2).submit(70).memory(uring(1).req).data(0x101).complete(90, 1));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(2));
    EXPECT_EQ(trace.requests[1].uring->request_id, 2U);
}

TEST(UringOverflow, OfSeveralWithOneUserDataEndsTheOldest) {
    UringTrace trace;
    trace.feed(ring().created(1), last_cqe(30, 7, 512).overflowed(), uring(2).data(7).submit(20).in_flight(50),
               uring(1).data(7).submit(10).in_flight(50), uring(3).data(7).submit(40).in_flight(50), snapshot(50));
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].uring->request_id, 1U);
    EXPECT_TRUE(trace.requests[0].completion_exact);
    EXPECT_TRUE(trace.requests[0].end_guessed);
    EXPECT_TRUE(trace.requests[0].completion_seen) << "its CQE was";
}

TEST(UringOverflow, OfATagOrAMessageIsNoRequest) {
    UringTrace trace;
    trace.feed(ring().created(1), last_cqe(30, 100, 0).overflowed(), last_cqe(31, 101, 0).overflowed(), snapshot(50));
    trace.finish(100);
    EXPECT_THAT(trace.requests, IsEmpty());
    EXPECT_THAT(trace.completions, SizeIs(2));
    EXPECT_EQ(trace.tracker.submissions_unseen(), 0U);
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
}

TEST(UringCqes, OfABundleBelongToOneSend) {
    UringTrace trace;
    const auto send = [] { return uring(1).op(uring::op_send).data(7).submit(10); };
    trace.feed(ring().created(1), send().announced(), more_cqe(11, 7, 128), more_cqe(12, 7, 128),
               send().complete(13, 128));
    trace.finish(5'000'000'000);
    ASSERT_THAT(trace.requests, SizeIs(1));
    const UringPart& part = *trace.requests[0].uring;
    EXPECT_FALSE(part.multishot);
    EXPECT_EQ(part.cqe_count, 3U);
    EXPECT_EQ(part.cqe_bytes, 384U);
    EXPECT_EQ(bytes_moved(trace.requests[0]), 384U);
}

TEST(UringOverflow, ThatNothingExplainsIsARequestFromBeforeTheTrace) {
    UringTrace trace;
    trace.feed(ring().found(1), last_cqe(30, 7, 512).overflowed(), snapshot(50));
    EXPECT_FALSE(trace.tracker.wants_snapshot()) << "another look would not help";
    EXPECT_THAT(trace.requests, IsEmpty());
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_TRUE(trace.requests[0].existed);
    EXPECT_FALSE(trace.requests[0].opcode);
    EXPECT_EQ(trace.requests[0].user_data, 7U);
    EXPECT_EQ(trace.requests[0].pid, the_pid);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 0U);
}

TEST(UringOverflow, OfAMultishotRequestThatGoesOnIsOneOfItsCqes) {
    UringTrace trace;
    trace.feed(ring().created(1), multishot(1).submit(10).announced(), more_cqe(20, 0x101, 5).overflowed(),
               last_cqe(30, 0x101, -ECANCELED).overflowed(), multishot(1).submit(10).unseen(80));
    ASSERT_THAT(trace.completions, SizeIs(1));
    EXPECT_TRUE(trace.completions[0].cqe.overflowed);
    EXPECT_TRUE(trace.completions[0].request);
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].result, -ECANCELED);
    EXPECT_THAT(trace.requests[0].uring->cqes, SizeIs(1));
}

TEST(UringOverflow, OfAZeroCopySendEndsItAndTheNotificationFollows) {
    UringTrace trace;
    trace.feed(ring().created(1), zero_copy_send(1).submit(10).announced(), more_cqe(20, 0x101, 5).overflowed(),
               notification(30, 0x101).overflowed(), zero_copy_send(1).submit(10).unseen(80));
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].complete_ns, 20U);
    EXPECT_EQ(trace.requests[0].result, 5);
    EXPECT_EQ(trace.requests[0].uring->notified_ns, 30U);
}

}  // namespace
}  // namespace inflight::model::test
