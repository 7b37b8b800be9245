// SPDX-License-Identifier: Apache-2.0
// System calls: the events that were asked for, the findings that calls give, and records that make no sense.
#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace inflight::model::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TrackerOptions all_events{.events_wanted = (1U << IFL_SYSCALL_COUNT) - 1, .slow_submit_ns = 10 * ms};

// Iocbs first, first + 1, ... of a call; each one's user data are its address.
ifl_iocbs iocbs(std::uint64_t call_id, std::uint32_t first, std::uint32_t count) {
    ifl_iocbs record{};
    set_header(record, IFL_IOCBS, 0);
    record.call_id = call_id;
    record.first_index = first;
    record.count = count;
    for (std::uint32_t i = 0; i < count; i++) {
        ifl_iocb& each = record.iocbs[i];
        each.address = 0x1000 + first + i;
        each.state = IFL_READ_OK;
        struct iocb content{};
        content.aio_data = each.address;
        static_assert(sizeof(content) == IFL_IOCB_BYTES);
        std::memcpy(&each.bytes[0], &content, sizeof(content));
    }
    return record;
}

// ---- events

TEST(Events, OnlyThoseThatWereAskedFor) {
    Trace trace({.events_wanted = 1U << IFL_IO_DESTROY});
    trace.feed(call(IFL_IO_SETUP).span(1, 2), call(IFL_IO_DESTROY).span(3, 4), call(IFL_IO_GETEVENTS).span(5, 6));
    ASSERT_THAT(trace.events, SizeIs(1));
    EXPECT_EQ(trace.events[0].call.syscall, IFL_IO_DESTROY);
}

TEST(Events, CarryTheCall) {
    Trace trace(all_events);
    auto record = call(IFL_IO_SETUP).span(1, 2).returns(-EINVAL).argument(0, 128);
    record.header.tier = IFL_TIER_KPROBE;
    trace.feed(record);
    ASSERT_THAT(trace.events, SizeIs(1));
    const Event& got = trace.events[0];
    EXPECT_EQ(got.tier, Tier::kprobe);
    EXPECT_EQ(got.call.ret, -EINVAL);
    EXPECT_EQ(got.call.args[0], 128U);
    EXPECT_TRUE(got.decoded);
    EXPECT_FALSE(got.in_progress);
    EXPECT_FALSE(got.exit_missed);
    EXPECT_THAT(got.container_id, IsEmpty());
    EXPECT_THAT(got.cgroup_path, IsEmpty());
}

TEST(Events, ACancelIsAnEventToo) {
    Trace trace(all_events);
    trace.feed(cancel(the_iocb).span(1, 2).returns(-EFAULT));
    EXPECT_THAT(trace.events, SizeIs(1));
    EXPECT_THAT(trace.cancels, SizeIs(1));
}

TEST(Events, HaveTheIocbsThatCameBefore) {
    Trace trace(all_events);
    auto first = iocbs(5, 0, 8);
    first.iocbs[3].state = IFL_READ_FAULT;
    first.iocbs[4].file_id = 40;
    trace.feed(first, file(40, {"t.ibd"}), iocbs(6, 0, 1), iocbs(5, 8, 2), call(IFL_IO_SUBMIT).id(5).span(1, 2));
    ASSERT_THAT(trace.events, SizeIs(1));
    ASSERT_THAT(trace.events[0].iocbs, SizeIs(10));
    for (std::uint32_t i = 0; i < 10; i++) {
        const IocbArgument& got = trace.events[0].iocbs[i];
        EXPECT_EQ(got.index, i);
        EXPECT_EQ(got.address, 0x1000U + i);
        EXPECT_EQ(got.readable, i != 3);
        struct iocb content{};
        std::memcpy(&content, got.bytes.data(), sizeof(content));
        EXPECT_EQ(content.aio_data, 0x1000U + i);
        EXPECT_EQ(got.file ? got.file->name : "", i == 4 ? "/t.ibd" : "");
    }
}

