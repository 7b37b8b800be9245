// SPDX-License-Identifier: Apache-2.0
// Words of the command line and names of files: what they lead to, and what is said about them.
#include "faults_support.hpp"
#include "faults_waiting.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

namespace inflight::faults {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
}

// Only what a terminal prints, and line ends.
bool prints_only(const std::string& text) {
    for (const std::string_view part : {"\x1b", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\r", "\xff"}) {
        if (text.find(part) != std::string::npos) {
            return false;
        }
    }
    return true;
}

TEST(Words, CannotForgeALineOfOurs) {
    const std::string evil = "x\nlost 0\ninflight: all is well\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\r\xff";
    for (const auto& command : std::vector<Words>{{evil},
                                                  {"--" + evil},
                                                  {"trace", "--" + evil},
                                                  {"trace", "-o", evil},
                                                  {"trace", "--duration", evil},
                                                  {"trace", "--comm", evil, evil, "--", "true"},
                                                  {"trace", "--event", evil, "--", "true"},
                                                  {"trace", "--uid", evil, "--", "true"},
                                                  {"report", evil},
                                                  {"report", "/none", "--where", evil},
                                                  {"report", "/none", "--since", evil},
                                                  {"report", "/none", "--group-by", evil},
                                                  {"export", evil, "--to", "csv"},
                                                  {"events", evil},
                                                  {"events", "--all", "/" + evil},
                                                  {"cancel", evil, "--yes"},
                                                  {"run", "--aio", "--", evil},
                                                  {"run", "--aio", "--library", evil, "--", "true"},
                                                  {"completion", evil},
                                                  {"doctor", "--hooks", evil}}) {
        const Ended ended = run_inflight(command);
        EXPECT_NE(ended.status, 0) << command.front();
        EXPECT_TRUE(prints_only(ended.err)) << ended.err;
        EXPECT_EQ(ended.out, "");
        int lines = 0;
        for (const auto& line : lines_of(ended.err)) {
            EXPECT_TRUE(line.starts_with(lines++ == 0 ? "inflight: " : "  ")) << ended.err;
        }
    }
}

TEST(Words, NumbersThatAreNoneAreMisuse) {
    for (const auto& [command, named] : std::vector<std::pair<Words, std::string>>{
             {{"trace", "--duration", "-5s"}, "-5s"},
             {{"trace", "--duration", "0"}, "'0'"},
             {{"trace", "--duration", "nan"}, "'nan'"},
             {{"trace", "--duration", "inf"}, "'inf'"},
             {{"trace", "--duration", "99999999999h"}, "at most 100 years"},
             {{"trace", "--duration", "1e999h"}, "at most 100 years"},
             {{"trace", "--blocked", "9223372036854775807"}, "at most 100 years"},
             {{"trace", "--min-latency", "1e-999s"}, "not a time"},
             {{"trace", "--buffer", "-1"}, "-1"},
             {{"trace", "--buffer", "99999999tb"}, "at most 1024 tb"},
             {{"trace", "-p", "-1"}, "-1"},
             {{"trace", "-p", "0"}, "'0'"},
             {{"trace", "-p", "4294967296"}, "4294967296"},
             {{"trace", "--workers", "-1"}, "-1"},
             {{"trace", "--workers", "4294967296"}, "4294967296"},
             {{"trace", "--punt-share", "101%"}, "101%"},
             {{"record", "-o", "/none/x", "--keep", "-1"}, "-1"},
             {{"record", "-o", "/none/x", "--rotate-size", "1e30"}, "1e30"},
             {{"record", "-o", "/none/x", "--flight", "1e30h"}, "1e30h"},
             {{"report", "/none", "--top", "-1"}, "-1"},
             {{"report", "/none", "--top", "18446744073709551616"}, "18446744073709551616"},
             {{"report", "/none", "--since", "9999-01-01T00:00:00Z"}, "out of range"},
             {{"report", "/none", "--until", "2999-01-01T00:00:00"}, "out of range"},
             {{"report", "/none", "--since", "1e300h"}, "out of range"},
             {{"report", "/none", "--since", "2026-02-30T00:00:00Z"}, "not a time"},
             {{"ls", "--older-than", "-1s"}, "-1s"},
             {{"ls", "--watch", "1e40"}, "1e40"},
             {{"stat", "--keys", "0"}, "0"},
             {{"stat", "--keys", "-1"}, "-1"},
             {{"stat", "--top", "-1"}, "-1"},
             {{"stat", "--interval", "1e40"}, "1e40"},
             {{"cancel", "-p", "1", "--fd", "-1", "--yes"}, "-1"},
             {{"cancel", "-p", "1", "--fd", "99999999999", "--yes"}, "99999999999"},
             {{"cancel", "-p", "1", "--all", "--yes", "--timeout", "1e40"}, "1e40"}}) {
        const Ended ended = run_inflight(command);
        EXPECT_EQ(ended.status, 2) << command.back() << ": " << ended.err;
        expect_error(ended.err, named);
    }
}

class Names : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
    [[nodiscard]] std::string record(const std::string& name, Words more = {}) const {
        const Ended ended =
            run_inflight(Words{"record", "-o", folder_ / name} + more + Words{"--", workload("batch"), folder_.path()});
        EXPECT_EQ(ended.status, 0) << ended.err;
        return folder_ / name;
    }
    const Folder folder_;
};

