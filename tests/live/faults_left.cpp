// SPDX-License-Identifier: Apache-2.0
// What outlives its process, its context or its ring: it is listed once, with its owner where that is known.
#include "faults_file_system.hpp"
#include "faults_support.hpp"
#include "faults_uring.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>

namespace inflight::faults {
namespace {

using testing::HasSubstr;

// The workload of that kind, and the child that it left.
class LeftBehind {
public:
    explicit LeftBehind(const std::string& kind) : process_(Words{workload("left"), folder_.path(), kind}) {
        if (process_.wait_for_out("\n")) {
            const std::string out = process_.out();
            const std::string word = "left ";
            const std::size_t at = out.find(word);
            child_ = at == std::string::npos ? 0 : std::stoi(out.substr(at + word.size()));
        }
    }
    ~LeftBehind() {
        if (process_.running()) {
            process_.signal(SIGTERM);
            static_cast<void>(process_.wait());
        }
    }
    LeftBehind(const LeftBehind&) = delete;
    LeftBehind& operator=(const LeftBehind&) = delete;
    [[nodiscard]] pid_t child() const { return child_; }
    [[nodiscard]] std::string why_not() const { return process_.err(); }

private:
    Folder folder_;
    Process process_;
    pid_t child_ = 0;
};

class Left : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
    // False: this machine has no FUSE.
    bool leave(const std::string& kind) {
        left_ = std::make_unique<LeftBehind>(kind);
        return left_->child() != 0;
    }
    void end_it() { left_.reset(); }
    [[nodiscard]] const LeftBehind& left() const { return *left_; }

private:
    std::unique_ptr<LeftBehind> left_;
};

// The threads of that process that wait for requests to end.
std::vector<const Value*> closing_of(const Value& end, pid_t pid) {
    std::vector<const Value*> found;
    for (const Value& each : end["closing"].GetArray()) {
        if (number(each, "pid") == pid) {
            found.push_back(&each);
        }
    }
    return found;
}

std::vector<const Value*> closing_rings(const Lines& lines) {
    std::vector<const Value*> found;
    for (const Value* each : lines.of("context_now")) {
        const Value& ring = (*each)["context"]["ring"];
        if (ring.IsObject() && ring["closing"].GetBool()) {
            found.push_back(each);
        }
    }
    return found;
}

std::size_t closing_contexts(const Lines& lines) {
    std::size_t count = 0;
    for (const Value* each : lines.of("context")) {
        const Value& ring = (*each)["ring"];
        count += text(*each, "change") == "found" && ring.IsObject() && ring["closing"].GetBool() ? 1 : 0;
    }
    return count;
}

TEST_F(Left, ARingWhoseProcessIsGone) {
    if (!leave("0")) {
        GTEST_SKIP() << left().why_not();
    }
    const Ended listed = run_inflight({"contexts", "-o", "json"});
    const Lines contexts(listed.out);
    const auto rings = closing_rings(contexts);
    ASSERT_EQ(rings.size(), 1U) << listed.out;
    EXPECT_EQ(number(*rings[0], "listed_in_flight") + number(*rings[0], "unlisted"), 1);
    EXPECT_TRUE((*rings[0])["context"]["uid"].IsNull()) << "nothing tells whose it was";
    EXPECT_THAT(run_inflight({"contexts"}).out, HasSubstr("ring, closing"));
    EXPECT_THAT(run_inflight({"ls"}).out,
                HasSubstr("a ring that is being freed, of a process that is gone, has 1 more"));
    EXPECT_TRUE(closing_rings(Lines(run_inflight({"contexts", "-o", "json", "--comm", "another"}).out)).empty());
}

TEST_F(Left, ATraceThatFindsItSaysWhenItIsFreed) {
    if (!leave("0")) {
        GTEST_SKIP() << left().why_not();
    }
    Tracer tracer({});
    end_it();
    const Lines lines = tracer.end();
    EXPECT_EQ(number(lines.one("loss"), "total"), 0);
    EXPECT_EQ(closing_contexts(lines), 1U) << "the one that was found";
}

TEST_F(Left, AThreadInIoDestroy) {
    if (!leave("1")) {
        GTEST_SKIP() << left().why_not();
    }
    for (const std::string command : {"ls", "contexts"}) {
        const Lines lines(run_inflight({command, "-o", "json"}).out);
        const auto closing = closing_of(lines.one(command == "ls" ? "in_flight_end" : "contexts_end"), left().child());
        ASSERT_EQ(closing.size(), 1U) << command;
        EXPECT_EQ(text(*closing[0], "family"), "aio");
        EXPECT_EQ(text(*closing[0], "comm"), "left");
        EXPECT_FALSE((*closing[0])["ctx_id"].IsNull());
        EXPECT_THAT(run_inflight({command}).out, HasSubstr("waits in io_destroy(0x"));
    }
    const Lines others(run_inflight({"ls", "-o", "json", "-p", "1"}).out);
    EXPECT_TRUE(closing_of(others.one("in_flight_end"), left().child()).empty()) << "the filter holds for it too";
}

TEST_F(Left, AProcessThatCannotExit) {
    if (!leave("2")) {
        GTEST_SKIP() << left().why_not();
    }
    const Ended listed = run_inflight({"contexts", "-o", "json"});
    const auto closing = closing_of(Lines(listed.out).one("contexts_end"), left().child());
    ASSERT_EQ(closing.size(), 1U) << listed.out;
    EXPECT_EQ(text(*closing[0], "family"), "aio");
    EXPECT_TRUE((*closing[0])["ctx_id"].IsNull());
    EXPECT_THAT(run_inflight({"ls"}).out,
                HasSubstr("is exiting, and waits until its requests of kernel AIO have ended"));
}

TEST_F(Left, ARequestOfAKilledProcess) {
    const OwnFileSystem own;
    if (!own.mounted()) {
        GTEST_SKIP() << "no file system can be mounted here";
    }
    Process program(Start{.command = {}, .in_child = [&] {
                              const WriteToFrozen write(own.path(), 0x1ef8);
                              static_cast<void>(::write(STDOUT_FILENO, "stands\n", 7));
                              ::pause();
                          }});
    const bool stands = program.wait_for_out("stands\n");
    ::usleep(100'000);
    program.signal(SIGKILL);
    ::usleep(100'000);
    const Ended listed = run_inflight({"ls", "-o", "json"});
    const Ended shown = run_inflight({"ls"});
    const std::string stack = read_file("/proc/" + std::to_string(program.pid()) + "/stack");
    // Before anything can fail: nothing ends while it is frozen.
    const int directory = ::open(own.path().c_str(), O_RDONLY);
    ::ioctl(directory, FITHAW, 0);
    ::close(directory);
    ASSERT_TRUE(program.wait());
    ASSERT_TRUE(stands);
    const Lines lines(listed.out);
    const auto requests = lines.of("in_flight");
    const auto left = std::ranges::find_if(
        requests, [](const Value* each) { return text((*each)["request"], "user_data") == "0x1ef8"; });
    ASSERT_NE(left, requests.end()) << listed.out;
    EXPECT_EQ(text(**left, "stage"), "io-wq-running");
    EXPECT_EQ(number((**left)["request"], "pid"), program.pid());
    EXPECT_EQ(text((**left)["request"], "op"), "write");
    EXPECT_THAT(shown.out, HasSubstr("/mnt/file"));
    for (const Value& each : lines.one("in_flight_end")["unlisted"].GetArray()) {
        EXPECT_NE(number(each, "pid"), program.pid()) << "the request is in the list already";
    }
    const auto closing = closing_of(lines.one("in_flight_end"), program.pid());
    ASSERT_EQ(closing.size(), 1U) << listed.out << stack;
    EXPECT_EQ(text(*closing[0], "family"), "uring");
}

}  // namespace
}  // namespace inflight::faults
