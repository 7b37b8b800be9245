// SPDX-License-Identifier: Apache-2.0
// What is said of a request that inflight cancelled: its own end decides, not what the call returned.
#include "model/cancel_result.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace inflight::model {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t call_ns = 1'000'000;

std::optional<Request> ended(Outcome outcome, std::int64_t result, std::uint64_t complete_ns = call_ns + 10) {
    Request request;
    request.family = Family::uring;
    request.outcome = outcome;
    request.result = result;
    request.complete_ns = complete_ns;
    return request;
}

CancelTry returned(std::int64_t ret) {
    return {.refusal = "", .ret = ret, .start_ns = call_ns, .waited_ns = 1'000'000'000};
}

TEST(CancelResult, TheRequestsEndDecides) {
    EXPECT_EQ(judge_cancel(returned(0), ended(Outcome::cancelled, -ECANCELED)).end, CancelEnd::cancelled);
    EXPECT_EQ(judge_cancel(returned(1), ended(Outcome::cancelled, -ECANCELED)).end, CancelEnd::cancelled);
    EXPECT_EQ(judge_cancel(returned(-ETIME), ended(Outcome::cancelled, -ECANCELED)).end, CancelEnd::cancelled)
        << "the call gave up waiting, the request ended cancelled all the same";
    EXPECT_EQ(judge_cancel(returned(-EINPROGRESS), ended(Outcome::cancelled, 0)).end, CancelEnd::cancelled);
    EXPECT_EQ(judge_cancel(returned(0), ended(Outcome::completed, 512)).end, CancelEnd::completed_first)
        << "it was not cancelled, whatever the call returned";
}

TEST(CancelResult, OneThatHadEndedIsToldWithHowLongBefore) {
    const auto result = judge_cancel(returned(-ENOENT), ended(Outcome::completed, 8, call_ns - 500));
    EXPECT_EQ(result.end, CancelEnd::completed_first);
    EXPECT_THAT(result.reason, HasSubstr("500 ns before"));
    EXPECT_EQ(judge_cancel(returned(0), ended(Outcome::cancelled, -ECANCELED, call_ns - 1)).end,
              CancelEnd::completed_first)
        << "somebody else cancelled it";
}

TEST(CancelResult, AnInterruptedWorkerIsNoCancel) {
    EXPECT_EQ(judge_cancel(returned(-EALREADY), ended(Outcome::failed, -EINTR)).end, CancelEnd::interrupted);
    EXPECT_EQ(judge_cancel(returned(0), ended(Outcome::failed, -512)).end, CancelEnd::interrupted);
    EXPECT_EQ(judge_cancel(returned(-EALREADY), ended(Outcome::completed, 5)).end, CancelEnd::completed_first);
}

// Its task went away between the look and the call, and the kernel cancelled what it had in flight.
TEST(CancelResult, ARequestThatEndsWithItsProcessIsToldSo) {
    auto request = ended(Outcome::cancelled, -ECANCELED);
    auto part = std::make_shared<UringPart>();
    part->cause = EndCause::task_exit;
    request->uring = part;
    const auto result = judge_cancel(returned(-ENOENT), request);
    EXPECT_EQ(result.end, CancelEnd::completed_first);
    EXPECT_THAT(result.reason, HasSubstr("its process ended"));
    EXPECT_EQ(judge_cancel(returned(0), request).end, CancelEnd::cancelled) << "the call had taken it before";
}

std::optional<Request> short_recv(std::uint32_t msg_flags) {
    auto request = ended(Outcome::completed, 5);
    request->opcode = 27;
    request->origin = Origin::user;
    request->length = 64;
    request->rw_flags = msg_flags;
    return request;
}

TEST(CancelResult, ATransferKeepsWhatWasTransferred) {
    constexpr std::uint32_t waitall = 0x100;
    const auto taken = judge_cancel(returned(0), short_recv(waitall));
    EXPECT_EQ(taken.end, CancelEnd::cancelled);
    EXPECT_THAT(taken.reason, HasSubstr("5 of 64 bytes"));
    EXPECT_EQ(judge_cancel(returned(-EALREADY), short_recv(waitall)).end, CancelEnd::interrupted);
    EXPECT_EQ(judge_cancel(returned(-EALREADY), short_recv(0)).end, CancelEnd::completed_first);
    EXPECT_EQ(judge_cancel(returned(-ENOENT), short_recv(waitall)).end, CancelEnd::completed_first);
}

TEST(CancelResult, OfOneStillInFlightTheAnswerSaysWhy) {
    EXPECT_EQ(judge_cancel(returned(-ENOENT), {}).end, CancelEnd::not_cancellable);
    EXPECT_EQ(judge_cancel(returned(-EALREADY), {}).end, CancelEnd::running);
    EXPECT_EQ(judge_cancel(returned(-ETIME), {}).end, CancelEnd::running);
    EXPECT_EQ(judge_cancel(returned(-EEXIST), {}).end, CancelEnd::refused);
    EXPECT_EQ(judge_cancel(returned(0), {}).end, CancelEnd::unseen);
    EXPECT_EQ(judge_cancel(returned(-EINPROGRESS), {}).end, CancelEnd::unseen);
}

TEST(CancelResult, ARefusalStandsForItself) {
    CancelTry tried = returned(0);
    tried.refusal = "user_data 0x1 is shared by 2 requests";
    const auto result = judge_cancel(tried, {});
    EXPECT_EQ(result.end, CancelEnd::refused);
    EXPECT_EQ(result.reason, tried.refusal);
}

TEST(CancelResult, OneThatEndedWithItsProcessIsToldByItsEnd) {
    CancelTry tried = returned(0);
    tried.refusal = "cannot cancel in process 4242: the process is gone";
    tried.process_ended = true;
    EXPECT_EQ(judge_cancel(tried, {}).end, CancelEnd::refused) << "its end was not seen";
    const auto result = judge_cancel(tried, ended(Outcome::cancelled, -ECANCELED));
    EXPECT_EQ(result.end, CancelEnd::completed_first);
    EXPECT_THAT(result.reason, HasSubstr("its process ended before the call was made"));
}

}  // namespace
}  // namespace inflight::model
