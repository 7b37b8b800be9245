// SPDX-License-Identifier: Apache-2.0
// Losses: which of them make verdicts uncertain, and how a capture tells of them.
#include "model/losses.hpp"
#include "capture/file_source.hpp"
#include "capture/file_writer.hpp"
#include "capture/flight_recorder.hpp"
#include "uring_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace inflight::model::test {
namespace {

using testing::HasSubstr;

Losses of_kind(const std::string& kind, std::uint64_t lost) {
    Losses losses;
    losses.cpus = {{.cpu = 1, .kinds = {{.kind = kind, .generated = 9, .delivered = 9 - lost, .lost = lost}}}};
    return losses;
}

TEST(Losses, HideRequestsUnlessOnlyNamesAreLost) {
    EXPECT_FALSE(hide_requests({}));
    for (const char* kind : {"request", "uring_request", "uring_cqe", "call", "context", "ring", "process_exit"}) {
        EXPECT_TRUE(hide_requests(of_kind(kind, 1))) << kind;
        EXPECT_FALSE(hide_requests(of_kind(kind, 0))) << kind;
    }
    for (const char* kind : {"file", "cgroup", "iocbs", "unmap", "tally", "unreaped"}) {
        EXPECT_FALSE(hide_requests(of_kind(kind, 1))) << kind;
    }
    for (const auto count : {&Losses::requests_untracked, &Losses::calls_untracked, &Losses::contexts_untracked,
                             &Losses::exits_missed, &Losses::programs_skipped, &Losses::out_of_order}) {
        Losses losses;
        losses.*count = 1;
        EXPECT_TRUE(hide_requests(losses));
    }
}

TEST(Losses, LeaveNoVerdictCertainThatRestsOnWhatWasSeen) {
    for (const bool lossy : {false, true}) {
        Trace aio;
        aio.feed(context().created(1), request(the_iocb).submit(2).complete(5));
        UringTrace rings;
        rings.feed(ring().created(1), uring(1).data(7).submit(10).complete(40, 512));
        if (lossy) {
            aio.tracker.note_losses();
            rings.tracker.note_losses();
        }
        aio.feed(cancel(the_iocb).span(20, 21), snapshot(50));
        rings.feed(async_cancel(99, 7).submit(100).complete(101, -ENOENT), snapshot(200));
        for (const auto* cancels : {&aio.cancels, &rings.cancels}) {
            ASSERT_EQ(cancels->size(), 1U);
            EXPECT_EQ(cancels->front().verdict, Verdict::completed_first);
            EXPECT_EQ(cancels->front().certain, !lossy) << cancels->front().reason;
            EXPECT_EQ(cancels->front().reason.contains("records were lost"), lossy) << cancels->front().reason;
        }
    }
}

// What the kernel's own tables show is as certain as before.
TEST(Losses, DoNotConcernWhatIsInFlight) {
    Trace trace;
    trace.tracker.note_losses();
    trace.feed(context().created(1), cancel(the_iocb).span(20, 21), request(the_iocb).submit(2).in_flight(50),
               snapshot(50));
    ASSERT_EQ(trace.cancels.size(), 1U);
    EXPECT_EQ(trace.cancels[0].verdict, Verdict::not_cancellable);
    EXPECT_TRUE(trace.cancels[0].certain);
}

// Left out by the model itself: there is no room for another context.
TEST(Losses, OfTheModelItselfCount) {
    Trace trace({.contexts_limit = 1});
    trace.feed(context().created(1), request(77).in(the_context + 1).submit(2).complete(5),
               cancel(the_iocb).span(20, 21), snapshot(50));
    ASSERT_EQ(trace.cancels.size(), 1U);
    EXPECT_NE(trace.tracker.records_left_out(), 0U);
    EXPECT_FALSE(trace.cancels[0].certain);
}

// Of each record, whether losses had been told of before it.
class Told final : public capture::Consumer {
public:
    void on_record(const ifl_header& /*record*/) override { before.push_back(told); }
    void note_losses() override { told = true; }
    void advance(std::uint64_t /*now_ns*/) override {}
    void finish(std::uint64_t /*end_ns*/) override {}
    [[nodiscard]] bool wants_snapshot() const override { return false; }

