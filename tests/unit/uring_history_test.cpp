// SPDX-License-Identifier: Apache-2.0
// What was handed out stands in the history in brief: a cancel that asks for it later learns all that it would have.
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::Each;
using testing::Eq;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t key = 0x42;

// A record with a value of its own in each field that a brief one has.
UringRecord target(std::uint64_t id = 1) {
    auto record = uring(id).data(key).submit(10).complete(40, 512).queue(1, 0).cqe(4).sqe_flag(1U << 5U);
    record.task_works = 2;
    record.task_work_ns = 20;
    record.cgroup_id = 77;
    record.uid = 1000;
    record.batch = 3;
    record.completer_pid = the_pid + 1;
    record.completer_tid = the_tid + 1;
    record.sqe_field(uring::sqe_addr_at, std::uint64_t{0x7f0000}).sqe_field(uring::sqe_len_at, std::uint32_t{512});
    record.sqe_field(uring::sqe_off_at, std::int64_t{4096}).sqe_field(uring::sqe_ioprio_at, std::uint16_t{6});
    set_comm(record.completer_comm, "worker");
    return record;
}
// Shows that the program has taken all CQEs up to `head`.
UringRecord later(std::uint64_t id, std::uint32_t head, std::uint64_t time_ns = 60) {
    return uring(id).submit(50).complete(time_ns, 0).queue(head + 1, head);
}
UringRecord cancel_of_key(std::uint64_t id = 99, std::uint64_t time_ns = 100) {
    return async_cancel(id, key).submit(time_ns).complete(time_ns + 1, -ENOENT).queue(100, 0);
}

void expect_same(const Request& got, const Request& expected) {
    EXPECT_EQ(got.family, expected.family);
    EXPECT_EQ(got.tier, expected.tier);
    EXPECT_EQ(got.outcome, expected.outcome);
    EXPECT_EQ(got.kernel_address, expected.kernel_address);
    EXPECT_EQ(got.context_id, expected.context_id);
    EXPECT_EQ(got.ctx_id, expected.ctx_id);
    EXPECT_EQ(got.opcode, expected.opcode);
    EXPECT_EQ(got.origin, expected.origin);
    EXPECT_EQ(got.fd, expected.fd);
    EXPECT_EQ(got.buffer, expected.buffer);
    EXPECT_EQ(got.length, expected.length);
    EXPECT_EQ(got.offset, expected.offset);
    EXPECT_EQ(got.ioprio, expected.ioprio);
    EXPECT_EQ(got.user_data, expected.user_data);
    EXPECT_EQ(got.file, expected.file);
    EXPECT_EQ(got.pid, expected.pid);
    EXPECT_EQ(got.tid, expected.tid);
    EXPECT_EQ(got.uid, expected.uid);
    EXPECT_EQ(got.cgroup_id, expected.cgroup_id);
    EXPECT_EQ(got.comm, expected.comm);
    EXPECT_EQ(got.completer_pid, expected.completer_pid);
    EXPECT_EQ(got.completer_tid, expected.completer_tid);
    EXPECT_EQ(got.submit_ns, expected.submit_ns);
    EXPECT_EQ(got.complete_ns, expected.complete_ns);
    EXPECT_EQ(got.reap_ns, expected.reap_ns);
    EXPECT_EQ(got.result, expected.result);
    EXPECT_EQ(got.result_known, expected.result_known);
    const UringPart& part = *got.uring;
    const UringPart& other = *expected.uring;
    EXPECT_EQ(part.request_id, other.request_id);
    EXPECT_EQ(part.sqe, other.sqe);
    EXPECT_EQ(part.sqe_known, other.sqe_known);
    EXPECT_EQ(part.sqe_flags, other.sqe_flags);
    EXPECT_EQ(part.task_work_ns, other.task_work_ns);
    EXPECT_EQ(part.task_works, other.task_works);
    EXPECT_EQ(part.batch, other.batch);
    EXPECT_EQ(part.completer_comm, other.completer_comm);
    EXPECT_EQ(part.cause, other.cause);
    EXPECT_EQ(part.cqe_flags, other.cqe_flags);
    EXPECT_EQ(part.cqe_count, other.cqe_count);
    EXPECT_EQ(part.cqe_bytes, other.cqe_bytes);
}

TEST(UringHistory, TellsOfWhatWasHandedOutAllThatItWas) {
    UringTrace trace;
    trace.feed(ring().created(1), file(5, {"t.ibd", "data", "/"}), BriefRecord(target().file(5)),
               BriefRecord(later(2, 1)));
    ASSERT_THAT(trace.requests, SizeIs(1)) << "it was handed out before the cancel came";
    trace.feed(ring().descriptor(9).at(IFL_CONTEXT_COUNTERS, 70), file(5, {"other", "data", "/"}),
               BriefRecord(cancel_of_key()), snapshot(200));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    EXPECT_EQ(trace.cancels[0].verdict, Verdict::completed_first);
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("completed with 512"));
    EXPECT_THAT(trace.cancels[0].reason, HasSubstr("its CQE had been taken"));
    ASSERT_TRUE(trace.cancels[0].target);
    ASSERT_TRUE(trace.cancels[0].target->file);
    EXPECT_EQ(trace.cancels[0].target->file->name, "/data/t.ibd") << "as it was named when it was used";
    expect_same(*trace.cancels[0].target, trace.requests[0]);
}