TEST(Events, IocbsKeepTheirPlaceWhenARecordOfThemWasLost) {
    for (const std::uint32_t lost : {0U, 8U, 16U}) {
        Trace trace(all_events);
        for (const std::uint32_t first : {0U, 8U, 16U}) {
            if (first != lost) {
                trace.feed(iocbs(5, first, 8));
            }
        }
        trace.feed(call(IFL_IO_SUBMIT).id(5).span(1, 2));
        ASSERT_THAT(trace.events, SizeIs(1));
        EXPECT_THAT(trace.events[0].iocbs, SizeIs(16));
        for (const IocbArgument& got : trace.events[0].iocbs) {
            EXPECT_EQ(got.address, 0x1000U + got.index) << "without the record of " << lost;
        }
    }
}

TEST(Events, HaveWhatIoGeteventsReturned) {
    Trace trace(all_events);
    trace.feed(context().found(1));
    for (const auto number : {IFL_IO_GETEVENTS, IFL_IO_PGETEVENTS}) {
        auto more = reaped(10).of_call(6);
        more.first_index = 32;
        auto full = reaped(10).of_call(6);
        for (std::uint64_t i = 0; i < 32; i++) {
            full.event(i, 512);
        }
        trace.feed(full, more.event(32, 512), call(number).id(6).span(5, 10).returns(33));
    }
    ASSERT_THAT(trace.events, SizeIs(2));
    for (const Event& got : trace.events) {
        ASSERT_THAT(got.returned, SizeIs(33));
        EXPECT_EQ(got.returned[32].obj, 32U);
    }
}

TEST(Events, InProgressAreToldAgainWhenTheyReturn) {
    Trace trace(all_events);
    trace.feed(call(IFL_IO_GETEVENTS).id(6).span(5, 100).flag(IFL_CALL_IN_PROGRESS), reaped(200).of_call(6).event(1),
               call(IFL_IO_GETEVENTS).id(6).span(5, 200).returns(1));
    ASSERT_THAT(trace.events, SizeIs(2));
    EXPECT_TRUE(trace.events[0].in_progress);
    EXPECT_THAT(trace.events[0].returned, IsEmpty());
    EXPECT_FALSE(trace.events[1].in_progress);
    EXPECT_THAT(trace.events[1].returned, SizeIs(1));
}

TEST(Events, WithoutAReturnOrWithoutDecoding) {
    Trace trace(all_events);
    trace.feed(call(IFL_IO_GETEVENTS).span(5, 100).flag(IFL_CALL_EXIT_MISSED),
               call(IFL_IO_SUBMIT).span(5, 100).flag(IFL_CALL_NOT_DECODED));
    ASSERT_THAT(trace.events, SizeIs(2));
    EXPECT_TRUE(trace.events[0].exit_missed);
    EXPECT_FALSE(trace.events[1].decoded);
}

TEST(Events, NameTheContainer) {
    const std::string id(64, 'a');
    Trace trace(all_events);
    auto inside = call(IFL_IO_SETUP).span(1, 2);
    inside.task.cgroup_id = 9;
    auto outside = call(IFL_IO_SETUP).span(1, 2);
    outside.task.cgroup_id = 10;
    trace.feed(cgroup(9, {"docker-" + id + ".scope", "system.slice"}), cgroup(10, {}), inside, outside);
    ASSERT_THAT(trace.events, SizeIs(2));
    EXPECT_EQ(trace.events[0].cgroup_path, "/system.slice/docker-" + id + ".scope");
    EXPECT_EQ(trace.events[0].container_id, id);
    EXPECT_EQ(trace.events[1].cgroup_path, "/");
    EXPECT_THAT(trace.events[1].container_id, IsEmpty());
}

// ---- findings

CallRecord submit_call(std::uint64_t id, std::uint64_t took_ns) {
    return call(IFL_IO_SUBMIT).id(id).span(1, 1 + took_ns).argument(1, 4).returns(4);
}

