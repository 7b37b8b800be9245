// SPDX-License-Identifier: Apache-2.0
// Cancels of io_uring: what each did, and to which request.
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t key = 0x42;

// A request that the cancels below look for.
UringRecord target(std::uint64_t id = 1) {
    return uring(id).data(key).submit(10);
}
UringRecord cancel_of_key(std::int32_t result, std::uint32_t flags = 0) {
    return async_cancel(99, key, flags).submit(100).complete(101, result);
}

const Cancel& only(const Trace& trace) {
    static const Cancel none;
    EXPECT_THAT(trace.cancels, SizeIs(1));
    return trace.cancels.empty() ? none : trace.cancels[0];
}

const Request* by_id(const Trace& trace, std::uint64_t id) {
    const auto found =
        std::ranges::find_if(trace.requests, [id](const Request& each) { return each.uring->request_id == id; });
    return found == trace.requests.end() ? nullptr : &*found;
}

TEST(UringCancels, CarryWhatTheRequestSays) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(-EINVAL, 3));
    trace.finish(1000);
    const Cancel& got = only(trace);
    EXPECT_EQ(got.family, Family::uring);
    EXPECT_EQ(got.way, CancelWay::async_cancel);
    EXPECT_EQ(got.call_id, 99U);
    EXPECT_EQ(got.start_ns, 100U);
    EXPECT_EQ(got.end_ns, 101U);
    EXPECT_EQ(got.pid, the_pid);
    EXPECT_EQ(got.context_id, the_ring);
    EXPECT_EQ(got.ctx_id, 5U);
    EXPECT_EQ(got.ret, -EINVAL);
    EXPECT_EQ(got.key.flags, 3U);
    EXPECT_EQ(got.verdict, Verdict::bad_argument);
    EXPECT_THAT(trace.requests, SizeIs(1)) << "it is a request too";
}

TEST(UringCancels, TakeARequestThatEndsAfterThem) {
    for (const std::int32_t result : {-ECANCELED, -EINTR, -512}) {
        UringTrace trace;
        trace.feed(ring().created(1), cancel_of_key(0));
        EXPECT_THAT(trace.cancels, IsEmpty());
        trace.feed(target().complete(105, result));
        const Cancel& got = only(trace);
        EXPECT_EQ(got.verdict, Verdict::cancelled);
        EXPECT_TRUE(got.certain);
        ASSERT_TRUE(got.target);
        EXPECT_EQ(got.target->uring->request_id, 1U);
        EXPECT_EQ(got.key.count, 1U);
        EXPECT_EQ(got.key.matches, 1U);
        trace.finish(1000);
        ASSERT_TRUE(by_id(trace, 1));
        EXPECT_EQ(by_id(trace, 1)->outcome, Outcome::cancelled);
        EXPECT_EQ(by_id(trace, 1)->uring->cause, EndCause::cancel);
        EXPECT_EQ(by_id(trace, 1)->uring->cancelled_by, 99U);
    }
}

TEST(UringCancels, TakeARequestWhoseRecordCameFirst) {
    UringTrace trace;
    trace.feed(ring().created(1), target().complete(100, -ECANCELED).queue(1, 0), ring().looked_at(101, 1, 1),
               cancel_of_key(0).queue(2, 1));
    EXPECT_EQ(only(trace).verdict, Verdict::cancelled);
    trace.finish(1000);
    EXPECT_EQ(by_id(trace, 1)->uring->cause, EndCause::cancel);
    EXPECT_EQ(by_id(trace, 1)->reap_ns, 101U);
}

TEST(UringCancels, ThatCountTakeAsManyAsTheySay) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(2, uring::cancel_all), target(1).complete(105, -ECANCELED));
    EXPECT_THAT(trace.cancels, IsEmpty());
    trace.feed(target(2).submit(11).complete(106, -ECANCELED), target(3).submit(12).complete(107, -ECANCELED));
    const Cancel& got = only(trace);
    EXPECT_EQ(got.verdict, Verdict::cancelled);
    EXPECT_EQ(got.key.count, 2U);
    EXPECT_THAT(got.more_targets, SizeIs(1));
    trace.finish(1000);
    EXPECT_EQ(by_id(trace, 3)->uring->cause, EndCause::unknown);
}

