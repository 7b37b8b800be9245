// SPDX-License-Identifier: Apache-2.0
// What `cancel` says of a request that keeps what it had, and of one whose process ends meanwhile.
#include "faults_waiting.hpp"

#include <array>
#include <string>

namespace inflight::faults {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

// Its completion has the bytes that had come, not an error: that is a cancel all the same, and the kernel says so.
void check_partial(const std::string& kind, const std::string& way) {
    const Folder folder;
    Waiting waiting(folder.path(), kind);
    const Lines lines = cancel_all(waiting.pid(), 0, {"--way", way});
    const Value& result = lines.one("cancelled");
    EXPECT_EQ(text(result, "verdict"), "cancelled") << text(result, "reason");
    EXPECT_EQ(text(result, "way"), way);
    EXPECT_THAT(text(result, "reason"), HasSubstr("5 bytes"));
    EXPECT_THAT(text(result, "reason"), Not(HasSubstr("by itself")));
    EXPECT_TRUE(wait_until([&] { return waiting.ended() == 1; })) << waiting.process().out();
    EXPECT_THAT(waiting.process().out(), HasSubstr(" res=5\n"));
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelOfAPart, FromOutside) {
    check_partial("16", "ring");
}

TEST(CancelOfAPart, ByACallInItsProcess) {
    check_partial("16", "inject");
    check_partial("17", "inject");
}

// A trace beside it that sees who cancels tells the request's own outcome.
TEST(CancelOfAPart, IsTheOutcomeOfTheRequest) {
    const Folder folder;
    for (const std::string way : {"ring", "inject"}) {
        Waiting waiting(folder.path(), "16");
        Tracer tracer({"--family", "uring"});
        EXPECT_EQ(cancel_all(waiting.pid(), 0, {"--way", way}).of("cancelled").size(), 1U);
        EXPECT_TRUE(wait_until([&] { return waiting.ended() == 1; }));
        const Lines lines = tracer.end();
        const auto requests = lines.requests_of(waiting.process().pid());
        ASSERT_EQ(requests.size(), 1U) << way;
        EXPECT_EQ(text(*requests.front(), "outcome"), "cancelled") << way;
        EXPECT_EQ(number(*requests.front(), "result"), 5) << way;
        EXPECT_EQ(text((*requests.front())["uring"], "cause"), "cancel") << way;
    }
}

// It ends at its first completion, and takes what is still in flight along.
TEST(CancelOfAProcess, ThatEndsAtTheFirstCancel) {
    const Folder folder;
    for (int round = 0; round < 4; round++) {
        for (const std::string way : {"ring", "inject"}) {
            Waiting waiting(folder.path(), "18");
            const Ended ended =
                run_inflight({"cancel", "-p", waiting.pid(), "--all", "--yes", "-o", "json", "--way", way});
            EXPECT_THAT(ended.err + ended.out, Not(HasSubstr("thread of the kernel")));
            const auto lines = Lines(ended.out);
            const auto results = lines.of("cancelled");
            EXPECT_EQ(results.size(), 3U);
            for (const Value* result : results) {
                EXPECT_THAT(text(*result, "verdict"), AnyOf("cancelled", "completed-first")) << text(*result, "reason");
            }
            EXPECT_TRUE(waiting.process().wait());
            EXPECT_EQ(waiting.process().status(), 0);
        }
    }
}

// One after the other, each a run of its own: from the second on there is nothing left.
TEST(CancelOfAProcess, ThatHasJustEnded) {
    const Folder folder;
    Waiting waiting(folder.path(), "18");
    const Lines list(run_inflight({"ls", "-p", waiting.pid(), "-o", "json"}).out);
    Words ids;
    for (const Value* each : list.of("in_flight")) {
        ids.push_back(text(*each, "id"));
    }
    ASSERT_EQ(ids.size(), 3U);
    const Ended first = run_inflight({"cancel", "--yes", ids.at(0)});
    EXPECT_EQ(first.status, 0) << first.out << first.err;
    const Ended second = run_inflight({"cancel", "--yes", ids.at(1)});
    EXPECT_EQ(second.status, 1) << second.out << second.err;
    EXPECT_THAT(second.out + second.err, Not(HasSubstr("thread of the kernel")));
}

}  // namespace
}  // namespace inflight::faults
