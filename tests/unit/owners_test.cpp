// SPDX-License-Identifier: Apache-2.0
// Who owns an entry of the kernel side's tables, in every order of the steps of those who want it: a walk over the
// kernel's lists, the end of the request that it has seen there, and the request that gets the memory next. It is the
// code that the kernel side runs.
#include "interleaved.hpp"

#define IFL_STEP() inflight::interleaved::step()
#define IFL_WAIT_TRIES 1 /* each makes many more orders */
#include "contract/owner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

namespace inflight {
namespace {

using interleaved::Actor;
using interleaved::in_every_order;
using interleaved::step;

constexpr ifl_u64 here = 0x1000;       // where the request stands that is looked at
constexpr ifl_u64 elsewhere = 0x2000;  // one that has the same slot
constexpr ifl_u64 found_id = 7;
constexpr ifl_u64 begun_id = 8;
constexpr ifl_u64 other_id = 9;

// bpf/uring.h without its maps: a slot, and the entry of the hash map for the request at `here`.
class UringTable {
public:
    [[nodiscard]] ifl_uring_entry* entry() {
        step();
        if (slot_.request.req == here && ifl_is_open(slot_.open) != 0) {
            return &slot_;
        }
        return spilled_made_ ? &spilled_ : nullptr;
    }
    ifl_uring_entry* spill() {
        spilled_made_ = true;
        return &spilled_;
    }

    void begin() {
        ifl_uring_entry* own = &slot_;
        ifl_u32 was = IFL_UENTRY_FREE;
        if (!take_(own, here, &was)) {
            own = spill();
            if (!take_(own, here, &was)) {
                untracked_++;
                return;
            }
            ifl_clear_slot(&slot_, here);
        }
        if (was == IFL_UENTRY_OPEN && !ifl_is_unconfirmed(own)) {
            ended_.push_back(own->request.request_id);
        }
        fill(*own, begun_id, 0);
        ifl_set_open(own, IFL_UENTRY_OPEN);
    }
    void end() {
        ifl_uring_entry* const own = entry();
        if (own == nullptr || own->open == IFL_UENTRY_FREE || own->open == IFL_UENTRY_BUSY) {
            ended_.push_back(found_id);
            ifl_contest(&slot_);
            if (spilled_made_) {
                ifl_contest(&spilled_);
            }
            return;
        }
        ifl_set_open(own, IFL_UENTRY_BUSY);
        ended_.push_back(own->request.request_id);
        ifl_set_open(own, IFL_UENTRY_FREE);
    }
    void end_other() {
        ifl_set_open(&slot_, IFL_UENTRY_BUSY);
        ifl_set_open(&slot_, IFL_UENTRY_FREE);
    }
    void walk() {
        ifl_uring_entry* own = entry();
        if (own != nullptr && own->open != IFL_UENTRY_FREE) {
            return;
        }
        own = ifl_stands_elsewhere(&slot_, here) != 0 ? spill() : &slot_;
        ifl_u64 taken = 0;
        if (ifl_take_to_fill(own, &taken) == 0) {
            return;
        }
        if (spilled_made_ && own != &spilled_ && ifl_state_of(&spilled_) % IFL_GENERATION != IFL_UENTRY_FREE) {
            ifl_give_back(own);
            return;
        }
        fill(*own, found_id, IFL_UREQ_EXISTED);
        own->walked = 1;
        ifl_publish(own, taken, IFL_UENTRY_OPEN);
    }
    // When the lists are walked again, and what that did not meet is dropped. `there`: it is on its list.
    void confirm(bool there) {
        if (ifl_uring_entry* const own = there ? entry() : nullptr; own != nullptr && own->open == IFL_UENTRY_OPEN) {
            own->walked = IFL_CONFIRMING_WALK;
        }
        for (ifl_uring_entry* each : {&slot_, &spilled_}) {
            if (each->open == IFL_UENTRY_OPEN && ifl_is_unconfirmed(each)) {
                each->open = IFL_UENTRY_FREE;
            }
        }
    }
    void put_other() {
        slot_.request.req = elsewhere;
        slot_.request.request_id = other_id;
        slot_.open = IFL_UENTRY_OPEN;
    }

    [[nodiscard]] std::vector<ifl_u64> open_ids() const {
        std::vector<ifl_u64> found;
        for (const ifl_uring_entry* each : {&slot_, &spilled_}) {
            if (each->open != IFL_UENTRY_FREE) {
                found.push_back(each->request.request_id);
            }
        }
        return found;
    }
    [[nodiscard]] bool mixed() const { return mixed_; }
    [[nodiscard]] int untracked() const { return untracked_; }
    [[nodiscard]] const std::vector<ifl_u64>& ended() const { return ended_; }