    bool told = false;
    std::vector<bool> before;
};

class LossesInCaptures : public testing::Test {
protected:
    void SetUp() override {
        path_ = std::filesystem::temp_directory_path() / ("inflight-losses-" + std::to_string(::getpid()));
        account_.losses = of_kind("request", 0);
    }
    void TearDown() override {
        for (const auto& file : files_) {
            std::filesystem::remove(file);
        }
        std::filesystem::remove(path_);
    }
    static void give(capture::Recorder& recorder, std::uint64_t time_ns) {
        recorder.on_record(uring(time_ns).submit(time_ns).complete(time_ns + 1).header);
    }
    void lose() { account_.losses = of_kind("request", 3); }
    static std::vector<bool> told_in(const std::string& path) {
        auto source = capture::FileSource::open(path);
        EXPECT_TRUE(source) << source.error().message();
        Told told;
        EXPECT_TRUE((*source)->replay(told));
        return told.before;
    }

    std::filesystem::path path_;
    std::vector<std::filesystem::path> files_;
    capture::Account account_;
};

TEST_F(LossesInCaptures, AreToldBeforeWhatComesAfterThem) {
    auto writer = capture::FileWriter::create(path_, {});
    ASSERT_TRUE(writer) << writer.error().message();
    (*writer)->set_account([this] { return account_; });
    give(**writer, 10);
    give(**writer, 20);
    lose();
    (*writer)->note_losses();
    give(**writer, 30);
    (*writer)->note_losses();
    give(**writer, 40);
    (*writer)->finish(50);
    (*writer)->close(account_);
    EXPECT_EQ(told_in(path_), (std::vector<bool>{false, false, true, true}));
}

TEST_F(LossesInCaptures, AreToldInEachPartThatHasSome) {
    auto writer = capture::FileWriter::create(path_, {}, {.bytes = 0, .time_ns = 1000, .keep = 0});
    ASSERT_TRUE(writer);
    (*writer)->set_account([this] { return account_; });
    lose();
    (*writer)->note_losses();
    for (const std::uint64_t time_ns : {10U, 1010U, 2010U}) {
        give(**writer, time_ns);
        if (time_ns == 2010) {
            account_.losses = of_kind("request", 4);
            (*writer)->note_losses();
            give(**writer, time_ns + 1);
        }
        (*writer)->advance(time_ns + 1000);
    }
    (*writer)->finish(4000);
    (*writer)->close(account_);
    std::vector<std::vector<bool>> parts;
    for (std::uint64_t part = 1; part <= 3; part++) {
        files_.emplace_back(capture::part_path(path_, part));
        parts.push_back(told_in(files_.back()));
    }
    files_.emplace_back(capture::part_path(path_, 4));
    EXPECT_EQ(parts, (std::vector<std::vector<bool>>{{true}, {false}, {false, true}}));
}

TEST_F(LossesInCaptures, AreToldInAFlightFileBeforeTheBlockTheyFallInto) {
    std::vector<capture::Written> written;
    auto flight = capture::FlightRecorder::create(path_, {}, {.span_ns = 0, .bytes = 1U << 20U, .keep = 0},
                                                  [&](const capture::Written& each) { written.push_back(each); });
    ASSERT_TRUE(flight);
    (*flight)->set_account([this] { return account_; });
    for (std::uint64_t second = 1; second <= 4; second++) {
        if (second == 3) {
            lose();
            (*flight)->note_losses();
        }
        give(**flight, second * capture::format::block_ns);
        EXPECT_FALSE((*flight)->failed());
        (*flight)->advance((second + 1) * capture::format::block_ns);
    }
    (*flight)->finish(6 * capture::format::block_ns);
    (*flight)->close(account_);
    ASSERT_EQ(written.size(), 1U);
    files_.emplace_back(written.front().path);
    EXPECT_EQ(told_in(written.front().path), (std::vector<bool>{false, false, true, true}));
}

TEST_F(LossesInCaptures, AreWhatCannotBeRead) {
    auto writer = capture::FileWriter::create(path_, {});
    ASSERT_TRUE(writer);
    (*writer)->set_account([this] { return account_; });
    std::uintmax_t first_end = 0;
    for (std::uint64_t second = 1; second <= 3; second++) {
        give(**writer, second * capture::format::block_ns);
        (*writer)->advance((second + 1) * capture::format::block_ns);
        first_end = second == 1 ? std::filesystem::file_size(path_) : first_end;
    }
    (*writer)->finish(5 * capture::format::block_ns);
    (*writer)->close(account_);
    EXPECT_EQ(told_in(path_), (std::vector<bool>{false, false, false}));
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(first_end + sizeof(capture::format::BlockHeader) + 4));
    file.put('\x7f');
    file.close();
    EXPECT_EQ(told_in(path_), (std::vector<bool>{false, true}));
}

}  // namespace
}  // namespace inflight::model::test