TEST(SlowSubmit, IsFoundFromTheLimitOn) {
    Trace trace({.slow_submit_ns = 10 * ms});
    trace.feed(submit_call(1, 10 * ms - 1));
    EXPECT_THAT(trace.findings, IsEmpty());
    trace.feed(submit_call(2, 10 * ms));
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].code, "slow-submit");
    EXPECT_EQ(trace.findings[0].severity, Severity::warn);
    EXPECT_EQ(trace.findings[0].message, "io_submit of 4 requests blocked for 10.0 ms");
    EXPECT_EQ(trace.findings[0].pid, the_pid);
    EXPECT_EQ(trace.findings[0].tid, the_tid);
    EXPECT_EQ(trace.findings[0].comm, "worker");
}

TEST(SlowSubmit, IsFoundOnceWhetherWhileItBlocksOrAfter) {
    Trace trace({.slow_submit_ns = 10 * ms});
    auto blocking = submit_call(1, 100 * ms).flag(IFL_CALL_IN_PROGRESS);
    blocking.accepted = 2;
    trace.feed(blocking, submit_call(1, 200 * ms).flag(IFL_CALL_IN_PROGRESS), submit_call(1, 300 * ms));
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].message, "io_submit of 4 requests has been blocking for 100 ms (2 accepted so far)");
    trace.feed(submit_call(2, 300 * ms));
    EXPECT_THAT(trace.findings, SizeIs(2)) << "another call is another finding";
}

TEST(SlowSubmit, IsNotSaidOfACallWhoseReturnWasMissed) {
    Trace trace({.slow_submit_ns = 10 * ms});
    trace.feed(submit_call(1, second).flag(IFL_CALL_EXIT_MISSED));
    EXPECT_THAT(trace.findings, IsEmpty());
}

TEST(SlowSubmit, CountsOnlyTheTimeThatTheThreadSlept) {
    Trace trace({.slow_submit_ns = 10 * ms});
    auto busy = submit_call(1, second).flag(IFL_CALL_SLEPT_KNOWN);
    busy.header.span_us = 9'999;
    trace.feed(busy);
    EXPECT_THAT(trace.findings, IsEmpty()) << "it ran, or waited for a processor";
    auto blocked = submit_call(2, second).flag(IFL_CALL_SLEPT_KNOWN);
    blocked.header.span_us = 25'000;
    trace.feed(blocked);
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].message, "io_submit of 4 requests blocked for 25.0 ms");
}

TEST(SlowSubmit, IsSaidOfNoOtherCall) {
    Trace trace({.slow_submit_ns = 10 * ms});
    trace.feed(call(IFL_IO_GETEVENTS).span(1, 10 * second), call(IFL_IO_DESTROY).span(1, 10 * second));
    EXPECT_THAT(trace.findings, IsEmpty());
}

TEST(SlowSubmit, TimeThatRunsBackwardsIsNotSlow) {
    Trace trace({.slow_submit_ns = 10 * ms});
    trace.feed(call(IFL_IO_SUBMIT).span(100, 50));
    EXPECT_THAT(trace.findings, IsEmpty());
}

TEST(AioMaxNr, IsUsedUp) {
    Trace trace({.aio_max_nr = 65536});
    trace.feed(call(IFL_IO_SETUP).span(1, 2).argument(0, 128).returns(-EAGAIN));
    ASSERT_THAT(trace.findings, SizeIs(1));
    EXPECT_EQ(trace.findings[0].code, "aio-max-nr-exhausted");
    EXPECT_EQ(trace.findings[0].severity, Severity::critical);
    EXPECT_EQ(trace.findings[0].message,
              "io_setup(128) failed with EAGAIN: other contexts hold so much of aio-max-nr (65536) that less than that "
              "is left");
}

TEST(AioMaxNr, AnIoSetupThatAsksForMoreThanAllIsNoSignOfOthers) {
    Trace trace({.aio_max_nr = 65536});
    trace.feed(call(IFL_IO_SETUP).span(1, 2).argument(0, 65537).returns(-EAGAIN),
               call(IFL_IO_SETUP).span(3, 4).argument(0, 65536).returns(-EAGAIN));
    ASSERT_THAT(trace.findings, SizeIs(2));
    EXPECT_EQ(trace.findings[0].code, "aio-max-nr-too-small");
    EXPECT_EQ(trace.findings[1].code, "aio-max-nr-exhausted");
}

