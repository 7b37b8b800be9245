// SPDX-License-Identifier: Apache-2.0
// What is found in requests and in looks at rings; and what must not be.
#include "model/findings.hpp"

#include "made.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t ms = 1'000'000;

constexpr std::uint16_t op_poll_add = 6;
constexpr std::uint16_t op_fsync = 3;
constexpr std::uint16_t op_accept = 13;
constexpr std::uint16_t op_connect = 16;
constexpr std::uint16_t op_read = 22;
constexpr std::uint16_t op_write = 23;

struct Watched : Recorder {
    explicit Watched(FindingOptions options = {}) : watch(options, *this) {}

    void ring(ContextChange change, std::uint64_t time_ns, const RingPart& part, std::uint32_t in_flight_max = 8) {
        Context context;
        context.family = Family::uring;
        context.change = change;
        context.time_ns = time_ns;
        context.context_id = 7;
        context.pid = 100;
        context.comm = "worker";
        context.created_ns = created_ns;
        context.in_flight_max = in_flight_max;
        context.ring = part;
        watch.on_context(context);
    }
    void look(std::uint64_t time_ns, const RingPart& part) { ring(ContextChange::observed, time_ns, part); }

    std::optional<std::uint64_t> created_ns = 1;
    Findings watch;
};

RingPart counted() {
    RingPart part;
    part.counted = true;
    part.fd = 3;
    part.sq_entries = 8;
    part.cq_entries = 16;
    return part;
}

// ---- completions that wait

TEST(Unreaped, WhenTheHeadStandsStill) {
    Watched watched;
    RingPart part = counted();
    part.cq_tail = 5;
    for (const std::uint64_t at_ms : {100U, 500U, 1099U}) {
        watched.look(at_ms * ms, part);
        part.cq_tail++;
    }
    EXPECT_THAT(watched.findings, IsEmpty());
    watched.look(1100 * ms, part);
    watched.look(1200 * ms, part);
    ASSERT_THAT(watched.codes(), ElementsAre("unreaped-completions"));
    EXPECT_THAT(watched.findings[0].message, HasSubstr("8 completions wait in the ring of fd 3"));
    EXPECT_EQ(watched.findings[0].pid, 100U);
    EXPECT_EQ(watched.watch.repeats(), 0U);
    EXPECT_THAT(watched.contexts, SizeIs(5)) << "all go on";
}

TEST(Unreaped, NotWhenTheHeadMoves) {
    Watched watched;
    RingPart part = counted();
    for (unsigned i = 0; i < 50; i++) {
        part.cq_head = i;
        part.cq_tail = i + 5;
        watched.look(i * 900 * ms, part);
    }
    part.cq_head = part.cq_tail;
    watched.look(100 * second_ns, part);
    watched.look(200 * second_ns, part);
    EXPECT_THAT(watched.findings, IsEmpty());
}

TEST(Unreaped, NotWhileSomebodyWaitsForMore) {
    Watched watched;
    RingPart part = counted();
    part.cq_tail = 5;
    part.waited_for = true;
    watched.look(1 * second_ns, part);
    watched.look(9 * second_ns, part);
    EXPECT_THAT(watched.findings, IsEmpty());
    part.waited_for = false;
    watched.look(10 * second_ns, part);
    watched.look(11 * second_ns, part);
    ASSERT_THAT(watched.codes(), ElementsAre("unreaped-completions"));
    EXPECT_THAT(watched.findings[0].message, HasSubstr("for 1.00 s"));
}

TEST(Unreaped, NotWhereTheProgramHasWrittenNonsense) {
    Watched watched;
    RingPart part = counted();
    part.cq_tail = 5;
    part.cq_head = 0xdeadbeef;
    part.sq_tail = 0xdeadbeef;
    part.setup_flags = 2;  // IORING_SETUP_SQPOLL
    part.sq_flags = 1;     // IORING_SQ_NEED_WAKEUP
    watched.look(1 * second_ns, part);
    watched.look(9 * second_ns, part);
    EXPECT_THAT(watched.findings, IsEmpty());
}

TEST(Unreaped, NotWhereTheRingWasNotRead) {
    Watched watched;
    RingPart part = counted();
    part.counted = false;
    part.cq_tail = 5;
    watched.look(1 * second_ns, part);
    watched.look(9 * second_ns, part);
    EXPECT_THAT(watched.findings, IsEmpty());
}

TEST(Unreaped, OfAioThatIsReapedLate) {
    Watched watched;
    Request late = aio_made(IOCB_CMD_PREAD, 0x9000, 10, 20);
    late.reap_ns = 20 + second_ns;
    watched.watch.on_request(late);
    EXPECT_THAT(watched.codes(), ElementsAre("unreaped-completions"));
    EXPECT_EQ(watched.findings[0].severity, Severity::warn);
}

