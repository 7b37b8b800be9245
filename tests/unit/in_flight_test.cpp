// SPDX-License-Identifier: Apache-2.0
// What is said of a request in flight: where it is, what can cancel it, its name.
#include "model/in_flight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/aio_abi.h>

#include <memory>
#include <set>

namespace inflight::model {
namespace {

constexpr std::uint32_t sqpoll = 1U << 1U;
constexpr std::uint32_t single_issuer = 1U << 12U;

Request at(ifl_place place) {
    Request request;
    request.family = Family::uring;
    auto part = std::make_shared<UringPart>();
    part->place = place;
    request.uring = part;
    return request;
}

Request aio(std::uint16_t opcode) {
    Request request;
    request.opcode = opcode;
    return request;
}

RingPart ring(std::uint32_t flags) {
    RingPart part;
    part.setup_flags = flags;
    return part;
}

CancelMeans means(const Request& request, std::uint32_t flags = 0) {
    const RingPart part = ring(flags);
    return cancellable(request, &part).means;
}

TEST(InFlight, EveryPlaceHasAStageWithNames) {
    std::set<std::string_view> names;
    for (int place = 0; place < IFL_PLACE_COUNT; place++) {
        const Stage stage = stage_of(at(static_cast<ifl_place>(place)));
        EXPECT_FALSE(describe(stage).empty());
        names.insert(name(stage));
    }
    EXPECT_EQ(names.size(), std::size_t{IFL_PLACE_COUNT}) << "no two are called the same";
    EXPECT_EQ(name(stage_of(at(IFL_PLACE_POLL))), "poll");
    EXPECT_EQ(name(stage_of(at(IFL_PLACE_LINK))), "link");
    EXPECT_EQ(name(stage_of(at(IFL_PLACE_NONE))), "issued");
}

TEST(InFlight, OfKernelAioOnlyPollsCanBeCancelled) {
    EXPECT_EQ(stage_of(aio(IOCB_CMD_POLL)), Stage::poll);
    EXPECT_EQ(cancellable(aio(IOCB_CMD_POLL), nullptr).means, CancelMeans::inject);
    EXPECT_EQ(stage_of(aio(IOCB_CMD_PREAD)), Stage::issued);
    EXPECT_EQ(stage_of(aio(IOCB_CMD_FSYNC)), Stage::kworker);
    for (const std::uint16_t opcode : {IOCB_CMD_PREAD, IOCB_CMD_PWRITEV, IOCB_CMD_FDSYNC}) {
        EXPECT_EQ(cancellable(aio(opcode), nullptr).means, CancelMeans::none);
        EXPECT_FALSE(cancellable(aio(opcode), nullptr).why.empty());
    }
}

TEST(InFlight, TheRingDecidesTheWay) {
    EXPECT_EQ(means(at(IFL_PLACE_POLL)), CancelMeans::ring);
    EXPECT_EQ(means(at(IFL_PLACE_TIMER), single_issuer), CancelMeans::inject);
    EXPECT_EQ(means(at(IFL_PLACE_POLL), sqpoll), CancelMeans::ring);
    EXPECT_EQ(means(at(IFL_PLACE_WQ_RUNNING)), CancelMeans::ring);
    EXPECT_EQ(means(at(IFL_PLACE_WQ_RUNNING), sqpoll), CancelMeans::none);
    EXPECT_EQ(means(at(IFL_PLACE_WQ_QUEUED), sqpoll), CancelMeans::none);
    for (const ifl_place place : {IFL_PLACE_NONE, IFL_PLACE_DRAIN, IFL_PLACE_LINK}) {
        EXPECT_EQ(means(at(place)), CancelMeans::none);
    }
}

TEST(InFlight, ALinkedTimeoutEndsWithWhatItIsLinkedTo) {
    Request timeout = at(IFL_PLACE_TIMER);
    timeout.opcode = 11;
    EXPECT_EQ(means(timeout), CancelMeans::ring);
    timeout.opcode = 15;
    EXPECT_EQ(means(timeout), CancelMeans::none);
}

TEST(InFlight, AnIdIsTheRequestsOwn) {
    Request request = at(IFL_PLACE_POLL);
    request.pid = 4242;
    request.kernel_address = 0xffff888100000000;
    request.user_data = 7;
    const std::string id = id_of(request);
    EXPECT_EQ(id, id_of(request));
    EXPECT_THAT(id, testing::StartsWith("4242-"));
    EXPECT_EQ(id.size(), 5U + 10U);
    Request other = request;
    other.user_data = 8;
    EXPECT_NE(id_of(other), id);
    other = request;
    other.kernel_address += 64;
    EXPECT_NE(id_of(other), id);
    other = request;
    other.submit_ns = 5;
    EXPECT_EQ(id_of(other), id) << "a later look may know more of it";
}

}  // namespace
}  // namespace inflight::model
