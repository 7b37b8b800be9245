// SPDX-License-Identifier: Apache-2.0
// Filters: what is chosen is seen, all of it; what is not chosen is not seen; what cannot be chosen is an error.
#include "faults_aio.hpp"
#include "faults_support.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <linux/sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

namespace inflight::faults {
namespace {

class Filters : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

std::int64_t size_of(const std::vector<const Value*>& records) {
    return static_cast<std::int64_t>(records.size());
}

TEST_F(Filters, OneProcess) {
    const Folder folder;
    Gated traced("read_write", folder.path());
    Gated other("cancel_poll", folder.path());
    Tracer tracer({"--events", "-p", std::to_string(traced.pid())});
    other.go();
    traced.go();
    const auto lines = tracer.end();
    EXPECT_EQ(size_of(lines.of("request")), totals_of(traced.out()).requests);
    EXPECT_EQ(pids_of(lines.of("request")), std::set<std::int64_t>{traced.pid()});
    EXPECT_EQ(pids_of(lines.of("event")), std::set<std::int64_t>{traced.pid()});
    EXPECT_EQ(pids_of(lines.of("context")), std::set<std::int64_t>{traced.pid()});
    EXPECT_TRUE(lines.of("cancel").empty());
}

TEST_F(Filters, SeveralProcesses) {
    const Folder folder;
    Gated first("read_write", folder.path());
    Gated second("cancel_poll", folder.path());
    Gated other("poll_ready", folder.path());
    Tracer both({"-p", std::to_string(first.pid()), "-p", std::to_string(second.pid())});
    Tracer twice({"-p", std::to_string(first.pid()), "-p", std::to_string(first.pid())});
    for (auto* gated : {&first, &second, &other}) {
        gated->go();
    }
    const auto of_both = both.end();
    EXPECT_EQ(pids_of(of_both.of("request")), (std::set<std::int64_t>{first.pid(), second.pid()}));
    EXPECT_EQ(size_of(of_both.requests_of(first.pid())), totals_of(first.out()).requests);
    EXPECT_EQ(size_of(of_both.requests_of(second.pid())), totals_of(second.out()).requests);
    EXPECT_EQ(size_of(twice.end().of("request")), totals_of(first.out()).requests);
}

TEST_F(Filters, ProcessThatIsNone) {
    for (const std::string pid : {"0", "4194305", "4294967295", "-5", "abc", "", "1x"}) {
        const auto ended = run_inflight({"trace", "-p", pid, "--duration", "1s"});
        EXPECT_EQ(ended.status, 2) << "-p " << pid;
        EXPECT_EQ(ended.out, "") << pid;
        EXPECT_NE(ended.err.find("--pid"), std::string::npos) << pid << ": " << ended.err;
    }
}

TEST_F(Filters, ThreadInsteadOfProcess) {
    std::atomic<pid_t> tid = 0;
    std::atomic<bool> over = false;
    std::thread thread([&] {
        tid = static_cast<pid_t>(::syscall(SYS_gettid));
        while (!over) {
            std::this_thread::sleep_for(1ms);
        }
    });
    EXPECT_TRUE(wait_until([&] { return tid != 0; }));
    const auto ended = run_inflight({"trace", "-p", std::to_string(tid), "--duration", "1s"});
    over = true;
    thread.join();
    EXPECT_EQ(ended.status, 2);
    expect_error(ended.err, fmt::format("thread of process {}", ::getpid()));
    EXPECT_NE(ended.err.find(fmt::format("--pid {}\n", ::getpid())), std::string::npos) << ended.err;
}

// A shell whose child was there before the trace, and one whose child comes later.
TEST_F(Filters, Children) {
    const Folder folder;
    const auto before = fmt::format("sh -c 'read line; exec {} {}'; true", workload("cancel_poll"), folder.path());
    const auto later = fmt::format("read line; sh -c '{} {}; true'; true", workload("cancel_poll"), folder.path());
    for (const auto& script : {before, later}) {
        for (const bool follow : {true, false}) {
            Process shell(Words{"sh", "-c", "echo ready; " + script});
            ASSERT_TRUE(shell.wait_for_out("ready"));
            if (script == before) {
                const auto list = fmt::format("/proc/{0}/task/{0}/children", shell.pid());
                ASSERT_TRUE(wait_until([&] { return !read_file(list).empty(); }));
            }
            Tracer tracer(Words{"-p", std::to_string(shell.pid())} + (follow ? Words{"--follow"} : Words{}));
            shell.send("go\n");
            shell.wait();
            const auto requests = tracer.end().of("request");
            EXPECT_EQ(size_of(requests), follow ? totals_of(shell.out()).requests : 0) << script;
            EXPECT_FALSE(pids_of(requests).contains(shell.pid()));
        }
    }
}

TEST_F(Filters, Name) {
    const Folder folder;
    for (const std::string name : {"read_write", "cancel_same_iocb_twice"}) {
        Gated traced(name, folder.path());
        Gated other("poll_ready", folder.path());
        Tracer tracer({"--comm", name});
        traced.go();
        other.go();
        const auto lines = tracer.end();
        EXPECT_EQ(size_of(lines.requests_of(traced.pid())), totals_of(traced.out()).requests) << name;
        EXPECT_TRUE(lines.requests_of(other.pid()).empty());
        for (const auto* request : lines.of("request")) {
            EXPECT_EQ(text(*request, "comm"), name.substr(0, 15));
        }
    }
}

TEST_F(Filters, User) {
    constexpr uid_t nobody = 65534;
    const Folder folder;
    const auto become_nobody = [] {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
            ::setresuid(nobody, nobody, nobody) != 0) {
            ::_exit(99);
        }
    };
    for (const std::string user : {"65534", "nobody"}) {
        const auto trial = run(Start{.command = {workload("poll_ready"), folder.path()}, .in_child = become_nobody});
        if (trial.status != 0) {
            GTEST_SKIP() << "nobody cannot run " << workload("poll_ready") << ": " << trial.err;
        }
        Gated traced("poll_ready", folder.path(), become_nobody);
        Gated other("poll_ready", folder.path());
        Tracer tracer({"--uid", user});
        traced.go();
        other.go();
        const auto lines = tracer.end();
        EXPECT_EQ(size_of(lines.requests_of(traced.pid())), totals_of(traced.out()).requests);
        EXPECT_TRUE(lines.requests_of(other.pid()).empty());
        for (const auto* request : lines.of("request")) {
            EXPECT_EQ(number(*request, "uid"), nobody);
        }
    }
    const auto unknown = run_inflight({"trace", "--uid", "no-such-user", "--duration", "1s"});
    EXPECT_EQ(unknown.status, 2);
    EXPECT_NE(unknown.err.find("no-such-user"), std::string::npos) << unknown.err;
}

// What the workload says that it did, by operation.
TEST_F(Filters, Operation) {
    const Folder folder;
    const auto check = [&](const Words& operations, const Words& options) {
        const auto traced = trace(options, {workload("read_write"), folder.path()});
        ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
        std::int64_t expected = 0;
        for (const auto& operation : operations) {
            const auto count = expected_requests(traced.ended.out, operation);
            EXPECT_GT(count, 0) << operation;
            EXPECT_EQ(size_of(traced.lines.requests_with("op", operation)), count) << operation;
            expected += count;
        }
        EXPECT_EQ(size_of(traced.lines.of("request")), expected);
        EXPECT_EQ(number(traced.lines.one("summary"), "requests"), expected);
    };
    check({"pread"}, {"--op", "pread"});
    check({"fsync"}, {"--op", "fsync"});
    check({"pwrite", "preadv"}, {"--op", "pwrite,preadv"});
    check({"pwritev", "fdsync"}, {"--op", "pwritev", "--op", "fdsync"});
}

TEST_F(Filters, Outcome) {
    const Folder folder;
    const auto traced = trace({"--outcome", "cancelled,abandoned"}, {workload("many_contexts"), folder.path()});
    ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
    EXPECT_EQ(size_of(traced.lines.of("request")), 200);
    EXPECT_EQ(size_of(traced.lines.requests_with("outcome", "cancelled")), 100);
    EXPECT_EQ(size_of(traced.lines.requests_with("outcome", "abandoned")), 100);
    EXPECT_EQ(number(traced.lines.one("summary"), "requests"), 200);
    const auto failed = trace({"--outcome", "failed,in-flight"}, {workload("failed"), folder.path()});
    ASSERT_EQ(failed.ended.status, 0) << failed.ended.err;
    const auto expected = static_cast<std::int64_t>(count_of(failed.ended.out, "outcome=failed"));
    EXPECT_GT(expected, 0);
    EXPECT_EQ(size_of(failed.lines.of("request")), expected);
}

TEST_F(Filters, Latency) {
    const Folder folder;
    const Words command{workload("poll_later"), folder.path()};
    const auto all = trace({}, command);
    EXPECT_EQ(size_of(all.lines.of("request")), totals_of(all.ended.out).requests);
    EXPECT_EQ(size_of(trace({"--min-latency", "15ms"}, command).lines.of("request")),
              totals_of(all.ended.out).requests);
    EXPECT_EQ(size_of(trace({"--min-latency", "1h"}, command).lines.of("request")), 0);
    EXPECT_EQ(size_of(trace({"--min-latency", "15ms"}, {workload("poll_ready"), folder.path()}).lines.of("request")),
              0);
}

TEST_F(Filters, Event) {
    const Folder folder;
    const auto traced = trace({"--event", "io_cancel,io_setup"}, {workload("cancel_poll"), folder.path()});
    const auto totals = totals_of(traced.ended.out);
    std::int64_t setups = 0;
    std::int64_t cancels = 0;
    for (const auto* event : traced.lines.of("event")) {
        setups += text(*event, "event") == "io_setup" ? 1 : 0;
        cancels += text(*event, "event") == "io_cancel" ? 1 : 0;
    }
    EXPECT_EQ(setups, 1);
    EXPECT_EQ(cancels, totals.cancels);
    EXPECT_EQ(size_of(traced.lines.of("event")), setups + cancels);
    EXPECT_EQ(size_of(traced.lines.of("request")), totals.requests);
}

TEST_F(Filters, NamesThatAreNone) {
    const Folder folder;
    const std::string marker = folder / "ran";
    const std::vector<Words> all{{"--op", "nope"},        {"--op", "pread,nope"},  {"--outcome", "nope"},
                                 {"--event", "nope"},     {"--event", "read"},     {"--min-latency", "soon"},
                                 {"--container", "nope"}, {"--uid", "nope"},       {"--cgroup", "/no/such/cgroup"},
                                 {"--cgroup", "/proc"},   {"--buffer", "nothing"}, {"-o", "xml"}};
    for (const auto& options : all) {
        const auto ended = run_inflight(Words{"trace"} + options + Words{"--", "touch", marker});
        EXPECT_EQ(ended.status, 2) << options[0] << ' ' << options[1];
        EXPECT_EQ(ended.out, "") << options[0];
        EXPECT_NE(ended.err.find(options[0] == "-o" ? "--format" : options[0]), std::string::npos) << ended.err;
        EXPECT_LE(lines_of(ended.err).size(), 3U) << ended.err;
    }
    EXPECT_FALSE(exists(marker));
}

// An unset variable in a script must not become the whole machine.
TEST_F(Filters, EmptyValues) {
    for (const std::string option :
         {"--comm", "--uid", "--cgroup", "--container", "--op", "--outcome", "--event", "-p"}) {
        const auto ended = run_inflight({"trace", option, "", "--duration", "50ms"});
        EXPECT_EQ(ended.status, 2) << option;
        EXPECT_EQ(ended.out, "") << option;
    }
}

// A process with that pid, which waits for SIGCONT and then does as the gated workload does. -1: it cannot be made.
pid_t start_with_pid(pid_t wanted, const std::string& program, const std::string& folder, int* error) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uintptr_t>(&wanted);
    arguments.set_tid_size = 1;
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
    if (pid == 0) {
        ::raise(SIGSTOP);
        ::close(STDOUT_FILENO);
        ::execl(program.c_str(), program.c_str(), folder.c_str(), nullptr);
        ::_exit(99);
    }
    *error = errno;
    return pid;
}