TEST_F(Names, WhatIsWrittenIsItsOwnersAlone) {
    const std::string out = folder_ / "out";
    const std::string capture = folder_ / "capture";
    for (const std::string& path : {out, capture}) {
        write_file(path, "something old");
        ::chmod(path.c_str(), 0666);
    }
    ASSERT_EQ(run_inflight({"trace", "--output", out, "--save", capture, "--", "true"}).status, 0);
    EXPECT_EQ(mode_of(out), 0600U);
    EXPECT_EQ(mode_of(capture), 0600U);
    for (const Words& command : {Words{"report", capture}, {"export", capture, "--to", "csv"}}) {
        ::chmod(out.c_str(), 0666);
        ASSERT_EQ(run_inflight(command + Words{"--output", out}).status, 0);
        EXPECT_EQ(mode_of(out), 0600U) << command.front();
    }
    ::chmod(out.c_str(), 0666);
    ASSERT_EQ(run_inflight({"stat", "--output", out, "--", "true"}).status, 0);
    EXPECT_EQ(mode_of(out), 0600U);
}

TEST_F(Names, ALinkOfAnotherUserLeadsNowhere) {
    const std::string precious = folder_ / "precious";
    write_file(precious, "precious");
    const std::string capture = record("capture");
    for (const Words& command :
         {Words{"trace", "--save"}, {"trace", "--output"}, {"record", "-o"}, {"stat", "--output"}}) {
        fs::create_symlink(precious, folder_ / "link");
        ASSERT_EQ(::lchown((folder_ / "link").c_str(), 65'534, 65'534), 0);
        const Ended ended = run_inflight(command + Words{folder_ / "link", "--", "true"});
        EXPECT_EQ(ended.status, 1) << ended.err;
        expect_error(ended.err, "symbolic link of another user (uid 65534)");
        fs::remove(folder_ / "link");
    }
    fs::create_symlink(precious, folder_ / "link");
    ASSERT_EQ(::lchown((folder_ / "link").c_str(), 65'534, 65'534), 0);
    for (const Words& command : {Words{"report", capture}, {"export", capture, "--to", "chrome"}}) {
        EXPECT_EQ(run_inflight(command + Words{"--output", folder_ / "link"}).status, 1);
    }
    EXPECT_EQ(read_file(precious), "precious");
}

TEST_F(Names, DevicesAndDescriptorsAreServed) {
    const std::string capture = record("capture");
    const std::string plain = run_inflight({"report", capture}).out;
    for (const std::string name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
        const Ended ended = run_inflight({"report", capture, "--output", name});
        EXPECT_EQ(ended.status, 0) << ended.err;
        EXPECT_EQ(ended.out, plain) << name;
    }
    EXPECT_EQ(run_inflight({"report", capture, "--output", "/dev/null"}).status, 0);
    EXPECT_EQ(run_inflight({"trace", "--output", "/dev/null", "--save", "/dev/null", "--", "true"}).status, 0);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    // An export that cannot be finished does not remove what the name leads to.
    write_file(capture, read_file(capture).substr(0, 100));
    static_cast<void>(run_inflight({"export", capture, "--to", "chrome", "--output", "/dev/stdout"}));
    EXPECT_TRUE(fs::exists("/dev/stdout"));
}

TEST_F(Names, OneFileIsNotWrittenTwice) {
    const std::string capture = record("capture");
    const std::string before = read_file(capture);
    fs::create_hard_link(capture, folder_ / "hard");
    fs::create_symlink(capture, folder_ / "soft");
    fs::create_symlink("new", folder_ / "dangling");
    for (const auto& [output, save] : std::vector<std::pair<std::string, std::string>>{
             {"capture", "capture"}, {"hard", "capture"}, {"capture", "soft"}, {"new", "new"}, {"new", "dangling"}}) {
        for (const std::string command : {"trace", "check"}) {
            const Ended ended =
                run_inflight({command, "--output", folder_ / output, "--save", folder_ / save, "--", "true"});
            EXPECT_EQ(ended.status, 2) << output << " and " << save;
            expect_error(ended.err, "it is the same file as");
        }
    }
    for (const std::string name : {"capture", "hard", "soft"}) {
        for (const Words& command : {Words{"report", capture}, {"export", capture, "--to", "json"}}) {
            const Ended ended = run_inflight(command + Words{"--output", folder_ / name});
            EXPECT_EQ(ended.status, 2) << command.front() << " " << name;
            expect_error(ended.err, "it is the same file as");
        }
    }
    // >>capture
    for (const Words& command :
         {Words{"report", capture}, {"export", capture, "--to", "csv"}, {"trace", "--save", capture, "--", "true"}}) {
        const Ended ended = run_inflight(command, [&] { ::dup2(::open(capture.c_str(), O_WRONLY | O_APPEND), 1); });
        EXPECT_EQ(ended.status, 2) << ended.err;
    }
    EXPECT_EQ(read_file(capture), before);
    EXPECT_FALSE(exists(folder_ / "new"));
}

