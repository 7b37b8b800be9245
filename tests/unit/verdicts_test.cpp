// SPDX-License-Identifier: Apache-2.0
// The judgement of one io_cancel, from the facts alone.
#include "model/verdicts.hpp"

#include "records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inflight::model::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t start = 1000;

struct Facts {
    Facts() { facts.call = &call; }
    Facts(const Facts&) = delete;
    Facts& operator=(const Facts&) = delete;

    Request& candidate(std::uint16_t opcode, std::uint64_t submit, std::optional<std::uint64_t> complete,
                       std::int64_t res = 0) {
        auto& made = requests.emplace_back(std::make_unique<Request>());
        made->opcode = opcode;
        made->address = the_iocb;
        made->submit_ns = submit;
        made->complete_ns = complete;
        made->result = res;
        made->outcome = complete ? Outcome::completed : Outcome::in_flight;
        facts.candidates.push_back({.request = made.get(), .taken_ns = {}});
        return *made;
    }
    void take_last(std::uint64_t time_ns) { facts.candidates.back().taken_ns = time_ns; }
    [[nodiscard]] Judgement judge() const { return model::judge(facts); }

    CallRecord call = cancel(the_iocb).span(start, start + 10);
    CancelFacts facts;
    std::vector<std::unique_ptr<Request>> requests;
};

// ---- EFAULT

TEST(Verdicts, NullPointer) {
    Facts facts;
    facts.call.returns(-EFAULT).argument(1, 0);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::bad_pointer);
    EXPECT_EQ(got.reason, "iocb is NULL");
    EXPECT_TRUE(got.certain);
}

TEST(Verdicts, WildPointer) {
    Facts facts;
    facts.call.returns(-EFAULT);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::bad_pointer);
    EXPECT_THAT(got.reason, HasSubstr("0x5000 cannot be read"));
}

// ---- the six reasons for EINVAL

TEST(Verdicts, BadKey) {
    Facts facts;
    facts.call.key(0xbad);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::bad_key);
    EXPECT_THAT(got.reason, HasSubstr("0xbad"));
    EXPECT_TRUE(got.certain);
}

TEST(Verdicts, BadContext) {
    Facts facts;
    facts.call.no_context(0x1234);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::bad_context);
    EXPECT_EQ(got.reason, "the process has no context 0x1234");
    EXPECT_TRUE(got.certain);
}

TEST(Verdicts, ContextZero) {
    Facts facts;
    facts.call.no_context(0);
    EXPECT_EQ(facts.judge().verdict, Verdict::bad_context);
    EXPECT_THAT(facts.judge().reason, HasSubstr("ctx_id is 0"));
}

TEST(Verdicts, DestroyedContext) {
    Facts facts;
    facts.call.no_context(0x1234);
    facts.facts.context = {
        .why = KnownContext::Why::destroyed, .destroyed_ns = start - 700, .owner_pid = 0, .owner_comm = {}};
    EXPECT_EQ(facts.judge().verdict, Verdict::bad_context);
    EXPECT_EQ(facts.judge().reason, "context 0x1234 was destroyed 700 ns before");
}

TEST(Verdicts, ForeignContext) {
    Facts facts;
    facts.call.no_context(0x1234);
    facts.facts.context = {
        .why = KnownContext::Why::other_process, .destroyed_ns = 0, .owner_pid = 42, .owner_comm = "parent"};
    EXPECT_EQ(facts.judge().verdict, Verdict::bad_context);
    EXPECT_THAT(facts.judge().reason, HasSubstr("belongs to process 42 (parent)"));
}

TEST(Verdicts, UnknownRequest) {
    Facts facts;
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::unknown_request);
    EXPECT_TRUE(got.certain);
    EXPECT_EQ(got.target, nullptr);
}

TEST(Verdicts, NotCancellable) {
    for (const auto opcode :
         {IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV}) {
        Facts facts;
        const auto& target = facts.candidate(static_cast<std::uint16_t>(opcode), 10, std::nullopt);
        const auto got = facts.judge();
        EXPECT_EQ(got.verdict, Verdict::not_cancellable) << opcode;
        EXPECT_EQ(got.target, &target);
        EXPECT_TRUE(got.certain);
    }
}