TEST(UringHistory, SaysTheSameOfBriefAndOfWholeRecords) {
    std::vector<Cancel> got;
    for (const bool brief : {false, true}) {
        UringTrace trace;
        const auto feed = [&](const UringRecord& record) {
            brief ? trace.feed(BriefRecord(record)) : trace.feed(record);
        };
        trace.feed(ring().created(1));
        feed(target());
        feed(later(2, 1));
        feed(cancel_of_key(98, 100));
        feed(cancel_of_key(99, 110));
        trace.feed(snapshot(200));
        ASSERT_THAT(trace.cancels, SizeIs(2));
        got.insert(got.end(), trace.cancels.begin(), trace.cancels.end());
    }
    for (const std::size_t each : {0U, 1U}) {
        EXPECT_EQ(got[each].reason, got[each + 2].reason);
        EXPECT_EQ(got[each].verdict, got[each + 2].verdict);
        EXPECT_EQ(got[each].certain, got[each + 2].certain);
        ASSERT_TRUE(got[each].target && got[each + 2].target);
        expect_same(*got[each + 2].target, *got[each].target);
    }
}

TEST(UringHistory, KeepsWhatACancelNamedBeforeItWasHandedOut) {
    UringTrace trace;
    trace.feed(ring().created(1), BriefRecord(target()), BriefRecord(cancel_of_key()), BriefRecord(later(2, 1, 110)));
    ASSERT_THAT(trace.requests, SizeIs(1));
    trace.feed(snapshot(200));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    ASSERT_TRUE(trace.cancels[0].target);
    expect_same(*trace.cancels[0].target, trace.requests[0]);
    EXPECT_EQ(trace.cancels[0].target->reap_ns, 110U) << "which came after the cancel named it";
}

TEST(UringHistory, TellsWhatOthersOfItsUserDataWere) {
    UringTrace trace;
    trace.feed(ring().created(1));
    for (std::uint32_t id = 1; id <= 6; id++) {
        trace.feed(BriefRecord(uring(id).data(key).submit(10 * id).complete(10 * id + 5, 512).queue(id, id - 1)));
    }
    trace.feed(BriefRecord(cancel_of_key()), snapshot(200));
    ASSERT_THAT(trace.cancels, SizeIs(1));
    ASSERT_TRUE(trace.cancels[0].target);
    EXPECT_EQ(trace.cancels[0].target->uring->request_id, 6U) << "the last";
    EXPECT_EQ(trace.cancels[0].target->complete_ns, 65U);
}

TEST(UringHistory, ShowsAReuseOfWhatWasHandedOut) {
    UringTrace trace;
    trace.feed(ring().created(1), BriefRecord(target()), BriefRecord(later(2, 1)),
               BriefRecord(uring(3).data(key).submit(30).complete(70).queue(3, 1)));
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].code, "user-data-reuse");
    EXPECT_THAT(trace.findings[0].message, HasSubstr("submitted 20 ns before"));
}

// Keeps nothing that is the tracker's.
class CopyingTrace : public UringTrace {
public:
    void on_request(const Request& request) override {
        requests.push_back(request);
        requests.back().uring = std::make_shared<const UringPart>(*request.uring);
    }
};

// The memory of one that was handed out is used for the next.
template <typename Traced>
void check_reuse_of_memory() {
    Traced trace;
    auto long_name = target();
    std::fill(std::begin(long_name.comm), std::end(long_name.comm), 'x');
    trace.feed(ring().created(1), BriefRecord(long_name), BriefRecord(later(2, 1)));
    for (std::uint32_t id = 3; id < 40; id++) {
        auto bare = uring(id).submit(70).queue(id, id - 1).flag(IFL_UREQ_SQE_UNREAD).complete(80);
        bare.submit_ns = 0;
        trace.feed(BriefRecord(bare));
    }
    trace.finish(300);
    ASSERT_THAT(trace.requests, SizeIs(39));
    EXPECT_EQ(trace.requests[0].comm, std::string(IFL_COMM_BYTES, 'x'));
    EXPECT_EQ(trace.requests[0].length, 512U);
    EXPECT_EQ(trace.requests[0].uring->cqe_bytes, 512U);
    for (std::size_t i = 2; i < trace.requests.size(); i++) {
        const Request& each = trace.requests[i];
        EXPECT_EQ(each.comm, "worker");
        EXPECT_EQ(each.length, 0U);
        EXPECT_EQ(each.origin, Origin::unknown);
        EXPECT_FALSE(each.submit_ns);
        EXPECT_EQ(each.result, 0);
        EXPECT_FALSE(each.uring->task_work_ns);
        EXPECT_THAT(each.uring->sqe, Each(Eq(0)));
        EXPECT_EQ(each.uring->cqe_count, 1U);
        EXPECT_EQ(each.uring->cqe_bytes, 0U);
    }
}

TEST(UringHistory, LeavesNothingOfOneInTheNext) {
    check_reuse_of_memory<CopyingTrace>();
}

TEST(UringHistory, LeavesWhatASinkKeepsAsItWas) {
    check_reuse_of_memory<UringTrace>();
}

}  // namespace
}  // namespace inflight::model::test