TEST(AioMaxNr, OtherErrorsAndCallsSayNothingOfIt) {
    Trace trace;
    trace.feed(call(IFL_IO_SETUP).span(1, 2).returns(-EINVAL), call(IFL_IO_SETUP).span(1, 2).returns(0),
               call(IFL_IO_SUBMIT).span(1, 2).returns(-EAGAIN),
               call(IFL_IO_SETUP).span(1, 2).returns(-EAGAIN).flag(IFL_CALL_IN_PROGRESS));
    EXPECT_THAT(trace.findings, IsEmpty());
}

// ---- records that make no sense

TEST(Records, OfUnknownKindsAreSkipped) {
    Trace trace(all_events);
    for (const ifl_u16 kind : {ifl_u16{0}, ifl_u16{IFL_KIND_COUNT}, ifl_u16{0xffff}}) {
        auto record = request(1).submit(1).complete(2);
        record.header.kind = kind;
        trace.feed(record);
    }
    trace.finish(10);
    EXPECT_THAT(trace.requests, IsEmpty());
}

template <typename Record>
void feed_cut_short(Trace& trace, const Record& record) {
    // In a buffer of just that length, so that AddressSanitizer sees who reads on.
    for (std::uint32_t bytes = sizeof(ifl_header); bytes < sizeof(Record); bytes += 8) {
        std::vector<std::uint64_t> buffer(bytes / 8);
        std::memcpy(buffer.data(), &record, bytes);
        reinterpret_cast<ifl_header*>(buffer.data())->size_bytes = bytes;
        trace.tracker.on_record(*reinterpret_cast<const ifl_header*>(buffer.data()));
    }
}

TEST(Records, ThatAreTooShortAreNeverReadBeyondTheirEnd) {
    Trace trace(all_events);
    trace.feed(context().created(1));
    feed_cut_short(trace, static_cast<const ifl_request&>(request(1).submit(1).complete(2)));
    feed_cut_short(trace, static_cast<const ifl_request&>(request(1).submit(1).in_flight(2)));
    feed_cut_short(trace, static_cast<const ifl_call&>(cancel(the_iocb)));
    feed_cut_short(trace, iocbs(5, 0, 8));
    auto full = reaped(10);
    for (std::uint64_t i = 0; i < 32; i++) {
        full.event(1000 + i, 512);
    }
    feed_cut_short(trace, static_cast<const ifl_io_events&>(full));
    feed_cut_short(trace, static_cast<const ifl_context&>(context(9).created(1)));
    feed_cut_short(trace, file(40, {"t.ibd"}));
    feed_cut_short(trace, cgroup(9, {"system.slice"}));
    feed_cut_short(trace, process_exit(3));
    feed_cut_short(trace, snapshot(3));
    EXPECT_THAT(trace.cancels, IsEmpty());
    EXPECT_THAT(trace.contexts, SizeIs(1));
    EXPECT_THAT(trace.events, IsEmpty());
}

TEST(Records, ThatAreLongerThanWeKnowAreRead) {
    struct Longer {
        ifl_request record;
        std::array<std::uint64_t, 4> more;
    };
    Longer longer{.record = request(1).submit(1).complete(2), .more = {}};
    longer.record.header.size_bytes = sizeof(Longer);
    Trace trace;
    trace.feed(longer.record);
    trace.finish(10);
    EXPECT_THAT(trace.requests, SizeIs(1));
}

TEST(Records, WithACountBeyondTheirRoomAreCut) {
    Trace trace(all_events);
    auto record = iocbs(5, 0, 8);
    record.count = 0xffffffff;
    auto far = iocbs(6, 0xfffffff0, 8);
    trace.feed(record, call(IFL_IO_SUBMIT).id(5).span(1, 2), iocbs(6, 0, 8), far, call(IFL_IO_SUBMIT).id(6).span(1, 2));
    ASSERT_THAT(trace.events, SizeIs(2));
    EXPECT_THAT(trace.events[0].iocbs, SizeIs(8));
    EXPECT_LE(trace.events[1].iocbs.size(), 16U);
}

}  // namespace
}  // namespace inflight::model::test