TEST(UringCancels, OfWhichFewerWereSeenSaySo) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(3, uring::cancel_all), target(1).complete(105, -ECANCELED));
    trace.tracker.advance(3 * second);
    const Cancel& got = only(trace);
    EXPECT_EQ(got.verdict, Verdict::cancelled);
    EXPECT_FALSE(got.certain);
    EXPECT_THAT(got.reason, HasSubstr("the kernel says that it cancelled 3"));
}

TEST(UringCancels, WithoutAnyTargetSeenAreNotCertain) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(0));
    trace.tracker.advance(3 * second);
    EXPECT_EQ(only(trace).verdict, Verdict::cancelled);
    EXPECT_FALSE(only(trace).certain);
}

TEST(UringCancels, AreJudgedByTheCqeOfTheTarget) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(0), target().complete(105, 512));
    trace.finish(1000);
    const Cancel& got = only(trace);
    EXPECT_EQ(got.verdict, Verdict::completed_first);
    EXPECT_THAT(got.reason, HasSubstr("accepted the cancel"));
    EXPECT_EQ(by_id(trace, 1)->outcome, Outcome::completed);
}

// ---- ENOENT: what cannot be told apart by the caller

TEST(UringCancels, OfWhatHadCompleted) {
    UringTrace trace;
    trace.feed(ring().created(1), target().complete(40, 512), cancel_of_key(-ENOENT));
    EXPECT_TRUE(trace.tracker.wants_snapshot());
    trace.feed(snapshot(200));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
    const Cancel& got = only(trace);
    EXPECT_EQ(got.verdict, Verdict::completed_first);
    EXPECT_EQ(got.completed_before_ns, 60U);
    EXPECT_TRUE(got.certain);
    EXPECT_EQ(got.key.matches, 0U);
}

TEST(UringCancels, OfWhatIsInFlight) {
    UringTrace trace;
    trace.feed(ring().created(1), file(4, {"disk", "/"}), cancel_of_key(-ENOENT), target().file(4).in_flight(200),
               snapshot(200));
    const Cancel& got = only(trace);
    EXPECT_EQ(got.verdict, Verdict::not_cancellable);
    EXPECT_THAT(got.reason, HasSubstr("disk"));
    EXPECT_EQ(got.key.matches, 1U);
}

TEST(UringCancels, OfWhatEndsLater) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(-ENOENT), target().complete(150, 512), snapshot(200));
    EXPECT_EQ(only(trace).verdict, Verdict::not_cancellable);
    EXPECT_EQ(only(trace).target->result, 512);
}

UringRecord recv_of_64(std::uint64_t id, std::uint32_t msg_flags) {
    return target(id)
        .op(recv_op)
        .sqe_field(uring::sqe_len_at, std::uint32_t{64})
        .sqe_field(uring::sqe_op_flags_at, msg_flags);
}
constexpr std::uint32_t waitall = 0x100;

TEST(UringCancels, LetATransferKeepWhatItHad) {
    for (const bool target_first : {false, true}) {
        UringTrace trace;
        const auto end = recv_of_64(1, waitall).complete(target_first ? 100 : 120, 5);
        trace.feed(ring().created(1));
        target_first ? trace.feed(end, cancel_of_key(0)) : trace.feed(cancel_of_key(0), end);
        trace.finish(1000);
        EXPECT_EQ(only(trace).verdict, Verdict::cancelled);
        EXPECT_TRUE(only(trace).certain);
        EXPECT_THAT(only(trace).reason, HasSubstr("was pending and ended with 5 of 64 bytes"));
        ASSERT_NE(by_id(trace, 1), nullptr);
        EXPECT_EQ(by_id(trace, 1)->outcome, Outcome::cancelled);
        EXPECT_EQ(by_id(trace, 1)->uring->cause, EndCause::cancel);
    }
}

TEST(UringCancels, DoNotTakeATransferThatWasWhole) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(0), recv_of_64(1, waitall).complete(120, 64));
    trace.finish(5'000'000'000);
    EXPECT_EQ(only(trace).verdict, Verdict::completed_first);
    EXPECT_THAT(only(trace).reason, HasSubstr("completed with 64 by itself"));
    EXPECT_EQ(by_id(trace, 1)->outcome, Outcome::completed);
}