    using Take = std::function<bool(ifl_uring_entry*, ifl_u64, ifl_u32*)>;
    explicit UringTable(Take take = [](auto* entry, ifl_u64 req,
                                       ifl_u32* was) { return ifl_take_to_begin(entry, req, was) != 0; })
        : take_(std::move(take)) {
        slot_.request.req = here;  // of an earlier request there
    }

private:
    void fill(ifl_uring_entry& own, ifl_u64 id, ifl_u32 flags) {
        own.request.request_id = id;
        own.request.flags = flags;
        step();
        own.request.req = here;
        mixed_ = mixed_ || own.request.request_id != id || own.request.flags != flags;
    }

    Take take_;
    ifl_uring_entry slot_{};
    ifl_uring_entry spilled_{};
    bool spilled_made_ = false;
    bool mixed_ = false;  // two wrote to one entry
    int untracked_ = 0;
    std::vector<ifl_u64> ended_;
};

using Ids = std::vector<ifl_u64>;

TEST(EntryOfARing, IsTheBeginningRequestsOwnWhateverAWalkDoes) {
    UringTable table;
    const std::size_t orders = in_every_order(
        [&] {
            table = UringTable();
            return std::vector<Actor>{[&] { table.begin(); }, [&] { table.walk(); }};
        },
        [&] {
            table.confirm(true);
            EXPECT_FALSE(table.mixed());
            EXPECT_EQ(table.open_ids(), Ids{begun_id});
            EXPECT_EQ(table.ended(), Ids{});
            EXPECT_EQ(table.untracked(), 0);
        });
    EXPECT_GT(orders, 100U);
}

TEST(EntryOfARing, IsNotLeftToARequestThatHasEnded) {
    UringTable table;
    in_every_order(
        [&] {
            table = UringTable();
            return std::vector<Actor>{[&] { table.end(); }, [&] { table.walk(); }};
        },
        [&] {
            table.confirm(false);
            EXPECT_EQ(table.open_ids(), Ids{});
            EXPECT_EQ(table.ended(), Ids{found_id});
        });
}

TEST(EntryOfARing, IsTheNextRequestsWhenThatOfTheWalkEnds) {
    UringTable table;
    in_every_order(
        [&] {
            table = UringTable();
            return std::vector<Actor>{[&] {
                                          table.end();
                                          table.begin();
                                      },
                                      [&] { table.walk(); }};
        },
        [&] {
            table.confirm(true);
            EXPECT_FALSE(table.mixed());
            EXPECT_EQ(table.open_ids(), Ids{begun_id});
            EXPECT_EQ(table.ended(), Ids{found_id});
            EXPECT_EQ(table.untracked(), 0);
        },
        5);
}

// The slot is another request's, which may end just now.
TEST(EntryOfARing, InTheHashMapIsOneRequestsOwnOrTheRequestIsCounted) {
    UringTable table;
    bool tracked = false;
    in_every_order(
        [&] {
            table = UringTable();
            table.put_other();
            return std::vector<Actor>{[&] { table.end_other(); }, [&] { table.begin(); }, [&] { table.walk(); }};
        },
        [&] {
            table.confirm(true);
            EXPECT_FALSE(table.mixed());
            EXPECT_EQ(table.open_ids(), table.untracked() != 0 ? Ids{} : Ids{begun_id});
            tracked = tracked || table.untracked() == 0;
        },
        4);
    EXPECT_TRUE(tracked);
}

// As it was: whoever finds an entry that is just being written for the same request takes it too.
bool take_what_is_being_written(ifl_uring_entry* entry, ifl_u64 req, ifl_u32* was) {
    const ifl_u64 state = ifl_state_of(entry);
    if ((state & 0xffffffffU) != IFL_UENTRY_FREE && entry->request.req != req) {
        return false;
    }
    *was = static_cast<ifl_u32>(state & 0xffffffffU);
    return ifl_change_state(entry, state, IFL_STATE_OF(IFL_UENTRY_BUSY, state)) != 0;
}

TEST(EntryOfARing, HadTwoOwnersWhenOneThatIsBeingWrittenCouldBeTaken) {
    UringTable table;
    bool two_owners = false;
    in_every_order(
        [&] {
            table = UringTable(take_what_is_being_written);
            return std::vector<Actor>{[&] { table.begin(); }, [&] { table.walk(); }};
        },
        [&] { two_owners = two_owners || table.mixed(); });
    EXPECT_TRUE(two_owners) << "the model would not see the fault";
}

// bpf/slots.h without its maps.
class AioTable {
public:
    void begin() {
        begun_.request.kiocb = here;
        begun_.request.submit_ns = begun_id;
        begun_.taken = IFL_ENTRY_IN_FLIGHT;
        if (ifl_fill_slot(&slot_, &begun_, 0) == 0) {
            step();
            spilled_ = begun_;
            ifl_clear_found(&slot_, here);
        }
    }
    void end() {
        ifl_request_entry* const own = entry();
        if (own == nullptr) {
            ended_++;
            ifl_contest_taken(&slot_);
            return;
        }
        if (ifl_change_taken(own, IFL_ENTRY_IN_FLIGHT, IFL_ENTRY_BUSY) != 0) {
            ended_++;
            ifl_set_taken(own, IFL_ENTRY_FREE);
        }
    }
    void walk() {
        if (ifl_request_entry* const own = entry(); own != nullptr) {
            return;
        }
        ifl_request_entry found{};
        found.request.kiocb = here;
        found.request.flags = IFL_REQ_EXISTED;
        found.taken = IFL_ENTRY_IN_FLIGHT;
        found.iterated = 1;
        if (ifl_fill_slot(&slot_, &found, 1) != 0) {
            step();
            if (spilled_.taken != IFL_ENTRY_FREE) {
                ifl_clear_found(&slot_, here);
            }
            return;
        }
        if (ifl_is_taken(ifl_taken_of(&slot_)) == 0 || slot_.request.kiocb == here) {
            return;
        }
        step();
        if (spilled_.taken == IFL_ENTRY_FREE) {
            spilled_ = found;
        }
    }
    [[nodiscard]] ifl_request_entry* entry() {
        step();
        if (slot_.request.kiocb == here && ifl_is_taken(slot_.taken) != 0) {
            return &slot_;
        }
        return spilled_.taken != IFL_ENTRY_FREE ? &spilled_ : nullptr;
    }
    void put_other() {
        slot_.request.kiocb = elsewhere;
        slot_.taken = IFL_ENTRY_BUSY;
    }
    void end_other() { ifl_set_taken(&slot_, IFL_ENTRY_FREE); }
    [[nodiscard]] std::vector<const ifl_request_entry*> in_flight() const {
        std::vector<const ifl_request_entry*> found;
        for (const ifl_request_entry* each : {&slot_, &spilled_}) {
            if (each->taken != IFL_ENTRY_FREE) {
                found.push_back(each);
            }
        }
        return found;
    }
    [[nodiscard]] int ended() const { return ended_; }

private:
    ifl_request_entry slot_{};
    ifl_request_entry spilled_{};
    ifl_request_entry begun_{};
    int ended_ = 0;
};

TEST(EntryOfAnIocb, IsTheBeginningRequestsOwnWhateverAWalkDoes) {
    AioTable table;
    in_every_order(
        [&] {
            table = AioTable();
            return std::vector<Actor>{[&] { table.begin(); }, [&] { table.walk(); }};
        },
        [&] {
            // A hook looks for what a walk has left at an address before it puts a request there (bind_attempt).
            const auto found = table.in_flight();
            const auto begun = std::ranges::count(found, begun_id, [](auto* each) { return each->request.submit_ns; });
            EXPECT_EQ(begun, 1);
            EXPECT_NE(table.entry(), nullptr);
        });
}

// The slot is another request's, which ends just now.
TEST(EntryOfAnIocb, InTheHashMapIsNotHiddenByWhatAWalkHasFound) {
    AioTable table;
    in_every_order(
        [&] {
            table = AioTable();
            table.put_other();
            return std::vector<Actor>{[&] { table.end_other(); }, [&] { table.begin(); }, [&] { table.walk(); }};
        },
        [&] {
            ASSERT_NE(table.entry(), nullptr);
            EXPECT_EQ(table.entry()->request.submit_ns, begun_id);
        },
        5);
}

TEST(EntryOfAnIocb, IsWrittenByOneOnly) {
    AioTable table;
    in_every_order(
        [&] {
            table = AioTable();
            return std::vector<Actor>{[&] { table.end(); }, [&] { table.walk(); }};
        },
        [&] {
            EXPECT_EQ(table.ended(), 1);
            for (const ifl_request_entry* each : table.in_flight()) {
                EXPECT_EQ(each->iterated, 1U) << "the next pass of the iterator does not confirm it";
            }
        });
}

}  // namespace
}  // namespace inflight
