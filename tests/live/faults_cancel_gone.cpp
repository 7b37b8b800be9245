// SPDX-License-Identifier: Apache-2.0
// `cancel` in what is no ordinary process: one that ends meanwhile, has ended, whose main thread has, or of 32 bits.
#include "act/cancelling.hpp"
#include "act/stopped_thread.hpp"
#include "act/target.hpp"
#include "faults_waiting.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

namespace inflight::faults {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

bool is_zombie(const std::string& pid) {
    return read_file("/proc/" + pid + "/stat").find(") Z ") != std::string::npos;
}

TEST(CancelOfAProcess, ThatIsAZombie) {
    const Folder folder;
    Waiting waiting(folder.path(), "4");
    waiting.process().signal(SIGKILL);
    ASSERT_TRUE(wait_until([&] { return is_zombie(waiting.pid()); }));
    const Ended ended = run_inflight({"cancel", "-p", waiting.pid(), "--all", "--yes"});
    EXPECT_EQ(ended.status, 1) << ended.out << ended.err;
    EXPECT_THAT(ended.err, AnyOf(HasSubstr("nothing in flight fits"), HasSubstr("no such process")));
    // Were one found nevertheless:
    const auto target = act::Target::look(waiting.process().pid());
    ASSERT_FALSE(target);
    EXPECT_THAT(target.error().message(), HasSubstr("zombie"));
    const auto asked = act::StoppedThread::ask(waiting.process().pid());
    ASSERT_FALSE(asked);
    EXPECT_THAT(asked.error().message(), HasSubstr("it has ended meanwhile"));
}

// Makes an attempt in a process of its own, which then stays; prints what came of it.
class Attempt {
public:
    explicit Attempt(act::Order order)
        : process_(Start{.command = {}, .in_child = [order = std::move(order)] {
                             const auto answer = act::cancel(order);
                             std::fputs(answer ? fmt::format("answered {}\n", answer->ret).c_str()
                                               : fmt::format("failed {}\n", answer.error().message()).c_str(),
                                        stdout);
                             std::fflush(stdout);
                             char nothing = 0;
                             (void)!::read(STDIN_FILENO, &nothing, 1);
                         }}) {}
    [[nodiscard]] std::string said() const {
        EXPECT_TRUE(process_.wait_for_out("\n"));
        return process_.out();
    }

private:
    Process process_;
};

// Its number depends on what the test itself was started with.
int ring_fd_of(const std::string& pid) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + pid + "/fd")) {
        std::error_code gone;
        if (std::filesystem::read_symlink(entry, gone) == "anon_inode:[io_uring]") {
            return std::stoi(entry.path().filename());
        }
    }
    return -1;
}

act::Order order_for(const Waiting& waiting, act::Way way, std::function<bool()> last_look) {
    return {.pid = std::stoi(waiting.pid()),
            .aio = way == act::Way::inject,
            .way = way,
            .ctx_id = 0x1000,
            .iocb = 0x1000,
            .ring_fd = way == act::Way::ring ? ring_fd_of(waiting.pid()) : -1,
            .user_data = 0x1234,
            .still_in_flight = std::move(last_look)};
}