TEST(UringCancels, OfAWorkerMayEndATransferShort) {
    for (const std::uint32_t flags : {0U, waitall}) {
        UringTrace trace;
        trace.feed(ring().created(1), cancel_of_key(-EALREADY), recv_of_64(1, flags).complete(120, 5), snapshot(200));
        trace.finish(5'000'000'000);
        EXPECT_EQ(only(trace).verdict, Verdict::running);
        EXPECT_THAT(only(trace).reason, HasSubstr(flags == 0 ? "could not be stopped" : "was interrupted and ended"));
    }
}

TEST(UringCancels, ALinkedTimeoutMayFindAPart) {
    UringTrace trace;
    trace.feed(ring().created(1), recv_of_64(1, waitall).sqe_flag(uring::sqe_io_link).complete(122, 5),
               uring(2).op(uring::op_link_timeout).chain(1).submit(11).complete(121, -ETIME));
    trace.finish(5'000'000'000);
    EXPECT_EQ(only(trace).verdict, Verdict::cancelled);
    EXPECT_EQ(by_id(trace, 1)->uring->cause, EndCause::link_timeout);
}

TEST(UringCancels, OfWhatWasCancelledBefore) {
    UringTrace trace;
    trace.feed(ring().created(1), async_cancel(98, key).submit(50).complete(51, 0), target().complete(52, -ECANCELED),
               cancel_of_key(-ENOENT), snapshot(200));
    ASSERT_THAT(trace.cancels, SizeIs(2));
    EXPECT_EQ(trace.cancels[0].verdict, Verdict::cancelled);
    EXPECT_EQ(trace.cancels[1].verdict, Verdict::already_cancelled);
}

TEST(UringCancels, OfWhatWasNeverThere) {
    UringTrace trace;
    trace.feed(ring().created(1), target().submit(150).complete(160), cancel_of_key(-ENOENT), snapshot(200));
    EXPECT_EQ(only(trace).verdict, Verdict::unknown_request);
    EXPECT_TRUE(only(trace).certain);
    UringTrace found;
    found.feed(ring().found(1), cancel_of_key(-ENOENT), snapshot(200));
    EXPECT_FALSE(only(found).certain);
    UringTrace lossy;
    lossy.tracker.note_losses();
    lossy.feed(ring().created(1), cancel_of_key(-ENOENT), snapshot(200));
    EXPECT_FALSE(only(lossy).certain);
}

TEST(UringCancels, OfAllThatFindNoneSayZero) {
    UringTrace trace;
    trace.feed(ring().created(1), target().complete(40, 512), cancel_of_key(0, uring::cancel_all), snapshot(200));
    EXPECT_EQ(only(trace).verdict, Verdict::completed_first);
}

TEST(UringCancels, OfWhatWasForgottenAreNotCertain) {
    UringTrace trace({.history_limit = 64});
    trace.feed(ring().created(1), target().complete(40, 512));
    for (std::uint64_t i = 0; i < 40; i++) {
        trace.feed(uring(100 + i).submit(50).complete(60));
    }
    trace.feed(cancel_of_key(-ENOENT), snapshot(200));
    EXPECT_EQ(only(trace).verdict, Verdict::unknown_request);
    EXPECT_FALSE(only(trace).certain);
}

TEST(UringCancels, WithoutASnapshotAreJudgedInTime) {
    UringTrace trace;
    trace.feed(ring().created(1), target().complete(40, 512), cancel_of_key(-ENOENT));
    trace.tracker.advance(3 * second);
    EXPECT_EQ(only(trace).verdict, Verdict::completed_first);
    EXPECT_FALSE(only(trace).certain);
    EXPECT_FALSE(trace.tracker.wants_snapshot());
}

// ---- EALREADY

TEST(UringCancels, OfWhatWasRunningTellWhatBecameOfIt) {
    UringTrace stopped;
    stopped.feed(ring().created(1), cancel_of_key(-EALREADY), target().complete(900, -EINTR));
    EXPECT_EQ(only(stopped).verdict, Verdict::running);
    EXPECT_THAT(only(stopped).reason, HasSubstr("interrupted and ended with EINTR"));
    stopped.finish(1000);
    EXPECT_EQ(by_id(stopped, 1)->outcome, Outcome::cancelled);
    UringTrace ran;
    ran.feed(ring().created(1), cancel_of_key(-EALREADY), target().complete(900, 512));
    EXPECT_THAT(only(ran).reason, HasSubstr("could not be stopped and completed with 512"));
    UringTrace runs;
    runs.feed(ring().created(1), cancel_of_key(-EALREADY), target().in_flight(200));
    runs.finish(1000);
    EXPECT_EQ(only(runs).verdict, Verdict::running);
    EXPECT_THAT(only(runs).reason, HasSubstr("has not ended"));
}

// ---- keys

TEST(UringCancels, ByDescriptorOrOpcodeOrAny) {
    UringTrace trace;
    auto by_fd = async_cancel(90, 0, uring::cancel_fd).descriptor(8).submit(100).complete(101, 0);
    trace.feed(ring().created(1), by_fd, uring(1).descriptor(7).submit(10).complete(102, -ECANCELED),
               uring(2).descriptor(8).submit(10).complete(103, -ECANCELED));
    EXPECT_EQ(only(trace).target->uring->request_id, 2U);
    EXPECT_EQ(only(trace).key.fd, 8);
    EXPECT_FALSE(only(trace).key.user_data);

    UringTrace op;
    auto by_op = async_cancel(90, 0, uring::cancel_op).submit(100).complete(101, 0);
    by_op.sqe_field(uring::sqe_len_at, std::uint32_t{recv_op});
    op.feed(ring().created(1), by_op, uring(1).submit(10).complete(102, -ECANCELED),
            uring(2).op(recv_op).submit(10).complete(103, -ECANCELED));
    EXPECT_EQ(only(op).target->uring->request_id, 2U);
    EXPECT_EQ(only(op).key.opcode, recv_op);

    UringTrace any;
    any.feed(ring().created(1), async_cancel(90, 0, uring::cancel_any).submit(100).complete(101, 2),
             uring(1).submit(10).complete(102, -ECANCELED), uring(2).submit(10).complete(103, -ECANCELED));
    EXPECT_EQ(only(any).key.count, 2U);
}

TEST(UringCancels, WithAKeyThatWasNotReadSaySo) {
    UringTrace trace;
    trace.feed(ring().created(1), target().complete(102, -ECANCELED), cancel_of_key(0).flag(IFL_UREQ_SQE_UNREAD));
    EXPECT_FALSE(only(trace).certain);
    EXPECT_FALSE(only(trace).key.user_data);
}

TEST(UringCancels, OfPollsAndTimeouts) {
    UringTrace trace;
    auto remove = uring(90).op(uring::op_poll_remove).submit(100).complete(101, 0);
    remove.sqe_field(uring::sqe_addr_at, key);
    auto update = remove;
    update.request_id = 91;
    update.sqe_field(uring::sqe_len_at, uring::poll_update_events);
    trace.feed(ring().created(1), update, remove, target().op(uring::op_poll_add).complete(102, -ECANCELED));
    EXPECT_EQ(only(trace).way, CancelWay::poll_remove);
    EXPECT_EQ(only(trace).verdict, Verdict::cancelled);

    UringTrace timeout;
    auto remove_timeout = uring(90).op(uring::op_timeout_remove).submit(100).complete(101, -ENOENT);
    remove_timeout.sqe_field(uring::sqe_addr_at, key);
    auto update_timeout = remove_timeout;
    update_timeout.request_id = 91;
    update_timeout.sqe_field(uring::sqe_op_flags_at, uring::timeout_update);
    timeout.feed(ring().created(1), update_timeout, remove_timeout, target().complete(900, 1), snapshot(950));
    EXPECT_EQ(only(timeout).way, CancelWay::timeout_remove);
    EXPECT_EQ(only(timeout).verdict, Verdict::not_cancellable);
    EXPECT_THAT(only(timeout).reason, HasSubstr("looks for timeout only"));
}

// ---- linked timeouts

UringRecord linked_timeout(std::uint64_t head, std::int32_t result) {
    return uring(50).op(uring::op_link_timeout).chain(head).submit(12).complete(100, result);
}

TEST(UringCancels, ALinkedTimeoutThatFires) {
    for (const bool target_first : {false, true}) {
        UringTrace trace;
        const auto hit = uring(2).chain(1).submit(11).complete(target_first ? 99 : 101, -ECANCELED);
        trace.feed(ring().created(1), uring(1).submit(10).complete(50, 1));
        target_first ? trace.feed(hit, linked_timeout(1, -ETIME)) : trace.feed(linked_timeout(1, -ETIME), hit);
        trace.finish(1000);
        const Cancel& got = only(trace);
        EXPECT_EQ(got.way, CancelWay::link_timeout);
        EXPECT_EQ(got.verdict, Verdict::cancelled);
        ASSERT_TRUE(got.target);
        EXPECT_EQ(got.target->uring->request_id, 2U);
        EXPECT_EQ(by_id(trace, 2)->uring->cause, EndCause::link_timeout);
        EXPECT_EQ(by_id(trace, 2)->uring->cancelled_by, 50U);
        EXPECT_EQ(by_id(trace, 50)->outcome, Outcome::completed);
    }
}

TEST(UringCancels, ALinkedTimeoutThatDoesNotFireIsNone) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).submit(10).complete(50, 1), linked_timeout(1, -ECANCELED));
    trace.finish(1000);
    EXPECT_THAT(trace.cancels, IsEmpty());
}