TEST_F(Names, RecordingsThatAreBegunAgainStayApart) {
    for (const Words& more : {Words{"--rotate-size", "1gb"}, {"--flight", "1m"}}) {
        const Folder folder;
        const std::string capture = folder / "run";
        for (int times = 0; times < 2; times++) {
            ASSERT_EQ(
                run_inflight(Words{"record", "-o", capture} + more + Words{"--", workload("batch"), folder_.path()})
                    .status,
                0);
        }
        const Words files{capture + ".0001", capture + ".0002"};
        ASSERT_TRUE(exists(files[0]) && exists(files[1]));
        EXPECT_EQ(mode_of(files[1]), 0600U);
        const std::string said = "these files are of 2 recordings, merged by time: " + files[0] + "; " + files[1];
        EXPECT_NE(run_inflight(Words{"report", "--group-by", "op"} + files).out.find(said), std::string::npos);
        EXPECT_NE(run_inflight(Words{"export", "--to", "csv"} + files).err.find(said), std::string::npos);
        const Lines lines(run_inflight(Words{"report", "-o", "json", "--group-by", "op"} + files).out);
        const auto captures = lines.of("capture");
        ASSERT_EQ(captures.size(), 2U);
        EXPECT_NE(text(*captures[0], "recording"), text(*captures[1], "recording"));
        EXPECT_EQ(run_inflight({"report", files[0]}).out.find("recordings"), std::string::npos);
    }
}

// The dynamic linker looks for a name without a slash elsewhere, and for a relative one where the command is.
TEST_F(Names, ALibraryIsTheFileThatIsNamed) {
    const std::string built = fs::path(inflight_path()).parent_path() / "libinflight_aio.so.1";
    if (!fs::exists(built)) {
        GTEST_SKIP() << built << " is not there";
    }
    fs::copy_file(built, folder_ / "own.so");
    for (const std::string& name : {std::string("own.so"), std::string("./own.so"), folder_ / "own.so"}) {
        const Ended ended =
            run_inflight({"run", "--aio", "--library", name, "--", "sh", "-c", "cd /; cat /proc/$$/maps"},
                         [this] { [[maybe_unused]] const int gone = ::chdir(folder_.path().c_str()); });
        EXPECT_EQ(ended.status, 0) << ended.err;
        EXPECT_NE(ended.out.find(folder_ / "own.so"), std::string::npos) << name;
        EXPECT_EQ(ended.err, "");
    }
    write_file(folder_ / "text.so", "no library");
    fs::create_directory(folder_ / "folder.so");
    fs::copy_file(built, folder_ / "a$LIB.so");
    for (const std::string name : {"text.so", "folder.so", "a$LIB.so", "missing.so"}) {
        const Ended ended = run_inflight({"run", "--aio", "--library", folder_ / name, "--", "echo", "ran"});
        EXPECT_EQ(ended.status, 1) << name;
        EXPECT_EQ(ended.out, "");
        expect_error(ended.err, name);
    }
}

TEST_F(Names, TheAuditIsOursAlone) {
    const std::string audit = folder_ / "audit";
    write_file(audit, "before\n");
    ::chmod(audit.c_str(), 0666);
    Waiting waiting(folder_.path(), "4");
    const Ended ended =
        run_inflight({"cancel", "-p", waiting.pid(), "--all", "--yes", "-o", "json", "--audit", audit},
                     [] { ::setenv("SUDO_UID", "1000)\n2026-01-01T00:00:00Z cancel by uid 0: forged\x1b[2J", 1); });
    const auto cancelled = Lines(ended.out).of("cancelled").size();
    EXPECT_EQ(cancelled, waiting_polls) << ended.err;
    const auto lines = lines_of(read_file(audit));
    ASSERT_EQ(lines.size(), 1 + cancelled) << read_file(audit);
    EXPECT_EQ(lines[0], "before");
    EXPECT_EQ(read_file(audit).find("forged"), std::string::npos);
    EXPECT_EQ(mode_of(audit), 0600U);
    fs::create_symlink(audit, folder_ / "link");
    ASSERT_EQ(::lchown((folder_ / "link").c_str(), 65'534, 65'534), 0);
    const Ended refused = run_inflight({"cancel", "-p", waiting.pid(), "--all", "--yes", "--audit", folder_ / "link"});
    EXPECT_EQ(refused.status, 1);
    expect_error(refused.err, "symbolic link of another user");
}

}  // namespace
}  // namespace inflight::faults