TEST(Unreaped, NotOfAioWhoseCallWaitedForMore) {
    Watched watched;
    Request waited = aio_made(IOCB_CMD_PREAD, 0x9000, 10, 20);
    waited.reap_ns = 20 + 5 * second_ns;
    waited.reap_call_ns = 15;
    watched.watch.on_request(waited);
    EXPECT_THAT(watched.findings, IsEmpty());
}

TEST(Findings, OfOneKindAreToldOnceForEachRingAndOperation) {
    Watched watched;
    Finding finding;
    finding.code = "slow-submit";
    finding.once_for = 7;
    for (int i = 0; i < 1344; i++) {
        watched.watch.on_finding(finding);
    }
    EXPECT_THAT(watched.findings, SizeIs(1));
    EXPECT_EQ(watched.watch.repeats(), 1343U);
    finding.operation = 1;
    watched.watch.on_finding(finding);
    finding.severity = Severity::critical;
    watched.watch.on_finding(finding);
    EXPECT_THAT(watched.findings, SizeIs(3));
}

Context aio_context(ContextChange change, std::uint64_t time_ns) {
    Context context;
    context.change = change;
    context.context_id = 1;
    context.time_ns = time_ns;
    return context;
}

TEST(Unreaped, OfAioThatIsNeverReaped) {
    for (const unsigned reaped : {0U, 5U, 50U}) {
        Watched watched;
        for (unsigned i = 0; i < reaped; i++) {
            watched.watch.on_request(aio_made(IOCB_CMD_PREAD, 0x9000, 10, 20));
        }
        Request never = aio_made(IOCB_CMD_PREAD, 0x9000, 10, 20);
        never.reap_ns.reset();
        watched.watch.on_request(never);
        watched.watch.on_context(aio_context(ContextChange::destroyed, 2 * second_ns));
        watched.watch.finish(9 * second_ns);
        // One that takes events from its ring without a call cannot be told from one that takes none.
        EXPECT_EQ(watched.findings.size(), reaped == 50 ? 1U : 0U) << reaped;
    }
}

TEST(Unreaped, OfAioNotShortBeforeTheEnd) {
    Watched watched;
    for (unsigned i = 0; i < 50; i++) {
        watched.watch.on_request(aio_made(IOCB_CMD_PREAD, 0x9000, 10, 20));
    }
    Request never = aio_made(IOCB_CMD_PREAD, 0x9000, 10, 20);
    never.reap_ns.reset();
    watched.watch.on_request(never);
    watched.watch.on_context(aio_context(ContextChange::destroyed, second_ns / 2));
    watched.watch.finish(9 * second_ns);
    EXPECT_THAT(watched.findings, IsEmpty());
}

// ---- overflow

TEST(Overflow, OfARing) {
    Watched watched;
    RingPart part = counted();
    part.overflowed = 3;
    watched.look(1 * ms, part);
    part.overflowed = 4;
    watched.look(2 * ms, part);
    ASSERT_THAT(watched.codes(), ElementsAre("cq-overflow"));
    EXPECT_EQ(watched.findings[0].severity, Severity::warn);
    part.cq_overflow = 2;
    watched.look(3 * ms, part);
    ASSERT_THAT(watched.codes(), ElementsAre("cq-overflow", "cq-overflow"));
    EXPECT_EQ(watched.findings[1].severity, Severity::critical);
    EXPECT_THAT(watched.findings[1].message, HasSubstr("lost 2 completions"));
}

TEST(Overflow, OfCompletionsOfNoRequest) {
    Watched watched;
    RingPart part = counted();
    part.overflowed = 6;
    part.overflowed_others = 6;
    watched.look(1 * ms, part);
    ASSERT_THAT(watched.codes(), ElementsAre("cq-overflow"));
    EXPECT_EQ(watched.findings[0].severity, Severity::info);
    EXPECT_THAT(watched.findings[0].message, HasSubstr("6 completions of no request"));
    part.overflowed = 7;
    watched.look(2 * ms, part);
    ASSERT_THAT(watched.codes(), ElementsAre("cq-overflow", "cq-overflow"));
    EXPECT_EQ(watched.findings[1].severity, Severity::warn);
}

TEST(Overflow, OfOneCompletion) {
    Watched watched;
    Completion completion;
    completion.context_id = 7;
    completion.pid = 100;
    completion.cqe.time_ns = 5;
    watched.watch.on_completion(completion);
    EXPECT_THAT(watched.findings, IsEmpty());
    completion.cqe.overflowed = true;
    watched.watch.on_completion(completion);
    completion.cqe.dropped = true;
    watched.watch.on_completion(completion);
    ASSERT_THAT(watched.codes(), ElementsAre("cq-overflow", "cq-overflow"));
    EXPECT_EQ(watched.findings[0].pid, 100U);
    EXPECT_EQ(watched.findings[1].severity, Severity::critical);
}