TEST(UringCancels, ThatWereNotCarriedOutAreNone) {
    UringTrace trace;
    trace.feed(ring().created(1), cancel_of_key(-ECANCELED).flag(IFL_UREQ_LINK_FAILED));
    trace.finish(1000);
    EXPECT_THAT(trace.cancels, IsEmpty());
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(UringCancels, ThatSucceedWithoutACqueueEntry) {
    UringTrace trace;
    trace.feed(ring().created(1), target().complete(105, -ECANCELED),
               async_cancel(99, key).submit(100).unseen(300).sqe_flag(uring::sqe_cqe_skip_success));
    trace.finish(1000);
    EXPECT_EQ(only(trace).verdict, Verdict::cancelled);
    EXPECT_TRUE(only(trace).certain);
}

// ---- io_uring_register(IORING_REGISTER_SYNC_CANCEL)

TEST(UringSyncCancels, AreCallsWithAnArgument) {
    UringTrace trace;
    const auto call = sync_cancel().span(100, 110).returns(0).argument(2, 0x7777);
    trace.feed(ring().created(1), sync_cancel_argument(call.call_id, key), call, target().complete(105, -ECANCELED));
    const Cancel& got = only(trace);
    EXPECT_EQ(got.way, CancelWay::sync_cancel);
    EXPECT_EQ(got.call_id, call.call_id);
    EXPECT_EQ(got.key.user_data, key);
    EXPECT_EQ(got.verdict, Verdict::cancelled);
    EXPECT_EQ(got.pid, the_pid);
}

TEST(UringSyncCancels, ThatTimeOutAreJudgedByTheTarget) {
    UringTrace taken;
    const auto call = sync_cancel().span(100, 110).returns(-ETIME);
    taken.feed(ring().created(1), target().complete(105, -ECANCELED), sync_cancel_argument(call.call_id, key), call);
    EXPECT_EQ(only(taken).verdict, Verdict::cancelled);
    UringTrace not_taken;
    not_taken.feed(ring().created(1), sync_cancel_argument(call.call_id, key), call, target().complete(500, 3));
    EXPECT_EQ(only(not_taken).verdict, Verdict::running);
}

TEST(UringSyncCancels, WithBadArguments) {
    struct Case {
        std::int64_t ret;
        const char* reason;
    };
    for (const Case& each : {Case{-EINVAL, "refused"}, Case{-EBADF, "descriptor 8 "}, Case{-EFAULT, "cannot be read"},
                             Case{-EEXIST, "SINGLE_ISSUER"}}) {
        UringTrace trace;
        const auto call = sync_cancel().span(100, 110).returns(each.ret);
        trace.feed(ring().created(1), sync_cancel_argument(call.call_id, 0, uring::cancel_fd, 8), call);
        EXPECT_EQ(only(trace).verdict, Verdict::bad_argument);
        EXPECT_THAT(only(trace).reason, HasSubstr(each.reason));
    }
}

TEST(UringSyncCancels, WithoutTheirArgumentSaySo) {
    UringTrace trace;
    trace.feed(ring().created(1), sync_cancel().span(100, 110).returns(-ENOENT));
    EXPECT_EQ(only(trace).verdict, Verdict::unknown_request);
    EXPECT_FALSE(only(trace).certain);
    EXPECT_THAT(only(trace).reason, HasSubstr("could not be read"));
}

}  // namespace
}  // namespace inflight::model::test
