// SPDX-License-Identifier: Apache-2.0
// Random histories of one ring: every request is told once, with its own result, and every cancel with the right
// verdict, in whatever order records of nearly the same time arrive.
#include "uring_records.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

namespace inflight::model::test {
namespace {

struct Planned {
    UringRecord record{0};
    bool pending = true;
    bool overflowed = false;
    std::optional<std::uint64_t> cancelled_by{};
};

struct PlannedCancel {
    std::uint64_t id = 0;
    std::set<Verdict> right;
    std::optional<std::uint64_t> target;
};

// A ring whose requests wait until something ends them: data, a cancel, or the end of the trace.
class RingModel {
public:
    RingModel(unsigned seed, bool overflows, bool brief) : random_(seed), overflows_(overflows), brief_(brief) {
        write(ring().created(1));
    }

    void run(unsigned steps) {
        for (unsigned step = 0; step < steps; step++) {
            const unsigned what = pick(10);
            what < 4 ? submit() : what < 7 ? complete() : what < 9 ? cancel() : look(false);
        }
        end_ = tick();
        look(true);
    }

    // Records change places with those of nearly the same time, except what the reader itself writes.
    void deliver(UringTrace& trace, bool disorder) {
        std::multimap<std::uint64_t, const std::vector<std::uint64_t>*> order;
        for (const auto& [time_ns, bytes] : records_) {
            const auto& header = *reinterpret_cast<const ifl_header*>(bytes.data());
            const bool fixed = header.kind == IFL_SNAPSHOT || header.kind == IFL_RING || header.tier == IFL_TIER_NONE;
            order.emplace(time_ns * 10 + (disorder && !fixed ? pick(30) : 0), &bytes);
        }
        for (const auto& [time_ns, bytes] : order) {
            trace.tracker.on_record(*reinterpret_cast<const ifl_header*>(bytes->data()));
            if (pick(6) == 0) {
                trace.tracker.advance(time_ns / 10);
            }
        }
        trace.tracker.finish(end_);
    }

    std::vector<Planned> requests;
    std::vector<PlannedCancel> cancels;

private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    std::uint64_t tick() { return now_ += 10 + pick(10); }

    template <typename Record>
    void write(const Record& record) {
        std::vector<std::uint64_t> bytes((record.header.size_bytes + 7) / 8);
        std::memcpy(bytes.data(), &record, record.header.size_bytes);
        records_.emplace_back(record.header.time_ns, std::move(bytes));
    }

    void write(UringRecord record) {
        if (brief_) {
            record.header.size_bytes = IFL_UREQ_BRIEF_BYTES;
        }
        write(static_cast<const ifl_uring_request&>(record));
    }

    void submit() {
        requests.push_back({.record = uring(++ids_).data(++datas_).submit(tick())});
        // Memory is used again; whoever was there and ended unseen is noticed now.
        Planned& made = requests.back();
        if (!free_.empty()) {
            const auto [address, before] = free_.front();
            free_.pop_front();
            made.record.memory(address);
            notice(before, now_);
        }
    }

    void notice(std::size_t index, std::uint64_t time_ns) {
        Planned& before = requests[index];
        if (before.overflowed) {
            write(UringRecord(before.record).unseen(time_ns));
        }
        unnoticed_.erase(index);
    }

    void end(std::size_t index, std::int32_t result) {
        Planned& request = requests[index];
        request.pending = false;
        request.record.complete(now_, result);
        free_.emplace_back(request.record.req, index);
        if (overflows_ && pick(3) == 0) {
            request.overflowed = true;
            unnoticed_.insert(index);
            write(last_cqe(now_, request.record.user_data, result).overflowed());
            return;
        }
        tail_++;
        head_ += pick(tail_ - head_);
        write(request.record.queue(tail_, head_));
    }

    [[nodiscard]] std::vector<std::size_t> pending() const {
        std::vector<std::size_t> all;
        for (std::size_t i = 0; i < requests.size(); i++) {
            if (requests[i].pending) {
                all.push_back(i);
            }
        }
        return all;
    }

    void complete() {
        const auto all = pending();
        tick();
        if (!all.empty()) {
            end(all[pick(static_cast<unsigned>(all.size()))], pick(4) == 0 ? -EIO : 512);
        }
    }

