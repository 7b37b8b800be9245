// SPDX-License-Identifier: Apache-2.0
// Where requests stand: which slot, from when to when, and which way an arrow leads.
#include "view/slots.hpp"

#include "parts.hpp"

#include <gtest/gtest.h>

namespace inflight::golden {
namespace {

using namespace parts;
using view::Slots;
using view::Span;

constexpr std::uint64_t start = start_ns;

Request lasting(std::uint64_t from, std::uint64_t to) {
    Request result = request(IOCB_CMD_PREAD, from, to - from);
    result.address = from;  // each an iocb of its own
    return result;
}

Slots arranged(const std::vector<Request>& requests, const std::vector<Cancel>& cancels = {}) {
    Slots slots;
    slots.begin(start);
    for (const Request& each : requests) {
        slots.add(each, "payload of " + std::to_string(each.address));
    }
    for (const Cancel& each : cancels) {
        slots.add(each, "cancel");
    }
    slots.arrange(start + 1'000'000);
    return slots;
}

TEST(Slots, ARequestTakesTheLowestThatIsFree) {
    // In the order of their ends, as requests are handed out.
    const Slots slots =
        arranged({lasting(200, 300), lasting(100, 400), lasting(300, 500), lasting(310, 510), lasting(400, 600)});
    std::vector<std::uint32_t> by_start;
    for (const Span& span : slots.spans()) {
        by_start.push_back(span.slot);
    }
    EXPECT_EQ(by_start, (std::vector<std::uint32_t>{0, 1, 1, 2, 0}));
    EXPECT_EQ(slots.lanes().at(0).slots, 3U);
    EXPECT_EQ(slots.payload(slots.spans().at(0)), "payload of 100");
}

TEST(Slots, WhatTakesNoTimeSharesASlotWithWhatStartsThen) {
    const Slots slots = arranged({lasting(100, 100), lasting(100, 200)});
    EXPECT_EQ(slots.spans().at(0).slot, 0U);
    EXPECT_EQ(slots.spans().at(1).slot, 0U);
}

TEST(Slots, ContextsDoNotShareThem) {
    Request other = lasting(100, 200);
    other.context_id = 0x777;
    const Slots slots = arranged({lasting(100, 200), other});
    EXPECT_EQ(slots.lanes().size(), 2U);
    EXPECT_EQ(slots.spans().at(0).slot, 0U);
    EXPECT_EQ(slots.spans().at(1).slot, 0U);
}

TEST(Slots, WhatWasThereBeforeStartsWithTheTrace) {
    Request old = lasting(100, 200);
    old.existed = true;
    old.submit_ns.reset();
    const Slots slots = arranged({old});
    EXPECT_EQ(slots.spans().at(0).start_ns, start);
    EXPECT_EQ(slots.spans().at(0).end_ns, start + 200);
}

TEST(Slots, WhatWasNotSeenTakesNoTime) {
    Request lost = lasting(100, 200);
    lost.unpaired = true;
    lost.submit_ns.reset();
    const Slots slots = arranged({lost});
    EXPECT_EQ(slots.spans().at(0).start_ns, start + 200);
    EXPECT_TRUE(slots.spans().at(0).empty());
}

TEST(Slots, WhatDoesNotEndKeepsItsSlot) {
    const Slots slots = arranged({still(lasting(100, 200)), lasting(300, 400)});
    EXPECT_TRUE(slots.spans().at(0).open);
    EXPECT_EQ(slots.spans().at(1).slot, 1U);
}

Cancel cancel_of(const Request& target, std::uint64_t from, std::uint64_t to) {
    Cancel attempt = cancel(Verdict::cancelled, 0, 0, "");
    attempt.start_ns = start + from;
    attempt.end_ns = start + to;
    attempt.target = target;
    return attempt;
}

TEST(Slots, AnArrowLeadsToTheRequestThatIsInFlight) {
    const Request target = lasting(100, 300);
    const Slots slots = arranged({lasting(90, 95), target}, {cancel_of(target, 200, 210)});
    ASSERT_EQ(slots.arrows().size(), 1U);
    EXPECT_TRUE(slots.arrows()[0].to_target);
    EXPECT_EQ(slots.spans()[slots.arrows()[0].target].start_ns, start + 100);
    EXPECT_TRUE(slots.spans()[slots.arrows()[0].cancel].is_cancel);
}

TEST(Slots, AnArrowLeadsFromTheRequestThatHadEnded) {
    const Request target = lasting(100, 200);
    const Slots slots = arranged({target}, {cancel_of(target, 200, 210)});
    ASSERT_EQ(slots.arrows().size(), 1U);
    EXPECT_FALSE(slots.arrows()[0].to_target);
}

TEST(Slots, ACancelOfWhatIsNotInTheTraceHasNoArrow) {
    EXPECT_TRUE(arranged({lasting(100, 200)}, {cancel_of(lasting(101, 201), 150, 160)}).arrows().empty());
}

}  // namespace
}  // namespace inflight::golden
