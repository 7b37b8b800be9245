// SPDX-License-Identifier: Apache-2.0
// Names that a hostile program chooses: they must not reach the terminal, nor break a line or the JSON.
#include "faults_aio.hpp"
#include "faults_support.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace inflight::faults {
namespace {

// A newline, ESC, a byte that is not UTF-8, C1's CSI as UTF-8, a change of direction, DEL, quotes, a backslash, a tab.
const std::string hostile_file =
    "a\nlost 0\x1b[31m\xff\xc2\x9b"
    "2J\xe2\x80\xae"
    "\x7f\"\\\t\r,%s%n";
const std::string hostile_comm = "x\n\x1b[2J\xff\xc2\x9b\"\\\t";

class Hostile : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

// Reads a file of that name, under that name of its own, and leaves a poll behind; after a line on its standard input.
Start hostile_program(const std::string& folder) {
    return {.command = {}, .in_child = [folder] {
                ::prctl(PR_SET_NAME, hostile_comm.c_str());
                const int fd = ::open((folder + "/" + hostile_file).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                const int never = ::socket(AF_UNIX, SOCK_DGRAM, 0);
                std::array<char, 64> buffer{};
                char go = 0;
                if (fd < 0 || ::write(fd, "text", 4) != 4 || ::read(STDIN_FILENO, &go, 1) != 1) {
                    ::_exit(1);
                }
                const auto context = aio::setup(4);
                iocb read = aio::make_read(fd, buffer.data(), buffer.size(), 1);
                iocb poll = aio::make(IOCB_CMD_POLL, never, 2);
                const bool done = aio::submit(context, read) && aio::reap(context) && aio::submit(context, poll);
                ::syscall(SYS_io_cancel, context, &poll, nullptr);
                ::_exit(done ? 0 : 1);
            }};
}

// Only what a terminal prints, and line ends; whole UTF-8 sequences.
std::string unfit_byte(const std::string& text) {
    std::size_t following = 0;
    unsigned lead = 0;
    for (std::size_t at = 0; at < text.size(); at++) {
        const auto byte = static_cast<unsigned char>(text[at]);
        const bool continues = (byte & 0xc0U) == 0x80U;
        if (continues != (following > 0)) {
            return fmt::format("broken UTF-8 at {}: {:#x}", at, byte);
        }
        if (continues) {
            following--;
            if (lead == 0xc2U && byte < 0xa0U) {
                return fmt::format("a C1 control character at {}: {:#x}", at, byte);
            }
        } else {
            lead = byte;
            following = byte >= 0xf0U ? 3 : byte >= 0xe0U ? 2 : byte >= 0xc0U ? 1 : 0;
            if ((byte < 0x20U && byte != '\n') || byte == 0x7fU) {
                return fmt::format("a control character at {}: {:#x}", at, byte);
            }
        }
    }
    return "";
}

struct Output {
    std::string text;
    pid_t pid = -1;
};

Output trace_hostile(const std::string& format) {
    const Folder folder;
    Output output;
    Process program(hostile_program(folder.path()));
    output.pid = program.pid();
    Process tracer(Words{inflight_path(), "trace", "--events", "-o", format, "-p", std::to_string(program.pid())});
    // It sleeps in ppoll only when the hooks are there; not every format has a first line.
    const auto sleeps = fmt::format("/proc/{}/syscall", tracer.pid());
    EXPECT_TRUE(
        wait_until([&] { return !tracer.running() || read_file(sleeps).starts_with(fmt::format("{} ", SYS_ppoll)); }));
    program.send("go\n");
    program.wait();
    EXPECT_EQ(program.status(), 0);
    tracer.signal(SIGINT);
    tracer.wait();
    EXPECT_EQ(tracer.status(), 0) << tracer.err();
    output.text = tracer.out();
    return output;
}

TEST_F(Hostile, Text) {
    const auto output = trace_hostile("text");
    EXPECT_EQ(unfit_byte(output.text), "") << output.text;
    EXPECT_EQ(output.text.find("\xe2\x80\xae"), std::string::npos) << "a change of direction reaches the terminal";
    // Lines that the program made up would stand at a line's beginning.
    EXPECT_EQ(count_of(output.text, "\nlost 0"), 1U) << output.text;
    EXPECT_EQ(count_of(output.text, "\nrequests  2"), 1U) << output.text;
}

TEST_F(Hostile, Json) {
    const auto output = trace_hostile("json");
    const Lines lines(output.text);
    EXPECT_EQ(lines.requests_of(output.pid).size(), 2U);
    int files = 0;
    for (const auto* request : lines.requests_of(output.pid)) {
        EXPECT_TRUE(text(*request, "comm").starts_with("x\n\x1b[2J\\xff")) << text(*request, "comm");
        if (text(*request, "op") == "pread") {
            files++;
            EXPECT_NE(text(*request, "file").find("/a\nlost 0\x1b[31m\\xff\xc2\x9b"), std::string::npos)
                << text(*request, "file");
            EXPECT_TRUE(text(*request, "file").ends_with("\"\\\t\r,%s%n")) << text(*request, "file");
        }
    }
    EXPECT_EQ(files, 1);
    EXPECT_EQ(lines.of("cancel").size(), 1U);
    EXPECT_FALSE(lines.of("event").empty());
}

TEST_F(Hostile, Tracee) {
    const auto output = trace_hostile("tracee");
    const auto lines = lines_of(output.text);
    EXPECT_GE(lines.size(), 5U) << output.text;
    for (const auto& line : lines) {
        rapidjson::Document document;
        EXPECT_FALSE(document.Parse<rapidjson::kParseValidateEncodingFlag>(line.c_str(), line.size()).HasParseError())
            << line;
    }
}

TEST_F(Hostile, CommandAndItsArguments) {
    const auto traced = trace({}, {"true", hostile_file, "\xff\xfe"});
    EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
    EXPECT_EQ(traced.lines.one("trace")["command"].Size(), 3U);
    const auto shown = run_inflight({"trace", "--", "true", hostile_file});
    EXPECT_EQ(unfit_byte(shown.out), "") << shown.out;
}

}  // namespace
}  // namespace inflight::faults