TEST_F(Filters, PidUsedAgain) {
    const Folder folder;
    Gated gated("poll_ready", folder.path());
    const pid_t pid = gated.pid();
    Tracer tracer({"--events", "-p", std::to_string(pid)});
    gated.go();
    const auto expected = totals_of(gated.out()).requests;
    // The kernel gives the number free when the task is gone for good, a little after it was waited for.
    int error = 0;
    pid_t again = -1;
    const auto started = [&] {
        again = start_with_pid(pid, workload("cancel_poll"), folder.path(), &error);
        return again > 0 || error != EEXIST;
    };
    if (!wait_until(started, 5s) || again < 0) {
        GTEST_SKIP() << "no second process with the same pid: " << std::strerror(error);
    }
    ASSERT_EQ(again, pid);
    int status = 0;
    ASSERT_EQ(::waitpid(again, &status, WUNTRACED), again);
    EXPECT_TRUE(WIFSTOPPED(status));
    ::kill(again, SIGCONT);
    const bool ended = wait_until([&] { return ::waitpid(again, &status, WNOHANG) == again; });
    if (!ended) {
        ::kill(again, SIGKILL);
        ::waitpid(again, &status, 0);
    }
    EXPECT_TRUE(ended);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    const auto lines = tracer.end();
    EXPECT_EQ(size_of(lines.of("request")), expected);
    EXPECT_TRUE(lines.of("cancel").empty()) << "the second process of that pid was traced";
    for (const auto* event : lines.of("event")) {
        EXPECT_EQ(text(*event, "comm"), "poll_ready");
    }
}

}  // namespace
}  // namespace inflight::faults
