// SPDX-License-Identifier: Apache-2.0
// Requests that corrupt each other's memory or file, and those that only look so.
#include "model/conflicts.hpp"

#include "made.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <random>

namespace inflight::model::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t op_readv = 1;
constexpr std::uint16_t op_read_fixed = 4;
constexpr std::uint16_t op_recvmsg = 10;
constexpr std::uint16_t op_read = 22;
constexpr std::uint16_t op_write = 23;
constexpr std::uint16_t op_recv = 27;
constexpr std::uint16_t op_send_zc = 47;

struct Checked : Recorder {
    explicit Checked(ConflictOptions options = {}) : conflicts(options, *this) {}

    template <typename... Requests>
    explicit Checked(ConflictOptions options, const Requests&... given) : conflicts(options, *this) {
        (conflicts.on_request(given), ...);
    }

    Conflicts conflicts;
};

template <typename... Requests>
std::vector<Finding> found(const Requests&... requests) {
    return Checked({}, requests...).findings;
}

Request read_into(std::uint64_t address, std::uint64_t length, std::uint64_t submit_ns, std::uint64_t complete_ns) {
    return UringMade(op_read).memory(address, length).time(submit_ns, complete_ns).moved(length).done();
}

Request write_from(std::uint64_t address, std::uint64_t length, std::uint64_t submit_ns, std::uint64_t complete_ns,
                   std::int64_t offset = -1) {
    return UringMade(op_write).memory(address, length).at(offset).time(submit_ns, complete_ns).moved(length).done();
}

// ---- memory that goes away

Unmap unmap_at(std::uint64_t time_ns, std::uint64_t address, std::uint64_t length, std::uint32_t pid = 100) {
    return {.time_ns = time_ns,
            .pid = pid,
            .tid = pid + 1,
            .comm = "worker",
            .call = "munmap",
            .address = address,
            .length_bytes = length};
}

std::vector<Finding> found_after(const Unmap& unmap, const Request& request) {
    Checked checked;
    checked.conflicts.on_unmap(unmap);
    checked.conflicts.on_request(request);
    return checked.findings;
}

TEST(MemoryUnmapped, UnderARead) {
    const auto findings = found_after(unmap_at(20, 0x1800, 0x1000), read_into(0x1000, 0x1000, 10, 50));
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_EQ(findings[0].code, "memory-unmapped");
    EXPECT_EQ(findings[0].severity, Severity::critical);
    EXPECT_EQ(findings[0].time_ns, 20U);
    EXPECT_EQ(findings[0].tid, 101U) << "of who unmapped it";
    EXPECT_THAT(findings[0].message, HasSubstr("munmap took 2048 bytes at 0x1800 away, 10 ns after read on fd 5"));
    EXPECT_THAT(findings[0].message, HasSubstr("30 ns before it ended"));
    EXPECT_THAT(findings[0].stories, SizeIs(1));
}

TEST(MemoryUnmapped, NotBeforeOrAfterOrElsewhere) {
    const Request read = read_into(0x1000, 0x1000, 10, 50);
    EXPECT_THAT(found_after(unmap_at(10, 0x1000, 0x1000), read), IsEmpty());
    EXPECT_THAT(found_after(unmap_at(50, 0x1000, 0x1000), read), IsEmpty());
    EXPECT_THAT(found_after(unmap_at(20, 0x2000, 0x1000), read), IsEmpty());
    EXPECT_THAT(found_after(unmap_at(20, 0x0, 0x1000), read), IsEmpty());
    EXPECT_THAT(found_after(unmap_at(20, 0x1000, 0x1000, 200), read), IsEmpty()) << "another process's memory";
    EXPECT_THAT(found_after(unmap_at(20, 0x1000, 0), read), IsEmpty());
}

TEST(MemoryUnmapped, OfARegisteredBufferIsNone) {
    const Request fixed = UringMade(op_read_fixed).memory(0x1000, 16).registered(0).time(10, 50).moved(16).done();
    EXPECT_THAT(found_after(unmap_at(20, 0x1000, 0x1000), fixed), IsEmpty());
}

