// SPDX-License-Identifier: Apache-2.0
// Files that are opened for writing by a name that somebody gave, and writes that nobody takes.
#include "base/new_file.hpp"
#include "base/output.hpp"
#include "base/waiting.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace inflight {
namespace {

namespace fs = std::filesystem;

constexpr uid_t stranger = 65'534;

class NewFiles : public testing::Test {
protected:
    NewFiles() {
        std::string name = fs::temp_directory_path() / "inflight-files-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        umask_ = ::umask(0);
        ::unsetenv("SUDO_UID");
    }
    ~NewFiles() override {
        ::umask(umask_);
        fs::remove_all(folder_);
    }
    NewFiles(const NewFiles&) = delete;
    NewFiles& operator=(const NewFiles&) = delete;

    [[nodiscard]] std::string operator/(const std::string& name) const { return folder_ / name; }
    static void fill(const std::string& path, const std::string& text, mode_t mode = 0644) {
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
    }
    static std::string content(const std::string& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static mode_t mode_of(const std::string& path) {
        struct stat info{};
        EXPECT_EQ(::stat(path.c_str(), &info), 0);
        return info.st_mode & 07777;
    }
    static void write(const std::string& path, const std::string& text, Existing existing = Existing::replace) {
        const auto file = open_for_writing(path, existing);
        ASSERT_TRUE(file.has_value()) << path << ": " << file.error().why;
        EXPECT_EQ(write_all(file->fd.get(), text).bytes, text.size());
    }
    static std::string why_not(const std::string& path, Existing existing = Existing::replace) {
        const auto file = open_for_writing(path, existing);
        return file ? "opened" : file.error().why;
    }

    fs::path folder_;
    mode_t umask_;
};

TEST_F(NewFiles, AreTheirOwnersAlone) {
    write(*this / "new", "text");
    EXPECT_EQ(mode_of(*this / "new"), 0600U);
    fill(*this / "old", "something longer", 0666);
    write(*this / "old", "text");
    EXPECT_EQ(content(*this / "old"), "text");
    EXPECT_EQ(mode_of(*this / "old"), 0600U);
    fill(*this / "audit", "one\n", 0664);
    write(*this / "audit", "two\n", Existing::append);
    EXPECT_EQ(content(*this / "audit"), "one\ntwo\n");
    EXPECT_EQ(mode_of(*this / "audit"), 0600U);
}

TEST_F(NewFiles, AnotherNameOfAFileKeepsWhatIsInIt) {
    fill(*this / "precious", "precious");
    fs::create_hard_link(*this / "precious", *this / "out");
    write(*this / "out", "text");
    EXPECT_EQ(content(*this / "precious"), "precious");
    fs::create_hard_link(*this / "precious", *this / "audit");
    EXPECT_NE(why_not(*this / "audit", Existing::append).find("hard links"), std::string::npos);
}

TEST_F(NewFiles, LinksOfOthersLeadNowhere) {
    fill(*this / "precious", "precious");
    fs::create_symlink(*this / "precious", *this / "link");
    fs::create_symlink("missing", *this / "dangling");
    if (::geteuid() == 0) {
        for (const std::string name : {"link", "dangling"}) {
            ASSERT_EQ(::lchown((*this / name).c_str(), stranger, stranger), 0);
            for (const auto existing : {Existing::replace, Existing::append}) {
                EXPECT_NE(why_not(*this / name, existing).find("symbolic link of another user"), std::string::npos);
            }
        }
        EXPECT_EQ(content(*this / "precious"), "precious");
        EXPECT_FALSE(fs::exists(*this / "missing"));
        // Who called sudo may have made it.
        ::setenv("SUDO_UID", std::to_string(stranger).c_str(), 1);
        EXPECT_EQ(why_not(*this / "dangling"), "opened");
        ::unsetenv("SUDO_UID");
        ASSERT_EQ(::lchown((*this / "link").c_str(), 0, 0), 0);
    }
    write(*this / "link", "text");
    EXPECT_EQ(content(*this / "precious"), "text");
    EXPECT_TRUE(fs::is_symlink(*this / "link"));
    fs::create_symlink("circle", *this / "circle");
    EXPECT_TRUE(why_not(*this / "circle").starts_with("ELOOP"));
}

TEST_F(NewFiles, WhatIsNoFileIsServedOrRefused) {
    EXPECT_TRUE(why_not(folder_).starts_with("EISDIR"));
    EXPECT_TRUE(why_not(*this / "none/out").starts_with("ENOENT"));
    EXPECT_TRUE(why_not("").starts_with("ENOENT"));
    write("/dev/null", "text");
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    fill(*this / "there", "");
    EXPECT_TRUE(why_not(*this / "there", Existing::refuse).starts_with("EEXIST"));
    fs::create_symlink("missing", *this / "link");
    EXPECT_TRUE(why_not(*this / "link", Existing::refuse).starts_with("EEXIST"));
    ASSERT_EQ(::mkfifo((*this / "fifo").c_str(), 0600), 0);
    const UniqueFd reader(::open((*this / "fifo").c_str(), O_RDONLY | O_NONBLOCK));
    write(*this / "fifo", "text");
    std::array<char, 8> got{};
    EXPECT_EQ(::read(reader.get(), got.data(), got.size()), 4);
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown((*this / "fifo").c_str(), stranger, stranger), 0);
        EXPECT_NE(why_not(*this / "fifo").find("fifo of another user"), std::string::npos);
    }
}