TEST(Verdicts, NamesTheOperationAndTheFile) {
    Facts facts;
    auto& target = facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt);
    target.file = std::make_shared<File>(File{.name = "/data/t.ibd",
                                              .kind = "regular file",
                                              .inode = 1,
                                              .device_major = 8,
                                              .device_minor = 0,
                                              .unlinked = false,
                                              .truncated = false});
    EXPECT_THAT(facts.judge().reason, StartsWith("pread on regular file (/data/t.ibd) was in flight"));
}

TEST(Verdicts, AnOperationThatIsNotKnownMayHaveBeenAPoll) {
    Facts facts;
    facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt).opcode.reset();
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::not_cancellable);
    EXPECT_FALSE(got.certain);
    EXPECT_THAT(got.reason, StartsWith("request was in flight"));
}

TEST(Verdicts, AlreadyCancelled) {
    for (const auto complete : {std::optional<std::uint64_t>{}, std::optional{start - 50}, std::optional{start + 50}}) {
        Facts facts;
        facts.candidate(IOCB_CMD_POLL, 10, complete).outcome = complete ? Outcome::cancelled : Outcome::in_flight;
        facts.take_last(start - 100);
        const auto got = facts.judge();
        EXPECT_EQ(got.verdict, Verdict::already_cancelled) << complete.value_or(0);
        EXPECT_THAT(got.reason, HasSubstr("100 ns before"));
        EXPECT_TRUE(got.certain);
    }
}

TEST(Verdicts, CompletedFirst) {
    Facts facts;
    facts.candidate(IOCB_CMD_POLL, 10, start - 300, 1);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::completed_first);
    EXPECT_EQ(got.completed_before_ns, 300U);
    EXPECT_TRUE(got.certain);
}

TEST(Verdicts, AReadThatHadCompletedWasFirst) {
    Facts facts;
    facts.candidate(IOCB_CMD_PREAD, 10, start - 300, 4096);
    EXPECT_EQ(facts.judge().verdict, Verdict::completed_first);
}

TEST(Verdicts, CompletedAtTheVeryMoment) {
    Facts facts;
    facts.candidate(IOCB_CMD_POLL, 10, start, 1);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::completed_first);
    EXPECT_EQ(got.completed_before_ns, 0U);
}

TEST(Verdicts, ReapedIsSaidOnlyOfWhatWasReapedByThen) {
    Facts facts;
    auto& target = facts.candidate(IOCB_CMD_POLL, 10, start - 300, 1);
    target.reap_ns = start - 200;
    EXPECT_THAT(facts.judge().reason, HasSubstr("and its event was reaped"));
    target.reap_ns = start + 200;
    EXPECT_THAT(facts.judge().reason, HasSubstr("still to be reaped"));
}

// ---- in the kernel's order: the key, the context, the list

TEST(VerdictOrder, TheKeyComesBeforeTheContextAndTheList) {
    Facts facts;
    facts.call.key(1).no_context(0x1234);
    facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt);
    EXPECT_EQ(facts.judge().verdict, Verdict::bad_key);
}

TEST(VerdictOrder, TheContextComesBeforeTheList) {
    Facts facts;
    facts.call.no_context(0x1234);
    facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt);
    EXPECT_EQ(facts.judge().verdict, Verdict::bad_context);
}

TEST(VerdictOrder, WhatIsInFlightComesBeforeWhatHasEnded) {
    Facts facts;
    const auto& in_flight = facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt);
    facts.candidate(IOCB_CMD_POLL, 20, start - 10, 1);
    EXPECT_EQ(facts.judge().target, &in_flight);
}

TEST(VerdictOrder, OfWhatHasEndedTheLastCounts) {
    Facts facts;
    facts.candidate(IOCB_CMD_POLL, 10, start - 50, 1);
    const auto& last = facts.candidate(IOCB_CMD_POLL, 20, start - 40, 1);
    facts.candidate(IOCB_CMD_POLL, 30, start - 60, 1);
    EXPECT_EQ(facts.judge().target, &last);
}