TEST(MemoryUnmapped, UnderARequestThatHasNotEnded) {
    const Request waiting = UringMade(op_read).memory(0x1000, 16).from(10).done();
    EXPECT_THAT(found_after(unmap_at(20, 0x1000, 0x1000), waiting), SizeIs(1));
}

// ---- memory

TEST(BufferOverlap, OfTwoReads) {
    Request one = read_into(0x1000, 0x1000, 10, 30);
    Request other = read_into(0x1800, 0x1000, 20, 40);
    one.user_data = 0xa;
    one.user_data_known = true;
    const auto findings = found(one, other);
    ASSERT_THAT(findings, SizeIs(1));
    const Finding& finding = findings[0];
    EXPECT_EQ(finding.code, "buffer-overlap");
    EXPECT_EQ(finding.severity, Severity::critical);
    EXPECT_EQ(finding.pid, 100U);
    EXPECT_EQ(finding.tid, 101U);
    EXPECT_EQ(finding.time_ns, 20U) << "when it began";
    EXPECT_THAT(finding.message, HasSubstr("read on fd 5 /data/file, user_data 0xa (writes 4096 bytes at 0x1000)"));
    EXPECT_THAT(finding.message, HasSubstr("they share 2048 bytes at 0x1800"));
    EXPECT_THAT(finding.message, HasSubstr("for 10 ns"));
    ASSERT_THAT(finding.stories, SizeIs(2));
    EXPECT_EQ(finding.stories[0].submit_ns, 10U) << "the earlier first";
}

TEST(BufferOverlap, OfAddressesInTheFirstPageIsNone) {
    EXPECT_THAT(found(read_into(0x8, 16, 10, 30), read_into(0x8, 16, 20, 40)), IsEmpty());
}

TEST(BufferOverlap, InWhateverOrderTheyEnd) {
    EXPECT_THAT(found(read_into(0x1000, 16, 20, 25), read_into(0x1000, 16, 10, 30)), SizeIs(1));
    EXPECT_THAT(found(read_into(0x1000, 16, 10, 30), read_into(0x1000, 16, 20, 25)), SizeIs(1));
}

TEST(BufferOverlap, OfAReadAndAWrite) {
    EXPECT_THAT(found(write_from(0x1000, 64, 10, 30), read_into(0x103f, 64, 20, 40)), SizeIs(1));
}

TEST(BufferOverlap, NotOfTwoWrites) {
    EXPECT_THAT(found(write_from(0x1000, 64, 10, 30), write_from(0x1000, 64, 20, 40)), IsEmpty());
}

TEST(BufferOverlap, NotOfNeighbours) {
    EXPECT_THAT(found(read_into(0x1000, 64, 10, 30), read_into(0x1040, 64, 20, 40), read_into(0xfff, 1, 20, 40)),
                IsEmpty());
}

TEST(BufferOverlap, NotOneAfterTheOther) {
    EXPECT_THAT(found(read_into(0x1000, 64, 10, 30), read_into(0x1000, 64, 30, 40)), IsEmpty());
}

TEST(BufferOverlap, NotInTwoProcesses) {
    Request other = read_into(0x1000, 64, 20, 40);
    other.pid = 200;
    EXPECT_THAT(found(read_into(0x1000, 64, 10, 30), other), IsEmpty());
}

TEST(BufferOverlap, OfBothFamilies) {
    Request aio = aio_made(IOCB_CMD_PREAD, 0x9000, 10, 30);
    aio.buffer = 0x1000;
    aio.length = 64;
    EXPECT_THAT(found(aio, read_into(0x1000, 64, 20, 40)), SizeIs(1));
}

TEST(BufferOverlap, OfWhatHasNotEnded) {
    const Request one = UringMade(op_read).memory(0x1000, 64).from(10).done();
    const Request other = UringMade(op_recv).memory(0x1000, 64).from(20).done();
    const auto findings = found(one, other);
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_THAT(findings[0].message, HasSubstr("neither has ended"));
}