TEST(CancelOfAProcess, ThatIsKilledBetweenTheLastLookAndTheCall) {
    const Folder folder;
    for (const auto& [way, kind] :
         {std::pair(act::Way::inject, "4"), std::pair(act::Way::inject, "11"), std::pair(act::Way::ring, "0")}) {
        Waiting waiting(folder.path(), kind);
        const Attempt attempt(order_for(waiting, way, [pid = waiting.process().pid()] {
            ::kill(pid, SIGKILL);
            ::usleep(20'000);
            return true;
        }));
        if (way == act::Way::inject) {
            EXPECT_THAT(attempt.said(), HasSubstr("it has ended meanwhile"));
        } else {
            EXPECT_THAT(attempt.said(), HasSubstr("answered ")) << "the ring outlives it for the moment";
        }
        EXPECT_TRUE(waiting.process().wait()) << "its parent learns of it though the other goes on";
        EXPECT_EQ(waiting.process().status(), 128 + SIGKILL);
    }
}

// Before the call, in the midst of it, after it.
TEST(CancelOfAProcess, ThatIsKilledAtAnyTime) {
    using std::chrono::steady_clock;
    const auto spin_until = [](steady_clock::time_point end) {
        while (steady_clock::now() < end) {
        }
    };
    const Folder folder;
    int answered = 0;
    int ended = 0;
    for (int after_us = -100; after_us < 300; after_us += 10) {
        // Of two threads it is the main one that makes the call, and the other that has to be waited for first.
        Waiting waiting(folder.path(), after_us % 20 == 0 ? "4" : "11");
        const pid_t pid = waiting.process().pid();
        const auto began = steady_clock::now();
        const Attempt attempt(order_for(waiting, act::Way::inject, [=] {
            const auto looked = steady_clock::now() + 2ms;
            if (::fork() == 0) {
                spin_until(looked + std::chrono::microseconds(after_us));
                ::kill(pid, SIGKILL);
                ::_exit(0);
            }
            spin_until(looked);
            return true;
        }));
        const std::string said = attempt.said();
        answered += count_of(said, "answered -14") != 0 ? 1 : 0;  // there is no such iocb
        ended += count_of(said, "ended meanwhile") != 0 ? 1 : 0;
        EXPECT_EQ(answered + ended, (after_us + 100) / 10 + 1) << said;
        EXPECT_TRUE(waiting.process().wait());
        EXPECT_LT(steady_clock::now() - began, 30s) << "it waited for what cannot come";
    }
    EXPECT_GT(ended, 0) << "the first came in time";
}

TEST(CancelOfAProcess, WhoseMainThreadHasEnded) {
    const Folder folder;
    Waiting waiting(folder.path(), "10");
    ASSERT_TRUE(wait_until([&] { return is_zombie(waiting.pid()); }));
    const Lines lines = cancel_all(waiting.pid(), 0);
    EXPECT_EQ(lines.of("cancelled").size(), waiting_polls);
    EXPECT_TRUE(wait_until([&] { return waiting.ended() == waiting_polls; })) << waiting.process().out();
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelOfAProcess, WhoseMainThreadHasEndedWithARing) {
    const Folder folder;
    for (const std::string way : {"ring", "inject"}) {
        Waiting waiting(folder.path(), "13");
        const Lines lines = cancel_all(waiting.pid(), 1, {"--way", way});  // an interrupted worker is no cancel
        EXPECT_GE(lines.of("cancelled").size(), 8U);
        const bool possible = way == "inject" || text(*lines.of("cancelled").front(), "verdict") != "refused";
        if (!possible) {
            expect_refused(waiting, lines, "choose --way inject");
            continue;
        }
        for (const Value* result : lines.of("cancelled")) {
            EXPECT_THAT(text(*result, "verdict"), AnyOf("cancelled", "interrupted")) << text(*result, "reason");
        }
        EXPECT_TRUE(waiting.undisturbed());
    }
}

TEST(CancelOfAProcess, Of32Bits) {
    if (!exists(workload("waiting32"))) {
        GTEST_SKIP() << "it could not be built";
    }
    Process process(Words{workload("waiting32")});
    if (!wait_until([&] { return !process.running() || count_of(process.out(), "ready\n") != 0; }) ||
        !process.running()) {
        GTEST_SKIP() << "this kernel runs no 32-bit programs";
    }
    const Lines lines = cancel_all(std::to_string(process.pid()), 1);
    const auto results = lines.of("cancelled");
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(text(*results.front(), "verdict"), "refused");
    EXPECT_THAT(text(*results.front(), "reason"), HasSubstr("32-bit program"));
    EXPECT_EQ(number(*results.front(), "threads_stopped"), 0);
    EXPECT_TRUE(process.running());
    EXPECT_EQ(process.out(), "ready\n") << "nothing came back";
}

}  // namespace
}  // namespace inflight::faults
