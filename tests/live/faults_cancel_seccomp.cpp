// SPDX-License-Identifier: Apache-2.0
// `cancel` in programs with seccomp filters: what they let pass is done, what they forbid is refused before it is
// tried.
#include "faults_waiting.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace inflight::faults {
namespace {

constexpr long restart_syscall = 219;
constexpr std::uint32_t register_sync_cancel = 24;

// In a child, before it executes anything.
void install(std::vector<sock_filter> program) {
    const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        ::_exit(1);
    }
}

sock_filter load(std::size_t at) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(at));
}

sock_filter answer(std::uint32_t what) {
    return BPF_STMT(BPF_RET | BPF_K, what);
}

sock_filter unless(std::uint32_t value, std::uint8_t skip) {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

std::function<void()> with_answer(long call, std::uint32_t what) {
    return [=] {
        install({load(offsetof(seccomp_data, nr)), unless(static_cast<std::uint32_t>(call), 1), answer(what),
                 answer(SECCOMP_RET_ALLOW)});
    };
}

// `what` only where the lower half of an argument has that value.
std::function<void()> with_answer(long call, std::size_t argument, std::uint32_t value, std::uint32_t what) {
    return [=] {
        install({load(offsetof(seccomp_data, nr)), unless(static_cast<std::uint32_t>(call), 3),
                 load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t)), unless(value, 1), answer(what),
                 answer(SECCOMP_RET_ALLOW)});
    };
}

void expect_all_cancelled(Waiting& waiting, const Lines& lines) {
    const auto results = lines.of("cancelled");
    EXPECT_EQ(results.size(), waiting_polls);
    for (const Value* result : results) {
        EXPECT_EQ(text(*result, "verdict"), "cancelled") << text(*result, "reason");
    }
    EXPECT_TRUE(wait_until([&] { return waiting.ended() == waiting_polls; })) << waiting.process().out();
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelUnderSeccomp, IsMadeWhereAFilterLetsItPass) {
    const std::vector<std::function<void()>> filters{
        with_answer(SYS_io_cancel, SECCOMP_RET_ALLOW),
        with_answer(SYS_io_cancel, SECCOMP_RET_LOG),
        with_answer(SYS_io_uring_register, SECCOMP_RET_KILL_PROCESS),
        with_answer(SYS_io_cancel, 2, 1, SECCOMP_RET_KILL_PROCESS),  // the event's address, which is none
        [] {
            for (int each = 0; each < 20; each++) {
                install({answer(SECCOMP_RET_ALLOW)});
            }
        },
    };
    const Folder folder;
    for (const auto& filter : filters) {
        Waiting waiting(folder.path(), "4", filter);
        expect_all_cancelled(waiting, cancel_all(waiting.pid(), 0));
    }
}

TEST(CancelUnderSeccomp, IsRefusedWhereAFilterWouldAnswerItself) {
    const std::vector<std::pair<std::uint32_t, std::string>> answers{
        {SECCOMP_RET_KILL_PROCESS, "would kill the process"},
        {SECCOMP_RET_KILL_THREAD, "would kill the thread"},
        {SECCOMP_RET_TRAP, "SIGSYS"},
        {SECCOMP_RET_ERRNO | EPERM, "would answer the call with EPERM"},
        {SECCOMP_RET_ERRNO, "0 (success), and not make it"},
        {SECCOMP_RET_USER_NOTIF, "user notification"},
        {SECCOMP_RET_TRACE, "ask a tracer"},
    };
    const Folder folder;
    for (const auto& [what, words] : answers) {
        Waiting waiting(folder.path(), "4", with_answer(SYS_io_cancel, what));
        expect_refused(waiting, cancel_all(waiting.pid(), 1), words, 1);
    }
}

TEST(CancelUnderSeccomp, HeedsTheStrictestOfSeveralFilters) {
    struct Row {
        std::uint32_t first;
        std::uint32_t second;
        std::string words;
    };
    const std::vector<Row> rows{
        {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW, "would kill the process"},
        {SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, "would kill the process"},
        {SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ERRNO | EACCES, "EACCES"},
        {SECCOMP_RET_ERRNO | EACCES, SECCOMP_RET_ERRNO | EPERM, "EPERM"},
        {SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO | EPERM, "SIGSYS"},
    };
    const Folder folder;
    for (const Row& row : rows) {
        Waiting waiting(folder.path(), "4", [&row] {
            with_answer(SYS_io_cancel, row.first)();
            with_answer(SYS_io_cancel, row.second)();
        });
        expect_refused(waiting, cancel_all(waiting.pid(), 1), row.words, 1);
    }
}