TEST(BufferOverlap, NotInOneChain) {
    UringMade head(op_read);
    head.memory(0x1000, 64).time(10, 30);
    UringMade second(op_write);
    second.memory(0x1000, 64).time(10, 50).part().link_head = head.part().request_id;
    UringMade third(op_read);
    third.memory(0x1000, 64).time(10, 60).part().link_head = head.part().request_id;
    EXPECT_THAT(found(head.done(), second.done(), third.done()), IsEmpty());
    EXPECT_THAT(found(head.done(), read_into(0x1000, 64, 20, 40)), SizeIs(1)) << "not of the chain";
}

TEST(BufferOverlap, NotAcrossADrain) {
    UringMade drained(op_write);
    drained.memory(0x1000, 64).time(10, 50).part().sqe_flags = 2;
    EXPECT_THAT(found(read_into(0x1000, 64, 10, 30), drained.done()), IsEmpty());
    drained.request().context_id = 8;
    EXPECT_THAT(found(read_into(0x1000, 64, 10, 30), drained.done()), SizeIs(1)) << "a drain is of one ring";
}

TEST(BufferOverlap, NotWhereNothingIsTouched) {
    UringMade chosen(op_recv);
    chosen.memory(0x1000, 64).time(10, 30).part().sqe_flags = 1U << 5U;
    UringMade refused(op_read);
    refused.memory(0x1000, 64).time(10, 30).part().prep_failed = true;
    EXPECT_THAT(found(read_into(0x1000, 64, 10, 40), chosen.done(), refused.done(), read_into(0x1000, 0, 10, 40),
                      UringMade(0).memory(0x1000, 64).time(10, 40).done()),
                IsEmpty());
}

TEST(BufferOverlap, WhileAZeroCopySendHasTheBuffer) {
    UringMade send(op_send_zc);
    send.memory(0x1000, 64).time(10, 30).part().notified_ns = 100;
    EXPECT_THAT(found(send.done(), read_into(0x1000, 64, 50, 60)), SizeIs(1));
    EXPECT_THAT(found(send.done(), read_into(0x1000, 64, 100, 110)), IsEmpty());
}

// With IORING_SEND_VECTORIZED the address is that of vectors, which are not read: nothing is known of the memory.
TEST(BufferOverlap, NotOfASendOfVectors) {
    Request send = UringMade(op_send_zc).memory(0x1000, 64).time(10, 30).done();
    EXPECT_THAT(found(send, read_into(0x1000, 64, 10, 40)), SizeIs(1));
    send.ioprio = 1U << 5U;
    EXPECT_THAT(found(send, read_into(0x1000, 64, 10, 40)), IsEmpty());
}

Request readv(std::initializer_list<iovec> vectors, std::uint64_t submit_ns, std::uint64_t complete_ns,
              std::uint32_t total) {
    UringMade made(op_readv);
    made.memory(0x500, vectors.size()).time(submit_ns, complete_ns);
    Detail detail;
    detail.kind = IFL_DETAIL_IOVECS;
    detail.total = total;
    detail.bytes.assign(reinterpret_cast<const char*>(vectors.begin()), vectors.size() * sizeof(iovec));
    made.part().details.push_back(detail);
    return made.done();
}

iovec vector_at(std::uintptr_t address, std::size_t length) {
    return {.iov_base = reinterpret_cast<void*>(address), .iov_len = length};
}

TEST(BufferOverlap, OfVectors) {
    Checked checked({}, readv({vector_at(0x1000, 16), vector_at(0x3000, 16)}, 10, 30, 2),
                    readv({vector_at(0x2000, 16), vector_at(0x300f, 16), vector_at(0x3000, 2)}, 20, 40, 3));
    EXPECT_THAT(checked.codes(), ElementsAre("buffer-overlap"));
    EXPECT_EQ(checked.conflicts.limits().repeats, 0U) << "one pair of requests is one finding";
    EXPECT_EQ(checked.conflicts.limits().memory_unknown, 0U);
}