// What a shell redirected is written to where it stands.
TEST_F(NewFiles, ADescriptorIsUsedAsItIs) {
    fill(*this / "log", "before\n");
    const UniqueFd fd(::open((*this / "log").c_str(), O_WRONLY | O_APPEND));
    const std::string name = "/dev/fd/" + std::to_string(fd.get());
    write(name, "after\n");
    fs::create_symlink("/proc/self/fd/" + std::to_string(fd.get()), *this / "link");
    write(*this / "link", "and more\n");
    EXPECT_EQ(content(*this / "log"), "before\nafter\nand more\n");
    EXPECT_EQ(mode_of(*this / "log"), 0644U);
    const UniqueFd ours(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(why_not("/dev/fd/" + std::to_string(ours.get())).starts_with("EBADF"));
    EXPECT_TRUE(why_not("/dev/fd/9999").starts_with("EBADF"));
}

TEST_F(NewFiles, OnePlaceIsKnownByAllItsNames) {
    fill(*this / "a", "");
    fs::create_hard_link(*this / "a", *this / "hard");
    fs::create_symlink("a", *this / "soft");
    fs::create_symlink("new", *this / "dangling");
    fs::create_directory(*this / "folder");
    const UniqueFd fd(::open((*this / "a").c_str(), O_WRONLY));
    for (const std::string name : {"a", "hard", "soft", "./a", "folder/../a"}) {
        EXPECT_TRUE(same_place(*this / "a", *this / name)) << name;
    }
    EXPECT_TRUE(same_place(*this / "a", "/dev/fd/" + std::to_string(fd.get())));
    EXPECT_TRUE(same_place(*this / "new", *this / "folder/../new"));
    EXPECT_TRUE(same_place(*this / "new", *this / "dangling"));
    EXPECT_TRUE(same_place("", "/dev/stdout"));
    EXPECT_FALSE(same_place(*this / "a", *this / "b"));
    EXPECT_FALSE(same_place(*this / "b", *this / "c"));
    EXPECT_FALSE(same_place("/dev/null", "/dev/null"));
}

TEST_F(NewFiles, OnlyOurOwnFileIsRemoved) {
    const UniqueFd fd(::open((*this / "a").c_str(), O_WRONLY | O_CREAT, 0600));
    fs::rename(*this / "a", *this / "b");
    fill(*this / "a", "another's");
    remove_if_same(fd.get(), *this / "a");
    EXPECT_TRUE(fs::exists(*this / "a"));
    remove_if_same(fd.get(), *this / "b");
    EXPECT_FALSE(fs::exists(*this / "b"));
}

// --- writes that nobody takes ---------------------------------------------------------------------------------------

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
    UniqueFd read;
    UniqueFd write;
};