TEST(VerdictOrder, AKeyThatCouldNotBeReadLeavesADoubt) {
    for (const auto state : {IFL_READ_FAULT, IFL_READ_NOT_TRIED}) {
        Facts facts;
        facts.call.key_state = static_cast<ifl_u8>(state);
        facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt);
        EXPECT_EQ(facts.judge().verdict, Verdict::not_cancellable);
        EXPECT_FALSE(facts.judge().certain);
        facts.call.no_context(0x1234);
        EXPECT_EQ(facts.judge().verdict, Verdict::bad_context);
        EXPECT_FALSE(facts.judge().certain) << "the kernel looks at the key first";
    }
}

TEST(VerdictOrder, AContextThatWentMeanwhileLeavesADoubt) {
    Facts facts;
    facts.call.unflag(IFL_CALL_CTX_AT_EXIT);
    facts.candidate(IOCB_CMD_POLL, 10, start + 3, 0).context_dead = true;
    EXPECT_FALSE(facts.judge().certain);
}

// ---- accepted, and other answers

TEST(VerdictAnswers, TakenAndCompletedWithNothing) {
    Facts facts;
    facts.call.returns(-EINPROGRESS);
    const auto& target = facts.candidate(IOCB_CMD_POLL, 10, start + 5, 0);
    facts.facts.taken = facts.facts.candidates[0];
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::cancelled);
    EXPECT_EQ(got.target, &target);
    EXPECT_TRUE(got.certain);
}

TEST(VerdictAnswers, TakenAndYetFired) {
    Facts facts;
    facts.call.returns(-EINPROGRESS);
    facts.candidate(IOCB_CMD_POLL, 10, start + 5, 1);
    facts.facts.taken = facts.facts.candidates[0];
    EXPECT_EQ(facts.judge().verdict, Verdict::completed_first);
}

TEST(VerdictAnswers, TakenAndStillToComplete) {
    Facts facts;
    facts.call.returns(-EINPROGRESS);
    facts.candidate(IOCB_CMD_POLL, 10, std::nullopt);
    facts.facts.taken = facts.facts.candidates[0];
    EXPECT_EQ(facts.judge().verdict, Verdict::cancelled);
    EXPECT_THAT(facts.judge().reason, HasSubstr("is being cancelled"));
}

TEST(VerdictAnswers, AcceptedWithoutATarget) {
    Facts facts;
    facts.call.returns(-EINPROGRESS);
    EXPECT_EQ(facts.judge().verdict, Verdict::cancelled);
    EXPECT_FALSE(facts.judge().certain);
}

// The key and the context do not matter to a kernel that has accepted.
TEST(VerdictAnswers, ZeroIsWhatOldKernelsSaid) {
    Facts facts;
    facts.call.returns(0);
    facts.candidate(IOCB_CMD_POLL, 10, start + 5, 0);
    facts.facts.taken = facts.facts.candidates[0];
    EXPECT_EQ(facts.judge().verdict, Verdict::cancelled);
}

TEST(VerdictAnswers, AnotherErrnoIsTheDrivers) {
    Facts facts;
    facts.call.returns(-EBUSY);
    facts.candidate(IOCB_CMD_PREAD, 5, start - 100, 1);
    const auto& target = facts.candidate(IOCB_CMD_PREAD, 10, std::nullopt);
    facts.candidate(IOCB_CMD_PREAD, 20, start - 50, 1);
    const auto got = facts.judge();
    EXPECT_EQ(got.verdict, Verdict::not_cancellable);
    EXPECT_EQ(got.target, &target) << "what had ended cannot be meant";
    EXPECT_THAT(got.reason, HasSubstr("EBUSY"));
}

TEST(VerdictAnswers, AnErrnoWithoutAName) {
    Facts facts;
    facts.call.returns(-3999);
    EXPECT_EQ(facts.judge().verdict, Verdict::not_cancellable);
    EXPECT_EQ(facts.judge().target, nullptr);
}

}  // namespace
}  // namespace inflight::model::test