TEST(BufferOverlap, SaysWhichMemoryIsNotKnown) {
    Request aio = aio_made(IOCB_CMD_PREADV, 0x9000, 10, 30);
    aio.buffer = 0x1000;
    aio.length = 2;
    Checked checked({}, aio, readv({vector_at(0x1000, 16)}, 10, 30, 2),
                    UringMade(op_recvmsg).memory(0x1000, 1).time(10, 30).done(), read_into(0x1000, 64, 10, 30));
    EXPECT_THAT(checked.codes(), ElementsAre("buffer-overlap")) << "of the vector that is known";
    EXPECT_EQ(checked.conflicts.limits().memory_unknown, 3U);
}

TEST(BufferOverlap, AccusesNobodyWhoseTimesAreNotKnown) {
    Request late = read_into(0x1000, 64, 10, 30);
    late.completion_exact = false;
    Request unpaired = read_into(0x1000, 64, 10, 30);
    unpaired.submit_ns.reset();
    unpaired.unpaired = true;
    Checked checked({}, read_into(0x1000, 64, 5, 40), late, unpaired);
    EXPECT_THAT(checked.findings, IsEmpty());
    EXPECT_EQ(checked.conflicts.limits().time_unknown, 2U);
    late.reap_ns = 30;
    EXPECT_THAT(found(read_into(0x1000, 64, 5, 40), late), SizeIs(1)) << "it had not been reaped before";
}

TEST(BufferOverlap, OfWhatWasThereBeforeTheTrace) {
    Request existed = read_into(0x1000, 64, 10, 30);
    existed.submit_ns.reset();
    existed.existed = true;
    EXPECT_THAT(found(existed, read_into(0x1000, 64, 20, 40)), SizeIs(1));
    EXPECT_THAT(found(existed, read_into(0x1000, 64, 30, 40)), IsEmpty());
}

TEST(BufferOverlap, IsToldOnceAndCounted) {
    Checked checked;
    for (std::uint64_t i = 0; i < 10; i++) {
        checked.conflicts.on_request(read_into(0x1000, 64, 10 + i, 100 + i));
    }
    EXPECT_THAT(checked.findings, SizeIs(1));
    EXPECT_EQ(checked.conflicts.limits().repeats, 44U);
    EXPECT_THAT(checked.requests, SizeIs(10)) << "all go on";
}

TEST(BufferOverlap, SaysWhatItMayHaveForgotten) {
    Checked checked({.remembered = 4, .processes = 256, .events_shown = ~0U});
    for (std::uint64_t i = 0; i < 100; i++) {
        checked.conflicts.on_request(read_into(0x1000 * (i + 1), 64, 10 * i, 10 * i + 5));
    }
    EXPECT_EQ(checked.conflicts.limits().forgotten, 0U) << "nobody could have met the old ones";
    checked.conflicts.on_request(read_into(0x1000, 64, 3, 2000));
    EXPECT_THAT(checked.findings, IsEmpty());
    EXPECT_EQ(checked.conflicts.limits().forgotten, 1U);
}

TEST(BufferOverlap, RemembersTheLatestProcesses) {
    Checked checked({.remembered = 64, .processes = 2, .events_shown = ~0U});
    for (std::uint32_t pid = 1; pid <= 5; pid++) {
        Request request = read_into(0x1000, 64, pid * 100, pid * 100 + 50);
        request.pid = pid;
        checked.conflicts.on_request(request);
    }
    Request again = read_into(0x1000, 64, 510, 600);
    again.pid = 5;
    checked.conflicts.on_request(again);
    EXPECT_THAT(checked.findings, SizeIs(1));
}