// ---- workers

void punt(Watched& watched, std::uint16_t opcode, unsigned requests, unsigned punted, std::uint8_t sqe_flags = 0) {
    for (unsigned i = 0; i < requests; i++) {
        UringMade made(opcode);
        made.time(10, 20).part().punts = i < punted ? 1 : 0;
        made.part().sqe_flags = sqe_flags;
        watched.watch.on_request(made.done());
    }
    watched.ring(ContextChange::destroyed, 100, counted());
}

TEST(PuntStorm, NamesTheOperation) {
    Watched watched;
    punt(watched, op_read, 200, 100);
    ASSERT_THAT(watched.codes(), ElementsAre("punt-storm"));
    EXPECT_THAT(watched.findings[0].message, HasSubstr("100 of 200 read requests (50.0 %) of the ring of fd 3"));
    watched.watch.finish(200);
    EXPECT_THAT(watched.findings, SizeIs(1));
}

TEST(PuntStorm, NotOfFewOrWanted) {
    Watched few;
    punt(few, op_read, 99, 99);
    EXPECT_THAT(few.findings, IsEmpty());
    Watched rare;
    punt(rare, op_read, 1000, 499);
    EXPECT_THAT(rare.findings, IsEmpty());
    Watched asked;
    punt(asked, op_read, 1000, 1000, 1U << 4U);
    EXPECT_THAT(asked.findings, IsEmpty());
    Watched by_nature;
    punt(by_nature, op_fsync, 1000, 1000);
    EXPECT_THAT(by_nature.findings, IsEmpty());
}

TEST(WorkerExplosion, ByTheirNumber) {
    Watched watched;
    RingPart part = counted();
    part.workers_unbound = 63;
    watched.look(1, part);
    EXPECT_THAT(watched.findings, IsEmpty());
    part.workers_unbound_max = 64;
    watched.look(2, part);
    ASSERT_THAT(watched.codes(), ElementsAre("worker-explosion"));
    EXPECT_EQ(watched.findings[0].severity, Severity::warn);
}

TEST(WorkerExplosion, AtTheLimitWhileWorkWaits) {
    for (const std::uint64_t waited_ms : {10U, 200U}) {
        Watched watched;
        RingPart part = counted();
        part.workers_bound = 4;
        part.workers_bound_limit = 4;
        watched.look(1000 * ms, part);
        watched.look(1100 * ms, part);
        UringMade made(op_write);
        made.time(1000 * ms, 1500 * ms).part().punt_ns = 1050 * ms;
        made.part().worker_ns = (1050 + waited_ms) * ms;
        watched.watch.on_request(made.done());
        EXPECT_EQ(watched.findings.size(), waited_ms == 200 ? 1U : 0U);
    }
}

// ---- requests that take long

TEST(Stuck, OnAFile) {
    Watched watched;
    watched.watch.on_request(UringMade(op_read).time(10, 10 + 10 * second_ns).done());
    watched.watch.on_request(UringMade(op_read).time(10, 10 + 10 * second_ns).done());
    ASSERT_THAT(watched.codes(), ElementsAre("stuck-request"));
    EXPECT_EQ(watched.findings[0].severity, Severity::warn);
    EXPECT_THAT(watched.findings[0].stories, SizeIs(1));
    EXPECT_EQ(watched.watch.repeats(), 1U);
}

TEST(Stuck, NotWhatWaitsByNature) {
    Watched watched;
    const std::uint64_t long_ns = 3600 * second_ns;
    UringMade linked(op_write);
    linked.time(10, long_ns).part().link_head = 99;
    for (const Request& each : {UringMade(op_poll_add).time(10, long_ns).done(),
                                UringMade(op_accept).on(file_of_kind("socket")).time(10, long_ns).done(),
                                UringMade(op_read).on(file_of_kind("pipe")).time(10, long_ns).done(), linked.done(),
                                aio_made(IOCB_CMD_POLL, 0x9000, 10, long_ns)}) {
        watched.watch.on_request(each);
    }
    EXPECT_THAT(watched.findings, IsEmpty());
}

TEST(Stuck, InfoWhereItMayBeRight) {
    Watched watched;
    watched.watch.on_request(UringMade(op_connect).on(file_of_kind("socket")).time(10, 20 * second_ns).done());
    ASSERT_THAT(watched.codes(), ElementsAre("stuck-request"));
    EXPECT_EQ(watched.findings[0].severity, Severity::info);
}

