// SPDX-License-Identifier: Apache-2.0
// Rings, as contexts.
#include "contract/tables.h"
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::vector<ContextChange> changes(const Trace& trace) {
    std::vector<ContextChange> all;
    for (const Context& each : trace.contexts) {
        all.push_back(each.change);
    }
    return all;
}

TEST(UringRings, AreContextsWithARingPart) {
    UringTrace trace;
    auto record = ring().created(1).setup(uring::setup_sqpoll);
    record.submitted = 4;
    trace.feed(record);
    ASSERT_THAT(trace.contexts, SizeIs(1));
    const Context& got = trace.contexts[0];
    EXPECT_EQ(got.family, Family::uring);
    EXPECT_EQ(got.change, ContextChange::created);
    EXPECT_EQ(got.context_id, the_ring);
    EXPECT_EQ(got.ctx_id, 5U);
    EXPECT_EQ(got.created_ns, 1U);
    EXPECT_EQ(got.submitted, 4U);
    EXPECT_EQ(got.comm, "worker");
    ASSERT_TRUE(got.ring);
    EXPECT_EQ(got.ring->setup_flags, uring::setup_sqpoll);
    EXPECT_EQ(got.ring->cq_entries, the_cq_entries);
    EXPECT_FALSE(got.ring->counted);
}

TEST(UringRings, KeepWhatLaterRecordsDoNotSay) {
    UringTrace trace;
    trace.feed(ring().created(1), ring().workers(3, 8).looked_at(10, 7, 5),
               ring().workers(1, 9).looked_at(20, 7, 6).descriptor(-1), ring().destroyed(30).descriptor(-1));
    EXPECT_THAT(changes(trace), ElementsAre(ContextChange::created, ContextChange::observed, ContextChange::observed,
                                            ContextChange::destroyed));
    const Context& last = trace.contexts.back();
    EXPECT_EQ(last.ring->fd, 5);
    EXPECT_EQ(last.ctx_id, 5U);
    EXPECT_TRUE(last.ring->counted);
    EXPECT_EQ(last.ring->cq_head, 6U);
    EXPECT_EQ(last.ring->workers_bound, 1U);
    EXPECT_EQ(last.ring->workers_bound_max, 3U);
    EXPECT_EQ(last.ring->workers_unbound_max, 9U);
    EXPECT_EQ(last.destroyed_ns, 30U);
    EXPECT_FALSE(last.by_exit);
}

TEST(UringRings, AreToldOnceAtTheirEnd) {
    UringTrace trace;
    trace.feed(ring().found(1), ring().destroyed(30), ring().destroyed(31), ring().at(IFL_CONTEXT_SNAPSHOT, 40));
    trace.finish(100);
    EXPECT_THAT(changes(trace), ElementsAre(ContextChange::found, ContextChange::destroyed));
}

TEST(UringRings, EndWithTheirProcess) {
    UringTrace trace;
    trace.feed(ring().created(1), process_exit(20), ring().destroyed(30));
    EXPECT_THAT(changes(trace), ElementsAre(ContextChange::created, ContextChange::destroyed));
    EXPECT_TRUE(trace.contexts[1].by_exit);
    EXPECT_EQ(trace.contexts[1].destroyed_ns, 30U);
}

TEST(UringRings, EndWithTheirProcessAlsoWhenNothingSaysSo) {
    UringTrace trace;
    trace.feed(ring().created(1), process_exit(20));
    trace.tracker.advance(2 * second);
    EXPECT_THAT(changes(trace), ElementsAre(ContextChange::created, ContextChange::destroyed));
    EXPECT_TRUE(trace.contexts[1].by_exit);
    EXPECT_EQ(trace.contexts[1].destroyed_ns, 20U);
    UringTrace at_end;
    at_end.feed(ring().created(1), process_exit(20));
    at_end.finish(30);
    EXPECT_THAT(changes(at_end), ElementsAre(ContextChange::created, ContextChange::destroyed));
}

TEST(UringRings, ThatAnotherProcessHasOpenGoOn) {
    UringTrace trace;
    trace.feed(ring().created(1), process_exit(20), ring().at(IFL_CONTEXT_SNAPSHOT, 40));
    trace.finish(100);
    EXPECT_THAT(changes(trace), ElementsAre(ContextChange::created, ContextChange::at_end));
}

TEST(UringRings, OfAnotherProcessStay) {
    UringTrace trace;
    trace.feed(ring().created(1), process_exit(20, the_pid + 1));
    trace.tracker.advance(2 * second);
    EXPECT_THAT(trace.contexts, SizeIs(1));
}

TEST(UringRings, AreForgottenAndNothingIsLost) {
    UringTrace trace;
    trace.feed(ring().created(1), uring(1).op(recv_op).submit(10).announced(), last_cqe(20, 7, 1).overflowed(),
               async_cancel(3, 55).submit(11).complete(12, -ENOENT), ring().destroyed(30));
    trace.tracker.advance(2 * second);
    EXPECT_THAT(trace.requests, SizeIs(2));
    EXPECT_THAT(trace.completions, SizeIs(1)) << "no request is known that it ends";
    EXPECT_THAT(trace.cancels, SizeIs(1));
    EXPECT_FALSE(trace.tracker.wants_snapshot());
}

// What the kernel side counts in several places, as a record has it.
TEST(UringRings, CountsOfTheKernelSideAddUp) {
    ifl_ring_entry entry{};
    entry.ring.submitted = 10;
    entry.ring.overflowed = 2;
    entry.completed = 7;
    entry.completed_unknown = 1;
    entry.completed_elsewhere = 2;
    entry.cqes = 9;
    ifl_ring record = entry.ring;
    ifl_settle_ring(&record, &entry);
    EXPECT_EQ(record.completed, 9U);
    EXPECT_EQ(record.cqes, 11U);
    EXPECT_EQ(record.in_flight, 2U) << "10 submitted; 9 ended, of which one was not among them";
    entry.completed_elsewhere = 7;
    ifl_settle_ring(&record, &entry);
    EXPECT_EQ(record.in_flight, 0U);
}

}  // namespace
}  // namespace inflight::model::test