TEST(BufferOverlap, InfoWhereItDidNoHarm) {
    Request cancelled = read_into(0x1000, 64, 10, 30);
    cancelled.result = -ECANCELED;
    Request short_read = read_into(0x1000, 64, 10, 30);
    short_read.result = 32;
    Request damaged = read_into(0x1000, 64, 10, 30);
    damaged.result = -EIO;
    const auto severity = [](const Request& one, const Request& other) { return found(one, other).at(0).severity; };
    EXPECT_EQ(severity(read_into(0x1000, 64, 20, 40), cancelled), Severity::info);
    EXPECT_EQ(severity(read_into(0x1020, 64, 20, 40), short_read), Severity::info) << "behind what was read";
    EXPECT_EQ(severity(read_into(0x101f, 64, 20, 40), short_read), Severity::critical);
    EXPECT_EQ(severity(read_into(0x1000, 64, 20, 40), damaged), Severity::critical) << "who knows";
}

// Against a search of everything: random requests of few buffers of many sizes.
TEST(BufferOverlap, AsASlowSearchFindsThem) {
    for (unsigned seed = 0; seed < 200; seed++) {
        std::mt19937_64 random(seed);
        std::vector<Request> all;
        for (int i = 0; i < 100; i++) {
            const std::uint64_t submit_ns = random() % 1000;
            const std::uint64_t length = 1 + random() % (std::uint64_t{1} << (random() % 12));
            const auto make = random() % 3 == 0 ? write_from : nullptr;
            const std::uint64_t address = 0x1000 + random() % 0x20000;
            const std::uint64_t complete_ns = submit_ns + 1 + random() % 50;
            all.push_back(make != nullptr ? make(address, length, submit_ns, complete_ns, -1)
                                          : read_into(address, length, submit_ns, complete_ns));
        }
        std::uint64_t expected = 0;
        for (std::size_t i = 0; i < all.size(); i++) {
            for (std::size_t j = 0; j < i; j++) {
                const Request& a = all[i];
                const Request& b = all[j];
                expected += a.buffer < b.buffer + b.length && b.buffer < a.buffer + a.length &&
                                    *a.submit_ns < *b.complete_ns && *b.submit_ns < *a.complete_ns &&
                                    (a.opcode == op_read || b.opcode == op_read)
                                ? 1
                                : 0;
            }
        }
        Checked checked;
        for (const Request& each : all) {
            checked.conflicts.on_request(each);
        }
        EXPECT_EQ(checked.findings.size() + checked.conflicts.limits().repeats, expected) << "seed " << seed;
    }
}

// ---- files

TEST(FileOverlap, OfTwoWrites) {
    const auto findings = found(write_from(0x1000, 100, 10, 30, 4096), write_from(0x2000, 100, 20, 40, 4100));
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_EQ(findings[0].code, "file-overlap");
    EXPECT_EQ(findings[0].severity, Severity::warn);
    EXPECT_THAT(findings[0].message, HasSubstr("both write 96 bytes at 4100"));
}

TEST(FileOverlap, AtTheBeginningMayBeAnAppend) {
    const auto findings = found(write_from(0x1000, 100, 10, 30, 0), write_from(0x2000, 100, 20, 40, 0));
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_EQ(findings[0].severity, Severity::info);
}

TEST(FileOverlap, NotOfOtherPlacesAndFiles) {
    Request appended = write_from(0x1000, 100, 10, 30, 4096);
    appended.rw_flags = 0x10;
    Request other_file = write_from(0x1000, 100, 10, 30, 4096);
    other_file.file = file_of_kind("regular file", 2);
    Request pipe = write_from(0x1000, 100, 10, 30, 4096);
    pipe.file = file_of_kind("pipe");
    EXPECT_THAT(found(write_from(0x1000, 100, 10, 30, 4096), write_from(0x1000, 100, 10, 30, 4196), appended,
                      other_file, pipe, write_from(0x1000, 100, 10, 30, -1), write_from(0x1000, 100, 30, 50, 4096)),
                IsEmpty());
}

// ---- iocbs