TEST(CancelUnderSeccomp, OfARingWithOneIssuer) {
    const Folder folder;
    {
        Waiting waiting(folder.path(), "1",
                        with_answer(SYS_io_uring_register, 1, register_sync_cancel, SECCOMP_RET_ERRNO | EPERM));
        expect_refused(waiting, cancel_all(waiting.pid(), 1), "EPERM", 1);
    }
    Waiting waiting(folder.path(), "1",
                    with_answer(SYS_io_uring_register, 1, register_sync_cancel - 1, SECCOMP_RET_KILL_PROCESS));
    const Lines lines = cancel_all(waiting.pid(), 1);  // an interrupted worker is no cancel
    for (const Value* result : lines.of("cancelled")) {
        EXPECT_NE(text(*result, "verdict"), "refused") << text(*result, "reason");
    }
    EXPECT_GE(waiting.ended(), 8U);
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelUnderSeccomp, FromOutsideNeedsNoLeave) {
    const Folder folder;
    Waiting waiting(folder.path(), "0", with_answer(SYS_io_uring_register, 1, register_sync_cancel, SECCOMP_RET_TRAP));
    (void)cancel_all(waiting.pid(), 1);  // an interrupted worker is no cancel
    EXPECT_GE(waiting.ended(), 5U);
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelUnderSeccomp, TakesAThreadThatMay) {
    const Folder folder;
    Waiting waiting(folder.path(), "11");
    const Lines lines = cancel_all(waiting.pid(), 0);
    expect_all_cancelled(waiting, lines);
    for (const Value* result : lines.of("cancelled")) {
        EXPECT_EQ(number(*result, "thread"), waiting.process().pid());
    }
    Waiting other(folder.path(), "11");
    expect_all_cancelled(other, cancel_all(other.pid(), 0, {"--no-stop"}));
}

TEST(CancelUnderSeccomp, InStrictModeIsRefused) {
    const Folder folder;
    Waiting waiting(folder.path(), "12");
    expect_refused(waiting, cancel_all(waiting.pid(), 1), "strict mode", 1);
}

TEST(CancelUnderSeccomp, IsRefusedWithoutTheRightToReadFilters) {
    const Folder folder;
    Waiting waiting(folder.path(), "4", with_answer(SYS_io_cancel, SECCOMP_RET_ALLOW));
    const Words command{"cancel", "-p", waiting.pid(), "--all", "--yes", "-o", "json"};
    const Ended filtered = run_inflight(command, [] { install({answer(SECCOMP_RET_ALLOW)}); });
    EXPECT_EQ(filtered.status, 1) << filtered.err;
    expect_refused(waiting, Lines(filtered.out), "no seccomp filter on inflight itself", 1);
    const Ended lesser = run_inflight(command, [] {
        constexpr int admin_capability = 21;
        ::prctl(PR_CAPBSET_DROP, admin_capability, 0, 0, 0);
    });
    EXPECT_EQ(lesser.status, 1) << lesser.err;
    expect_refused(waiting, Lines(lesser.out), "CAP_SYS_ADMIN", 1);
}

TEST(CancelUnderSeccomp, AndWhereTheProgramGetsItsCallsItself) {
    constexpr int dispatch_on_shown = 4;  // Linux 6.4
    utsname kernel{};
    int major = 0;
    int minor = 0;
    if (::uname(&kernel) != 0 || std::sscanf(kernel.release, "%d.%d", &major, &minor) != 2 || major < 6 ||
        (major == 6 && minor < dispatch_on_shown)) {
        GTEST_SKIP() << "this kernel does not show it";
    }
    const Folder folder;
    Waiting waiting(folder.path(), "14");
    expect_refused(waiting, cancel_all(waiting.pid(), 1), "syscall user dispatch", 1);
}

// The kernel goes on with an interrupted sleep by a call of its own, which a filter sees.
TEST(CancelUnderSeccomp, AndASleepThatMayNotBeRestarted) {
    const Folder folder;
    for (const std::uint32_t what : {SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO | EPERM}) {
        Waiting waiting(folder.path(), "9", with_answer(restart_syscall, what));
        const auto sleeps = [&] {
            const std::string call = read_file("/proc/" + waiting.pid() + "/syscall");
            return call.starts_with("35 ") || call.starts_with("230 ") || call.starts_with("219 ");
        };
        ASSERT_TRUE(wait_until(sleeps));
        const Lines lines = cancel_all(waiting.pid(), 0);
        for (const Value* result : lines.of("cancelled")) {
            EXPECT_EQ(text(*result, "verdict"), "cancelled") << text(*result, "reason");
            EXPECT_EQ((*result)["timeout_restarted"].GetBool(), what != SECCOMP_RET_ALLOW);
        }
        EXPECT_TRUE(wait_until([&] { return sleeps() || !waiting.process().running(); }));
        EXPECT_TRUE(waiting.undisturbed()) << what << ": " << waiting.process().out();
    }
}

}  // namespace
}  // namespace inflight::faults
