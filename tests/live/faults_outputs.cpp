// SPDX-License-Identifier: Apache-2.0
// Outputs that are closed, or that nobody reads: every command ends by itself, with a status that says so.
#include "faults_support.hpp"
#include "faults_waiting.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <initializer_list>
#include <thread>
#include <utility>

namespace inflight::faults {
namespace {

// One whose reader is gone, as after `| head -1`.
void be_broken_pipes(std::initializer_list<int> descriptors) {
    for (const int descriptor : descriptors) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) {
            ::_exit(99);
        }
        ::close(ends[0]);
        ::dup2(ends[1], descriptor);
        ::close(ends[1]);
    }
}

struct Closing {
    std::string name;
    std::function<void()> in_child;
    bool hides_output = false;
};

const std::vector<Closing>& closings() {
    static const std::vector<Closing> all{
        {"both pipes broken", [] { be_broken_pipes({1, 2}); }, true},
        {"all closed", [] { ::close_range(0, 2, 0); }, true},
        {"output broken", [] { be_broken_pipes({1}); }, true},
        {"errors broken", [] { be_broken_pipes({2}); }},
        {"input closed", [] { ::close(0); }},
        {"output closed", [] { ::close(1); }, true},
        {"errors closed", [] { ::close(2); }},
    };
    return all;
}

// Ends by itself: not by a signal, and not with a status of its own (134, 139, 141).
void expect_end(const Words& command, const Closing& closing, int status) {
    const Ended ended = run_inflight(command, closing.in_child);
    std::string words;
    for (const auto& word : command) {
        words += " " + word;
    }
    EXPECT_EQ(ended.status, status) << "inflight" << words << " with " << closing.name << ": " << ended.err;
}

TEST(ClosedOutputs, CommandsThatPrintEndWithOne) {
    for (const Closing& closing : closings()) {
        for (const Words& command : {Words{"--help"},
                                     {"--version"},
                                     {"trace", "--help"},
                                     {"events"},
                                     {"events", "io_cancel"},
                                     {"events", "--markdown"},
                                     {"manual"},
                                     {"completion", "bash"}}) {
            expect_end(command, closing, closing.hides_output ? 1 : 0);
        }
    }
}

TEST(ClosedOutputs, ErrorsKeepTheirStatus) {
    for (const Closing& closing : closings()) {
        for (const auto& [command, status] :
             std::vector<std::pair<Words, int>>{{{}, 2},
                                                {{"nonsense"}, 2},
                                                {{"trace", "--nonsense"}, 2},
                                                {{"events", "nonsense"}, 2},
                                                {{"report", "/none"}, 1},
                                                {{"export", "/none", "--to", "csv"}, 1},
                                                {{"cancel"}, 2},
                                                {{"run", "--aio", "--", "/none"}, 127}}) {
            expect_end(command, closing, status);
        }
    }
}

class Outputs : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
    const Folder folder_;
};

TEST_F(Outputs, CommandsThatTraceEndWithOne) {
    const std::string capture = folder_ / "capture";
    ASSERT_EQ(run_inflight({"record", "-o", capture, "--", workload("batch"), folder_.path()}).status, 0);
    const Closing& broken = closings().front();
    for (const Words& command : {Words{"trace", "--", "true"},
                                 {"check", "--", "true"},
                                 {"stat", "--", "true"},
                                 {"hist", "--", "true"},
                                 {"ls"},
                                 {"contexts", "-o", "json"},
                                 {"cancel", "-p", "1", "--all", "--dry-run"}}) {
        expect_end(command, broken, 1);
    }
    const Ended doctor = run_inflight({"doctor"}, broken.in_child);
    EXPECT_TRUE(doctor.status == 1 || doctor.status == 3) << doctor.status;
    for (const Closing& closing : {broken, closings().at(1)}) {
        expect_end({"record", "-o", folder_ / "another", "--", "true"}, closing, 0);
        expect_end({"trace", "--output", folder_ / "out", "--", "true"}, closing, 0);
    }
    for (const Closing& closing : closings()) {
        const int status = closing.hides_output ? 1 : 0;
        expect_end({"report", capture}, closing, status);
        expect_end({"report", "--group-by", "op", "-o", "json", capture}, closing, status);
        expect_end({"export", capture, "--to", "csv"}, closing, status);
    }
    for (const std::string format : {"json", "chrome", "perfetto"}) {
        expect_end({"export", capture, "--to", format}, broken, 1);
    }
}

// A file that is opened later must not become standard output.
TEST_F(Outputs, AClosedDescriptorIsNobodysFile) {
    const std::string capture = folder_ / "capture";
    const std::string out = folder_ / "out";
    const Ended ended =
        run_inflight({"trace", "--save", capture, "--output", out, "--", "sh", "-c", "echo one >&2; echo two"},
                     [] { ::close_range(0, 2, 0); });
    EXPECT_NE(ended.status, 0) << "echo has nowhere to write to, as without inflight";
    EXPECT_EQ(read_file(out).find("one\n"), std::string::npos);
    EXPECT_EQ(run_inflight({"report", capture}).status, 0);
}

// --- nobody reads ---------------------------------------------------------------------------------------------------

class Unread {
public:
    Unread() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
    ~Unread() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    Unread(const Unread&) = delete;
    Unread& operator=(const Unread&) = delete;
    [[nodiscard]] int write_end() const { return ends_[1]; }
    // No more fits, and that stays so.
    [[nodiscard]] bool full() const {
        // Not by the bytes: a page of the pipe may hold one short write.
        pollfd room{.fd = ends_[1], .events = POLLOUT, .revents = 0};
        constexpr int moment_ms = 20;
        return ::poll(&room, 1, moment_ms) == 0;
    }

private:
    std::array<int, 2> ends_{};
};