TEST(IocbReused, WhileInFlight) {
    const auto findings = found(aio_made(IOCB_CMD_POLL, 0x9000, 10, 30), aio_made(IOCB_CMD_POLL, 0x9000, 20, 40));
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_EQ(findings[0].code, "iocb-reused");
    EXPECT_EQ(findings[0].severity, Severity::warn);
}

TEST(IocbReused, NotAfterwards) {
    EXPECT_THAT(found(aio_made(IOCB_CMD_POLL, 0x9000, 10, 30), aio_made(IOCB_CMD_POLL, 0x9000, 30, 40),
                      aio_made(IOCB_CMD_POLL, 0x9040, 10, 30)),
                IsEmpty());
}

// ---- registered buffers

Event registering(std::uint32_t opcode, std::uint64_t start_ns, std::uint32_t offset = 0, std::uint32_t count = 0) {
    Event event;
    event.family = Family::uring;
    event.call.syscall = IFL_IO_URING_REGISTER;
    event.call.args[0] = 3;
    event.call.args[1] = opcode;
    event.call.start_ns = start_ns;
    event.call.task.pid = 100;
    if (count != 0) {
        const std::uint32_t update[8] = {offset, 0, 0, 0, 0, 0, count, 0};
        Detail detail;
        detail.kind = IFL_DETAIL_REGISTER;
        detail.bytes.assign(reinterpret_cast<const char*>(&update[0]), sizeof(update));
        event.details.push_back(detail);
    }
    return event;
}

Request fixed_read(std::uint16_t index, std::uint64_t submit_ns, std::uint64_t complete_ns) {
    return UringMade(op_read_fixed)
        .memory(0x1000 * (submit_ns + 1), 64)
        .registered(index)
        .time(submit_ns, complete_ns)
        .done();
}

TEST(BufferUnregistered, UnderARequest) {
    for (const bool request_first : {false, true}) {
        Checked checked;
        const Request request = fixed_read(2, 10, 30);
        if (request_first) {
            checked.conflicts.on_request(request);
        }
        checked.conflicts.on_event(registering(1, 20));
        if (!request_first) {
            checked.conflicts.on_request(request);
        }
        ASSERT_THAT(checked.codes(), ElementsAre("buffer-unregistered"));
        EXPECT_THAT(checked.findings[0].message, HasSubstr("registered buffer 2"));
        EXPECT_THAT(checked.findings[0].stories, SizeIs(1));
    }
}

TEST(BufferUnregistered, ByAnUpdateOfItsIndex) {
    for (const std::uint32_t offset : {0U, 2U, 3U}) {
        Checked checked({}, fixed_read(2, 10, 30));
        checked.conflicts.on_event(registering(16, 20, offset, 1));
        EXPECT_EQ(checked.findings.size(), offset == 2 ? 1U : 0U);
    }
    Checked checked({}, fixed_read(2, 10, 30));
    checked.conflicts.on_event(registering(16, 20));
    EXPECT_THAT(checked.findings, IsEmpty());
    EXPECT_EQ(checked.conflicts.limits().buffer_calls, 1U) << "which ones is not known";
}

TEST(BufferUnregistered, NotBeforeOrAfter) {
    Checked checked({}, fixed_read(2, 10, 20), fixed_read(2, 20, 30));
    checked.conflicts.on_event(registering(1, 20));
    Event refused = registering(1, 15);
    refused.call.ret = -ENXIO;
    checked.conflicts.on_event(refused);
    EXPECT_THAT(checked.findings, IsEmpty());
}

TEST(ConflictEvents, EndHereUnlessAskedFor) {
    Checked checked({.remembered = 4, .processes = 256, .events_shown = 1U << IFL_IO_SUBMIT});
    checked.conflicts.on_event(registering(1, 20));
    EXPECT_THAT(checked.events, IsEmpty());
    Event submit;
    submit.call.syscall = IFL_IO_SUBMIT;
    checked.conflicts.on_event(submit);
    EXPECT_THAT(checked.events, SizeIs(1));
}

}  // namespace
}  // namespace inflight::model::test