TEST(Stuck, AtTheEndOfTheTrace) {
    Watched watched;
    watched.watch.on_request(UringMade(op_read).from(5 * second_ns).done());
    watched.watch.on_request(UringMade(op_read).from(1 * second_ns).done());
    watched.watch.finish(11 * second_ns);
    ASSERT_THAT(watched.codes(), ElementsAre("stuck-request"));
    EXPECT_THAT(watched.findings[0].message, HasSubstr("for 10.0 s and has not completed"));
}

// ---- requests that their ring or process left behind

TEST(InFlightAtEnd, BySeverity) {
    Watched watched;
    watched.watch.on_request(UringMade(op_write).time(10, 20).outcome(Outcome::abandoned).done());
    watched.watch.on_request(
        UringMade(op_read).on(file_of_kind("pipe")).time(10, 20).outcome(Outcome::abandoned).done());
    watched.watch.on_request(UringMade(op_poll_add).time(10, 20).outcome(Outcome::abandoned).done());
    watched.watch.on_request(UringMade(op_write).from(10).done());
    ASSERT_THAT(watched.codes(), ElementsAre("in-flight-at-end", "in-flight-at-end"));
    EXPECT_EQ(watched.findings[0].severity, Severity::warn);
    EXPECT_THAT(watched.findings[0].message, HasSubstr("nobody knows whether its data was written"));
    EXPECT_EQ(watched.findings[1].severity, Severity::info);
}

// ---- how a ring is used

void submit(Watched& watched, unsigned requests, unsigned single, std::uint32_t sq_thread_tid = 0) {
    for (unsigned i = 0; i < requests; i++) {
        UringMade made(op_read);
        made.time(10, 20).part().batch = i < single ? 1 : 8;
        made.part().sq_thread_tid = sq_thread_tid;
        watched.watch.on_request(made.done());
    }
}

TEST(OneEnterPerRequest, OfARing) {
    Watched watched;
    submit(watched, 1000, 900);
    watched.ring(ContextChange::at_end, 100, counted());
    EXPECT_THAT(watched.findings, IsEmpty());
    watched.watch.finish(100);
    ASSERT_THAT(watched.codes(), ElementsAre("one-enter-per-request"));
    EXPECT_EQ(watched.findings[0].severity, Severity::info);
}

TEST(OneEnterPerRequest, NotOfOneAtATime) {
    Watched alone;
    submit(alone, 1000, 1000);
    alone.ring(ContextChange::destroyed, 100, counted(), 1);
    EXPECT_THAT(alone.findings, IsEmpty());
    Watched batched;
    submit(batched, 1000, 899);
    batched.ring(ContextChange::destroyed, 100, counted());
    EXPECT_THAT(batched.findings, IsEmpty());
    Watched polled;
    submit(polled, 1000, 1000, 55);
    polled.ring(ContextChange::destroyed, 100, counted());
    EXPECT_THAT(polled.findings, IsEmpty());
}

TEST(SqpollAsleep, WhileWorkWaits) {
    Watched watched;
    RingPart part = counted();
    part.setup_flags = 2;
    part.sq_flags = 1;
    part.sq_tail = 3;
    watched.look(100 * ms, part);
    watched.look(199 * ms, part);
    EXPECT_THAT(watched.findings, IsEmpty());
    watched.look(200 * ms, part);
    ASSERT_THAT(watched.codes(), ElementsAre("sqpoll-asleep"));
    EXPECT_THAT(watched.findings[0].message, HasSubstr("3 SQEs wait"));
}

TEST(SqpollAsleep, NotWhenItWorksOrNothingWaits) {
    Watched watched;
    RingPart part = counted();
    part.setup_flags = 2;
    for (unsigned i = 0; i < 20; i++) {
        part.sq_flags = 1;
        part.sq_head = i;
        part.sq_tail = i + (i % 2);
        watched.look(i * 200 * ms, part);
    }
    part.sq_flags = 0;
    part.sq_tail = part.sq_head + 3;
    watched.look(10 * second_ns, part);
    watched.look(20 * second_ns, part);
    part.setup_flags = 0;
    part.sq_flags = 1;
    watched.look(30 * second_ns, part);
    watched.look(40 * second_ns, part);
    EXPECT_THAT(watched.findings, IsEmpty());
}

TEST(FindingsPass, EverythingOn) {
    Watched watched;
    watched.watch.on_request(UringMade(op_read).time(10, 20).done());
    watched.watch.on_cancel({});
    watched.watch.on_event({});
    watched.watch.on_finding({});
    EXPECT_THAT(watched.requests, SizeIs(1));
    EXPECT_THAT(watched.cancels, SizeIs(1));
    EXPECT_THAT(watched.events, SizeIs(1));
    EXPECT_THAT(watched.findings, SizeIs(1));
}

}  // namespace
}  // namespace inflight::model::test
