// SPDX-License-Identifier: Apache-2.0
// What the kernel counts beyond what is listed, and completions that nobody took.
#include "model/census.hpp"

#include "records.hpp"

#include <gmock/gmock.h>

#include <cerrno>

namespace inflight::model {
namespace {

using test::set_header;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

ifl_tally task_with(std::uint32_t pid, std::uint64_t object, std::int64_t in_flight) {
    ifl_tally tally{};
    set_header(tally, IFL_TALLY, 10);
    tally.object = object;
    tally.in_flight = in_flight;
    tally.pid = pid;
    tally.tid = pid;
    tally.family = IFL_FAMILY_URING;
    return tally;
}

ifl_tally context_with(std::uint64_t context_id, std::int64_t in_flight) {
    ifl_tally tally = task_with(7, 0xc000 + context_id, in_flight);
    tally.family = IFL_FAMILY_AIO;
    tally.context_id = context_id;
    tally.ctx_id = 0x7f00;
    return tally;
}

ifl_unreaped completion(std::uint64_t context_id, std::uint64_t user_data, std::int64_t result,
                        std::uint32_t position) {
    ifl_unreaped record{};
    set_header(record, IFL_UNREAPED, 11);
    record.context = 0xc0000;
    record.context_id = context_id;
    record.user_data = user_data;
    record.result = result;
    record.position = position;
    record.pid = 7;
    return record;
}

InFlight listed(Family family, std::uint32_t pid, std::uint64_t context_id) {
    InFlight each;
    each.request.family = family;
    each.request.pid = pid;
    each.request.context_id = context_id;
    return each;
}

class CensusTest : public testing::Test {
protected:
    template <typename Record>
    void write(const Record& record) {
        census_.on_record(record.header);
    }
    void look() {
        ifl_snapshot snapshot{};
        set_header(snapshot, IFL_SNAPSHOT, 20);
        census_.on_record(snapshot.header);
    }

    Census census_;
};

TEST_F(CensusTest, NothingIsKnownBeforeALook) {
    write(task_with(7, 1, 3));
    EXPECT_FALSE(census_.counted());
    look();
    EXPECT_TRUE(census_.counted());
}

TEST_F(CensusTest, TheLowerOfTwoCountsLessWhatIsListed) {
    write(task_with(7, 1, 5));
    write(task_with(7, 1, 4));
    look();
    const auto more =
        census_.unlisted({listed(Family::uring, 7, 1), listed(Family::uring, 8, 1), listed(Family::aio, 7, 1)});
    ASSERT_THAT(more, SizeIs(1));
    EXPECT_EQ(more[0].requests, 3U);
    EXPECT_EQ(more[0].pid, 7U);
}

TEST_F(CensusTest, TheTasksOfAProcessCountTogether) {
    for (int count = 0; count < 2; count++) {
        write(task_with(7, 1, 2));
        write(task_with(7, 2, 3));
    }
    look();
    const auto more = census_.unlisted({});
    ASSERT_THAT(more, SizeIs(1));
    EXPECT_EQ(more[0].requests, 5U);
}

TEST_F(CensusTest, WhatOneCountOnlyHasIsPassedOver) {
    write(task_with(7, 1, 2));
    look();
    EXPECT_THAT(census_.unlisted({}), IsEmpty());
}

TEST_F(CensusTest, MoreListedThanCountedIsNothing) {
    write(task_with(7, 1, 1));
    write(task_with(7, 1, -1));
    look();
    EXPECT_THAT(census_.unlisted({listed(Family::uring, 7, 1)}), IsEmpty());
}

TEST_F(CensusTest, ContextsCountEachForItself) {
    for (int count = 0; count < 2; count++) {
        write(context_with(1, 2));
        write(context_with(2, 1));
    }
    look();
    const auto more = census_.unlisted({listed(Family::aio, 7, 2)});
    ASSERT_THAT(more, SizeIs(1));
    EXPECT_EQ(more[0].requests, 2U);
    EXPECT_EQ(more[0].family, Family::aio);
}

TEST_F(CensusTest, CompletionsAreRequestsThatAreOver) {
    write(completion(1, 0xa, 512, 0));
    write(completion(1, 0xa, -ECANCELED, 1));
    write(completion(2, 0xb, -EIO, 1));
    look();
    const auto unreaped = census_.unreaped({});
    ASSERT_THAT(unreaped, SizeIs(3));
    EXPECT_THAT((std::vector{unreaped[0].request.outcome, unreaped[1].request.outcome, unreaped[2].request.outcome}),
                ElementsAre(Outcome::completed, Outcome::cancelled, Outcome::failed));
    EXPECT_EQ(unreaped[0].stage, Stage::unreaped);
    EXPECT_EQ(unreaped[0].cancellable.means, CancelMeans::none);
    EXPECT_NE(unreaped[0].id, unreaped[1].id) << "the same user_data at two places of the ring";
    EXPECT_EQ(census_.unreaped_of(1), 2U);
    look();
    EXPECT_THAT(census_.unreaped({}), IsEmpty()) << "of the last look only";
}

TEST_F(CensusTest, WhatCouldNotBeReadIsNotNone) {
    ifl_unreaped unread = completion(1, 0, 0, 0);
    unread.flags = IFL_UNREAPED_UNREAD;
    write(unread);
    ifl_unreaped left_out = completion(2, 0, 900, 0);
    left_out.flags = IFL_UNREAPED_LEFT_OUT;
    write(completion(2, 0xa, 1, 0));
    write(left_out);
    look();
    EXPECT_THAT(census_.unreaped({}), SizeIs(1));
    EXPECT_EQ(census_.unreaped_of(1), std::nullopt);
    EXPECT_EQ(census_.unreaped_of(2), 901U);
    EXPECT_EQ(census_.rings_unread(), 1U);
    EXPECT_EQ(census_.completions_left_out(), 900U);
}

TEST_F(CensusTest, ARecordThatIsTooShortIsNone) {
    ifl_tally tally = task_with(7, 1, 3);
    tally.header.size_bytes = sizeof(ifl_header);
    write(tally);
    look();
    EXPECT_FALSE(census_.counted());
}

}  // namespace
}  // namespace inflight::model