// SIGTERM stands blocked in front of this process.
class Pending {
public:
    Pending() {
        ::sigemptyset(&set_);
        ::sigaddset(&set_, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &set_, nullptr);
        ::kill(::getpid(), SIGTERM);
    }
    ~Pending() {
        const timespec now{};
        ::sigtimedwait(&set_, nullptr, &now);
        ::sigprocmask(SIG_UNBLOCK, &set_, nullptr);
    }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

private:
    sigset_t set_{};
};

TEST(Waiting, ASignalEndsAWriteThatNobodyTakes) {
    const Pipe pipe;
    const std::string text(1 << 20, 'x');
    const Pending pending;
    const auto begin = std::chrono::steady_clock::now();
    FdOutput output(pipe.write.get(), "a pipe");
    output.write(text);
    output.write("and more");
    output.flush();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    ASSERT_TRUE(output.error());
    const std::size_t taken = 1 << 16;  // what a pipe holds
    EXPECT_NE(output.error()->why.find(std::to_string(text.size() + 8 - taken) + " bytes were not written"),
              std::string::npos)
        << output.error()->why;
}

TEST(Waiting, WithoutASignalASlowReaderGetsEverything) {
    const Pipe pipe;
    const std::string text(300'000, 'x');
    std::size_t got = 0;
    std::jthread reader([&] {
        std::array<char, 65'536> part{};
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        while (got < text.size()) {
            const ssize_t size = ::read(pipe.read.get(), part.data(), part.size());
            got += static_cast<std::size_t>(size);
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
        }
    });
    const WriteEnd end = write_all(pipe.write.get(), text);
    EXPECT_EQ(end.bytes, text.size());
    EXPECT_FALSE(end.given_up);
    reader.join();
    EXPECT_EQ(got, text.size());
}

TEST(Waiting, AReaderThatIsGoneIsAnError) {
    Pipe pipe;
    pipe.read.reset();
    const WriteEnd end = write_all(pipe.write.get(), "text");
    EXPECT_EQ(end.error, EPIPE);
    EXPECT_EQ(::signal(SIGPIPE, SIG_DFL), SIG_DFL) << "what was set for SIGPIPE is put back";
    EXPECT_EQ(write_all(-1, "text").error, EBADF);
}

// Somebody who shares the descriptor may have made it so.
TEST(Waiting, ANonBlockingDescriptorIsWaitedFor) {
    const Pipe pipe;
    ::fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK);
    const std::string text(100'000, 'x');
    std::jthread reader([&] {
        std::array<char, 65'536> part{};
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        [[maybe_unused]] const ssize_t size = ::read(pipe.read.get(), part.data(), part.size());
    });
    EXPECT_EQ(write_all(pipe.write.get(), text).bytes, text.size());
}

TEST(Waiting, AFifoThatNobodyReadsIsNotWaitedForAfterASignal) {
    std::string name = fs::temp_directory_path() / "inflight-fifo-XXXXXX";
    const std::string folder = ::mkdtemp(name.data());
    ASSERT_EQ(::mkfifo((folder + "/fifo").c_str(), 0600), 0);
    {
        const Pending pending;
        const auto file = open_for_writing(folder + "/fifo", Existing::replace);
        EXPECT_FALSE(file.has_value());
        EXPECT_EQ(file.error().why, "nobody reads it, and a signal came");
    }
    fs::remove_all(folder);
}

}  // namespace
}  // namespace inflight