    void cancel() {
        const std::uint64_t user_data = 1 + pick(static_cast<unsigned>(datas_) + 3);
        const std::uint64_t start_ns = tick();
        PlannedCancel made{.id = ++ids_, .right = {}, .target = {}};
        std::int32_t result = -ENOENT;
        std::optional<std::size_t> hit;
        made.right = {Verdict::unknown_request};
        for (std::size_t i = 0; i < requests.size(); i++) {
            const Planned& each = requests[i];
            if (each.record.user_data != user_data) {
                continue;
            }
            made.target = each.record.request_id;
            if (!each.pending) {
                made.right = {each.cancelled_by ? Verdict::already_cancelled : Verdict::completed_first};
            } else if (pick(3) == 0) {
                made.right = {Verdict::not_cancellable};
            } else {
                hit = i;
                result = 0;
                made.right = {Verdict::cancelled};
            }
        }
        const std::uint64_t end_ns = tick();
        const bool target_first = pick(2) == 0;
        const auto own = async_cancel(made.id, user_data).submit(start_ns);
        if (hit) {
            requests[*hit].cancelled_by = made.id;
        }
        if (hit && target_first) {
            end(*hit, -ECANCELED);
            tick();
        }
        tail_++;
        write(UringRecord(own).complete(target_first ? now_ : end_ns, result).queue(tail_, head_));
        if (hit && !target_first) {
            tick();
            end(*hit, -ECANCELED);
        }
        cancels.push_back(std::move(made));
    }

    // An entry whose end was not seen is in the table still.
    void look(bool final) {
        tick();
        for (std::size_t i = 0; i < requests.size(); i++) {
            if (requests[i].pending || unnoticed_.contains(i)) {
                auto copy = UringRecord(requests[i].record).in_flight(now_);
                copy.header.tier = IFL_TIER_NONE;
                write(copy);
            }
        }
        tick();
        final ? write(final_snapshot(now_)) : write(snapshot(now_));
        end_ = now_;
    }

    std::mt19937 random_;
    bool overflows_;
    bool brief_;
    std::uint64_t now_ = 100;
    std::uint64_t end_ = 0;
    std::uint64_t ids_ = 0;
    std::uint64_t datas_ = 0;
    std::uint32_t tail_ = 0;
    std::uint32_t head_ = 0;
    std::deque<std::pair<std::uint64_t, std::size_t>> free_;  // memory, and whose it was
    std::set<std::size_t> unnoticed_;
    std::vector<std::pair<std::uint64_t, std::vector<std::uint64_t>>> records_;
};

void check(const RingModel& history, const UringTrace& trace) {
    std::map<std::uint64_t, const Request*> got;
    for (const Request& each : trace.requests) {
        EXPECT_TRUE(got.emplace(each.uring->request_id, &each).second) << "twice: " << each.uring->request_id;
    }
    EXPECT_EQ(got.size(), history.requests.size() + history.cancels.size());
    for (const Planned& expected : history.requests) {
        const std::uint64_t id = expected.record.request_id;
        ASSERT_TRUE(got.contains(id)) << id;
        const Request& request = *got[id];
        if (expected.pending) {
            EXPECT_EQ(request.outcome, Outcome::in_flight) << id;
            continue;
        }
        EXPECT_EQ(request.result, expected.record.result) << id;
        EXPECT_EQ(request.complete_ns, expected.record.complete_ns) << id;
        EXPECT_EQ(request.uring->overflowed, expected.overflowed) << id;
        EXPECT_EQ(request.outcome == Outcome::cancelled, expected.cancelled_by.has_value()) << id;
        EXPECT_EQ(request.uring->cancelled_by, expected.cancelled_by.value_or(0)) << id;
    }
    EXPECT_EQ(trace.cancels.size(), history.cancels.size());
    for (const PlannedCancel& expected : history.cancels) {
        const auto cancel = std::ranges::find(trace.cancels, expected.id, &Cancel::call_id);
        ASSERT_NE(cancel, trace.cancels.end()) << expected.id;
        EXPECT_TRUE(expected.right.contains(cancel->verdict))
            << expected.id << ": " << name(cancel->verdict) << ", " << cancel->reason;
        EXPECT_EQ(cancel->target.has_value(), expected.target.has_value()) << expected.id;
        if (cancel->target && expected.target) {
            EXPECT_EQ(cancel->target->uring->request_id, *expected.target) << expected.id;
        }
    }
    EXPECT_EQ(trace.tracker.completions_unseen(), 0U);
    EXPECT_EQ(trace.tracker.submissions_unseen(), 0U);
    EXPECT_FALSE(trace.tracker.wants_snapshot());
}

void check_histories(unsigned from, bool overflows, bool disorder, bool brief = false) {
    for (unsigned seed = from; seed < from + 300 && !testing::Test::HasFailure(); seed++) {
        RingModel history(seed, overflows, brief);
        history.run(80);
        UringTrace trace;
        history.deliver(trace, disorder);
        check(history, trace);
        EXPECT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

TEST(UringHistories, InOrder) {
    check_histories(0, false, false);
}

TEST(UringHistories, InSomeDisorder) {
    check_histories(1000, false, true);
}

TEST(UringHistories, WithOverflow) {
    check_histories(2000, true, false);
}

TEST(UringHistories, WithOverflowInSomeDisorder) {
    check_histories(3000, true, true);
}

TEST(UringHistories, OfBriefRecords) {
    check_histories(4000, false, false, true);
}

TEST(UringHistories, OfBriefRecordsWithOverflowInSomeDisorder) {
    check_histories(5000, true, true, true);
}

}  // namespace
}  // namespace inflight::model::test