void expect_end_by(Process& process, int signal, int status) {
    std::this_thread::sleep_for(50ms);  // it waits in its write
    const auto begin = std::chrono::steady_clock::now();
    process.signal(signal);
    EXPECT_TRUE(process.wait(20s));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    EXPECT_EQ(process.status(), status) << process.err();
}

TEST_F(Outputs, ASignalEndsATraceThatNobodyReads) {
    const Process load(Words{workload("spin"), folder_.path(), "60000"});
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        const Unread unread;
        Process tracer(Start{.command = {inflight_path(), "trace", "-o", "json", "-p", std::to_string(load.pid())},
                             .out_fd = unread.write_end()});
        ASSERT_TRUE(wait_until([&] { return unread.full(); })) << tracer.err();
        expect_end_by(tracer, signal, 1);
        EXPECT_NE(tracer.err().find("takes no more, and a signal came: "), std::string::npos) << tracer.err();
        EXPECT_NE(tracer.err().find(" bytes were not written"), std::string::npos) << tracer.err();
    }
}

TEST_F(Outputs, ASignalEndsCountingThatNobodyReads) {
    const Process load(Words{workload("spin"), folder_.path(), "60000"});
    const Unread unread;
    Process counter(
        Start{.command = {inflight_path(), "stat", "-o", "json", "--interval", "1ms", "-p", std::to_string(load.pid())},
              .out_fd = unread.write_end()});
    ASSERT_TRUE(wait_until([&] { return unread.full(); })) << counter.err();
    expect_end_by(counter, SIGTERM, 1);
}

// The first signal is the command's; but who cannot go on does not wait for the command.
TEST_F(Outputs, ASignalEndsATraceOfACommandThatNobodyReads) {
    const Unread unread;
    Process tracer(Start{.command = {inflight_path(), "trace", "-o", "json", "--", "sh", "-c",
                                     fmt::format("trap '' TERM; echo $$ >{}; exec {} {} 30000 >{} 2>&1",
                                                 folder_ / "pid", workload("spin"), folder_.path(), folder_ / "said")},
                         .out_fd = unread.write_end()});
    ASSERT_TRUE(wait_until([&] { return unread.full(); })) << tracer.err();
    expect_end_by(tracer, SIGTERM, 1);
    ASSERT_EQ(::kill(static_cast<pid_t>(read_number(folder_ / "pid")), SIGKILL), 0) << "the command goes on";
}

TEST_F(Outputs, ASignalEndsTheWaitForTheReaderOfAFifo) {
    for (const Words& command : {Words{"trace", "--output"}, {"trace", "--save"}, {"record", "-o"}}) {
        const std::string fifo = folder_ / "fifo";
        ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
        Process tracer(Words{inflight_path()} + command + Words{fifo, "-p", std::to_string(::getpid())});
        const auto waits = fmt::format("/proc/{}/syscall", tracer.pid());
        EXPECT_TRUE(wait_until([&] { return !tracer.running() || read_file(waits).starts_with("257 "); }, 20s));
        expect_end_by(tracer, SIGTERM, 1);
        EXPECT_NE(tracer.err().find("nobody reads it, and a signal came"), std::string::npos) << tracer.err();
        ::unlink(fifo.c_str());
    }
}

// The signals are blocked while it looks, and must not stay so while it waits for an answer.
TEST_F(Outputs, ASignalEndsTheQuestionOfCancel) {
    Waiting waiting(folder_.path(), "4");
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_TRUE(terminal >= 0 && ::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0);
    const std::string name = ::ptsname(terminal);
    Process cancel(Start{.command = {inflight_path(), "cancel", "-p", waiting.pid(), "--all"},
                         .in_child = [name] { ::dup2(::open(name.c_str(), O_RDWR | O_NOCTTY), STDIN_FILENO); }});
    ASSERT_TRUE(wait_until([&] { return cancel.err().find("[y/N]") != std::string::npos; }, 30s)) << cancel.err();
    expect_end_by(cancel, SIGTERM, 128 + SIGTERM);
    ::close(terminal);
    EXPECT_EQ(waiting.ended(), 0U);
    EXPECT_TRUE(waiting.undisturbed());
}

TEST_F(Outputs, AHangupEndsATraceAsOtherSignalsDo) {
    Tracer tracer({"-p", std::to_string(::getpid())});
    tracer.process().signal(SIGHUP);
    EXPECT_TRUE(tracer.process().wait(20s));
    EXPECT_EQ(tracer.process().status(), 0);
    EXPECT_EQ(text(Lines(tracer.process().out()).one("summary"), "ended_by"), "SIGHUP");
    // Under nohup it goes on.
    Process ignorant(Start{.command = {inflight_path(), "trace", "-o", "json", "-p", std::to_string(::getpid())},
                           .in_child = [] { ::signal(SIGHUP, SIG_IGN); }});
    ASSERT_TRUE(ignorant.wait_for_out("\n"));
    ignorant.signal(SIGHUP);
    std::this_thread::sleep_for(100ms);
    EXPECT_TRUE(ignorant.running());
    ignorant.signal(SIGTERM);
    EXPECT_TRUE(ignorant.wait(20s));
}

}  // namespace
}  // namespace inflight::faults
