// SPDX-License-Identifier: Apache-2.0
// What is seen to end while the hooks go was in flight at the end of the trace.
#include "capture/late_requests.hpp"

#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::SizeIs;

constexpr std::uint64_t the_end = 100;

template <typename Record>
std::vector<Record> taken_back(const Record& record) {
    capture::LateRequests late;
    late.note(record.header, the_end);
    std::vector<Record> all;
    late.for_each([&all](const ifl_header& header) { all.push_back(reinterpret_cast<const Record&>(header)); });
    EXPECT_EQ(all.size(), late.count());
    return all;
}

TEST(LateRequests, ARequestThatEndedLaterWasInFlight) {
    ifl_request record = request(0x1000).submit(90).complete(110, 4096);
    record.completer_tid = 5;
    const auto back = taken_back(record);
    ASSERT_THAT(back, SizeIs(1));
    EXPECT_EQ(back[0].state, IFL_REQUEST_IN_FLIGHT);
    EXPECT_EQ(back[0].header.time_ns, the_end);
    EXPECT_EQ(back[0].submit_ns, 90U);
    EXPECT_EQ(back[0].complete_ns, 0U);
    EXPECT_EQ(back[0].result, 0);
    EXPECT_EQ(back[0].completer_tid, 0U);
}

TEST(LateRequests, OneThatBeganLaterIsNoneOfTheTrace) {
    EXPECT_THAT(taken_back<ifl_request>(request(0x1000).submit(101).complete(110, 0)), SizeIs(0));
    EXPECT_THAT(taken_back<ifl_uring_request>(uring(1).submit(101).complete(110, 0)), SizeIs(0));
}

TEST(LateRequests, OneOfUnknownBeginningCountsOnlyIfItWasFoundBefore) {
    ifl_request found = request(0x1000).poll().complete(110, 1);
    found.submit_ns = 0;
    found.flags = IFL_REQ_EXISTED;
    EXPECT_THAT(taken_back(found), SizeIs(1));
    found.flags |= IFL_REQ_IOCB_UNREAD;
    EXPECT_THAT(taken_back(found), SizeIs(0));
    ifl_uring_request of_ring = uring(1).complete(110, 1).flag(IFL_UREQ_EXISTED);
    of_ring.submit_ns = 0;
    EXPECT_THAT(taken_back(of_ring), SizeIs(0));
}

TEST(LateRequests, OnlyEndsAreTakenBack) {
    EXPECT_THAT(taken_back<ifl_uring_request>(uring(1).submit(90).announced()), SizeIs(0));
    ifl_call call{};
    set_header(call, IFL_CALL, 110);
    EXPECT_THAT(taken_back(call), SizeIs(0));
}

TEST(LateRequests, TheModelShowsThemInFlight) {
    UringTrace trace;
    capture::LateRequests late;
    late.note(static_cast<const ifl_uring_request&>(uring(1).submit(90).complete(110, -ECANCELED)).header, the_end);
    trace.feed(ring().created(1));
    late.for_each([&trace](const ifl_header& record) { trace.tracker.on_record(record); });
    trace.finish(100);
    ASSERT_THAT(trace.requests, SizeIs(1));
    EXPECT_EQ(trace.requests[0].outcome, Outcome::in_flight);
}

}  // namespace
}  // namespace inflight::model::test
