// SPDX-License-Identifier: Apache-2.0
// Cancel attempts with a ctx_id that names no context of the caller: whose it is, or was.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
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

// ---- contexts that are not there

TEST(CancelContexts, DestroyedHowLongBefore) {
    Trace trace;
    trace.feed(context().created(1), context().destroyed(1 * ms),
               cancel(the_iocb).span(4 * ms, 4 * ms + 1).no_context(the_ctx_id));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::bad_context));
    EXPECT_TRUE(trace.cancels[0].certain);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("was destroyed 3.00 ms before"));
}

TEST(CancelContexts, DestroyedLongAgoIsStillKnown) {
    Trace trace;
    trace.feed(context().created(1), context().destroyed(1 * ms));
    trace.tracker.advance(100 * second);
    trace.feed(cancel(the_iocb).span(101 * second, 101 * second + 1).no_context(the_ctx_id));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("was destroyed 101 s before"));
}

TEST(CancelContexts, MadeAndDestroyedManyTimesAtTheSameAddressSaysTheLastTime) {
    Trace trace;
    constexpr std::uint64_t rounds = 10'000;
    for (std::uint64_t i = 1; i <= rounds; i++) {
        trace.feed(context(i).created(i * ms), context(i).destroyed(i * ms + 1));
        trace.tracker.advance(i * ms);
    }
    const std::uint64_t start = rounds * ms + 1 + 2 * us;
    trace.feed(cancel(the_iocb).span(start, start + 1).no_context(the_ctx_id));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("was destroyed 2.00 µs before"));
}

TEST(CancelContexts, OfTheParentAfterFork) {
    Trace trace;
    trace.feed(context().created(1).of(the_parent, "parent"),
               cancel(the_iocb).span(20, 21).no_context(the_ctx_id).by(the_pid, the_tid, the_parent));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::bad_context));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("belongs to process 99 (parent)"));
}

TEST(CancelContexts, TheParentsIsNamedWhereSeveralProcessesHaveThatAddress) {
    Trace trace;
    for (std::uint64_t i = 0; i < 20; i++) {
        const bool parents = i == 10;
        trace.feed(context(i + 1).created(1).of(parents ? the_parent : 1000 + static_cast<std::uint32_t>(i),
                                                parents ? "parent" : "other"));
    }
    trace.feed(cancel(the_iocb).span(20, 21).no_context(the_ctx_id));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("belongs to process 99 (parent)"));
}

TEST(CancelContexts, OfAProcessThatEndedAreNobodys) {
    Trace trace;
    trace.feed(context().created(1).of(200), process_exit(10, 200),
               cancel(the_iocb).span(20, 21).no_context(the_ctx_id));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("the process has no context 0x7f0000001000"));
}

// The number of a process is another one's tomorrow, and without randomisation so is the address of its context.
TEST(CancelContexts, DestroyedByAnEarlierProcessOfThatNumberIsNotIts) {
    Trace trace;
    trace.feed(context().created(1), context().destroyed(5), process_exit(6),
               cancel(the_iocb).span(20, 21).no_context(the_ctx_id));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("the process has no context"));
}

TEST(CancelContexts, ADestroyedOneIsNotMistakenForItsSuccessor) {
    Trace trace;
    trace.feed(context(7).created(1), request(the_iocb).in(7).poll().submit(2).complete(3, 1), context(7).destroyed(5),
               context(8).created(6), cancel(the_iocb).in(8).span(20, 21), snapshot(30));
    EXPECT_THAT(verdicts(trace), ElementsAre(Verdict::unknown_request));
}

TEST(CancelContexts, AnyThreadOfTheProcessMayCancel) {
    Trace trace;
    trace.feed(context().created(1), accepted_cancel(the_iocb).span(20, 21).by(the_pid, 555),
               cancelled_poll(the_iocb).submit(10).complete(25, 0));
    ASSERT_THAT(verdicts(trace), ElementsAre(Verdict::cancelled));
    EXPECT_EQ(trace.cancels[0].tid, 555U);
}

}  // namespace
}  // namespace inflight::model::test
