// SPDX-License-Identifier: Apache-2.0
// `cancel` where something stands in the way, and where names are used again at full speed.
#include "faults_waiting.hpp"

#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace inflight::faults {
namespace {

using testing::HasSubstr;

TEST(CancelRefuses, WhatIsNoOrder) {
    const std::vector<std::pair<Words, std::string>> wrong{
        {{"cancel"}, "it is not said what"},
        {{"cancel", "-p", "1"}, "it is not said what"},
        {{"cancel", "nonsense", "--yes"}, "that is no id"},
        {{"cancel", "4242", "--yes"}, "that is no id"},
        {{"cancel", "1-0123456789", "--fd", "3", "--yes"}, "names a request alone"},
        {{"cancel", "1-0123456789"}, "no terminal to ask on"},
        {{"cancel", "1-0123456789", "--yes", "--way", "force"}, "--way"},
    };
    for (const auto& [arguments, words] : wrong) {
        const Ended ended = run_inflight(arguments);
        EXPECT_EQ(ended.status, 2) << words;
        EXPECT_THAT(ended.err, HasSubstr(words));
        EXPECT_EQ(ended.out, "");
    }
}

TEST(CancelRefuses, AnIdThatNothingHas) {
    const std::string id = std::to_string(::getpid()) + "-0123456789";
    const Ended ended = run_inflight({"cancel", id, "--yes"});
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.err, HasSubstr(id + ": it has ended, or never was"));
}

TEST(CancelRefuses, AnAuditThatCannotBeWrittenBeforeAnythingIsTouched) {
    const Folder folder;
    Waiting waiting(folder.path(), "4");
    const Ended ended =
        run_inflight({"cancel", "-p", waiting.pid(), "--all", "--yes", "--audit", folder / "none" + "/audit"});
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.err, HasSubstr("nothing was cancelled"));
    EXPECT_EQ(waiting.ended(), 0U);
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelRefuses, ADryRunAndANo) {
    const Folder folder;
    Waiting waiting(folder.path(), "4");
    const Ended dry = run_inflight({"cancel", "-p", waiting.pid(), "--all", "--dry-run"});
    EXPECT_EQ(dry.status, 0) << dry.err;
    EXPECT_THAT(dry.out, HasSubstr("7 requests in flight, 7 of them can be cancelled"));
    EXPECT_EQ(waiting.ended(), 0U);
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelRefuses, ATargetThatIsTracedAlready) {
    const Folder folder;
    Waiting waiting(folder.path(), "4");
    ASSERT_EQ(::ptrace(PTRACE_SEIZE, waiting.process().pid(), nullptr, nullptr), 0);
    expect_refused(waiting, cancel_all(waiting.pid(), 1), "traces it already");
}

TEST(CancelRefuses, AStoppedTarget) {
    const Folder folder;
    Waiting waiting(folder.path(), "4");
    waiting.process().signal(SIGSTOP);
    ASSERT_TRUE(
        wait_until([&] { return read_file("/proc/" + waiting.pid() + "/stat").find(") T ") != std::string::npos; }));
    expect_refused(waiting, cancel_all(waiting.pid(), 1), "it is stopped (SIGSTOP)");
    waiting.process().signal(SIGCONT);
}

TEST(CancelRefuses, TheWayThatTheRingDoesNotAllow) {
    const Folder folder;
    Waiting waiting(folder.path(), "1");
    expect_refused(waiting, cancel_all(waiting.pid(), 1, {"--way", "ring"}), "has one issuer");
}

TEST(CancelRefuses, WithoutTheRightToPtrace) {
    const Folder folder;
    Waiting waiting(folder.path(), "0");
    const Ended ended = run_inflight({"cancel", "-p", waiting.pid(), "--all", "--yes", "-o", "json"}, [] {
        constexpr int ptrace_capability = 19;
        ::prctl(PR_CAPBSET_DROP, ptrace_capability, 0, 0, 0);
    });
    EXPECT_EQ(ended.status, 1) << ended.out << ended.err;
    expect_refused(waiting, Lines(ended.out), "right to ptrace");
}

TEST(CancelInjects, IntoARingThatWouldAllowTheOtherWay) {
    const Folder folder;
    Waiting waiting(folder.path(), "0");
    const Lines lines = cancel_all(waiting.pid(), 1, {"--way", "inject"});
    for (const Value* result : lines.of("cancelled")) {
        EXPECT_EQ(text(*result, "way"), "inject");
        EXPECT_NE(text(*result, "verdict"), "refused") << text(*result, "reason");
    }
    EXPECT_GE(waiting.ended(), 8U);
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelInjects, AndNoSignalIsLost) {
    const Folder folder;
    Waiting waiting(folder.path(), "5");
    const auto send = [&](int value) {
        while (::sigqueue(waiting.process().pid(), SIGRTMIN, {.sival_int = value}) != 0 && errno == EAGAIN) {
            ::usleep(100);
        }
    };
    int sent = 0;
    std::atomic<bool> enough = false;
    std::thread sender([&] {
        while (!enough) {
            send(++sent);
            ::usleep(50);
        }
    });
    const Lines lines = cancel_all(waiting.pid(), 0);
    enough = true;
    sender.join();
    EXPECT_EQ(lines.of("cancelled").size(), waiting_polls);
    EXPECT_TRUE(wait_until([&] { return waiting.ended() == waiting_polls; })) << waiting.process().out();
    send(-1);
    ASSERT_TRUE(waiting.process().wait());
    EXPECT_EQ(waiting.process().status(), 0) << waiting.process().err();
    EXPECT_THAT(waiting.process().out(), HasSubstr("signals " + std::to_string(sent) + "\n"));
}

TEST(CancelInjects, WhileTheThreadCalculates) {
    const Folder folder;
    Waiting waiting(folder.path(), "6");
    const Lines lines = cancel_all(waiting.pid(), 0);
    EXPECT_EQ(lines.of("cancelled").size(), waiting_polls);
    waiting.process().signal(SIGTERM);
    ASSERT_TRUE(waiting.process().wait());
    EXPECT_EQ(waiting.process().status(), 0) << waiting.process().err();
    EXPECT_THAT(waiting.process().out(), HasSubstr("undisturbed\n"));
}

TEST(CancelInjects, AndSaysThatATimeoutBeginsAnew) {
    const Folder folder;
    Waiting waiting(folder.path(), "8");
    const Lines lines = cancel_all(waiting.pid(), 0);
    // The first finds it waiting; that one's event wakes it.
    const auto results = lines.of("cancelled");
    EXPECT_TRUE(
        std::ranges::any_of(results, [](const Value* result) { return (*result)["timeout_restarted"].GetBool(); }));
    EXPECT_TRUE(wait_until([&] { return waiting.ended() == waiting_polls; }));
    EXPECT_TRUE(waiting.undisturbed());
}

TEST(CancelRefuses, AThreadThatSleepsUninterruptibly) {
    const Folder folder;
    Waiting waiting(folder.path(), "7");
    ASSERT_TRUE(
        wait_until([&] { return read_file("/proc/" + waiting.pid() + "/stat").find(") D ") != std::string::npos; }));
    expect_refused(waiting, cancel_all(waiting.pid(), 1), "state D");
}

TEST(CancelInjects, BesideAThreadThatSleepsUninterruptibly) {
    const Folder folder;
    Waiting waiting(folder.path(), "15");
    const auto sleeps = [&] {
        for (const auto& entry : std::filesystem::directory_iterator("/proc/" + waiting.pid() + "/task")) {
            if (read_file(entry.path().string() + "/stat").find(") D ") != std::string::npos) {
                return true;
            }
        }
        return false;
    };
    ASSERT_TRUE(wait_until(sleeps));
    const Lines lines = cancel_all(waiting.pid(), 0);
    EXPECT_EQ(lines.of("cancelled").size(), waiting_polls);
    EXPECT_TRUE(wait_until([&] { return waiting.ended() == waiting_polls; })) << waiting.process().out();
    EXPECT_TRUE(waiting.undisturbed());
    EXPECT_TRUE(sleeps()) << "it was left alone";
}

TEST(CancelInjects, IntoAProcessOfOtherNamespaces) {
    const Folder folder;
    Process process(
        {"unshare", "--user", "--pid", "--mount", "--fork", "--kill-child", workload("waiting"), folder.path(), "4"});
    if (!process.wait_for_out("ready\n")) {
        GTEST_SKIP() << "no namespaces here: " << process.err();
    }
    const Ended listed = run_inflight({"ls", "--comm", "waiting", "-o", "json"});
    const Lines list(listed.out);
    ASSERT_EQ(list.of("in_flight").size(), waiting_polls) << listed.err;
    Words command{"cancel", "--yes", "-o", "json"};
    for (const Value* each : list.of("in_flight")) {
        command.push_back(text(*each, "id"));
    }
    const Ended ended = run_inflight(command);
    EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
    EXPECT_EQ(Lines(ended.out).of("cancelled").size(), waiting_polls);
    EXPECT_EQ(count_of(process.out(), "ended "), waiting_polls);
    EXPECT_EQ(count_of(process.out(), "returned "), 0U);
}

// "family=uring at=0x3 ..." as a map.
std::map<std::string, std::string> fields_of(const std::string& line) {
    std::map<std::string, std::string> fields;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
        const auto equals = word.find('=');
        fields[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
    }
    return fields;
}

// Whether the request that the program saw cancelled is the one that was chosen.
bool is_chosen(const std::map<std::string, std::string>& seen, const Value& result, std::uint64_t trace_start_ns) {
    const Value& chosen = result["chosen"];
    const Value& request = chosen["request"];
    const bool aio = seen.at("family") == "aio";
    const std::string at = aio ? text(request, "context") : std::to_string(number(chosen, "ring_fd"));
    const auto number_of = [&](const char* key) { return std::stoull(seen.at(key), nullptr, 0); };
    if (text(request, "family") != seen.at("family") ||
        std::stoull(text(request, "user_data"), nullptr, 0) != number_of("user_data") ||
        std::stoull(at, nullptr, 0) != number_of("at")) {
        return false;
    }
    const auto call_ns = static_cast<std::uint64_t>(number(result, "call_start_ns"));
    if (call_ns < number_of("before") || call_ns > number_of("reaped")) {
        return false;
    }
    if (request["submit_ns"].IsNull()) {
        return number_of("before") < trace_start_ns;
    }
    const auto submit_ns = static_cast<std::uint64_t>(number(request, "submit_ns"));
    return number_of("before") <= submit_ns && submit_ns <= number_of("after");
}

// 10,000 with INFLIGHT_CANCELS=10000.
TEST(CancelsAmongReusedNames, HitTheChosenOnesAlone) {
    const char* const asked = std::getenv("INFLIGHT_CANCELS");
    const std::size_t wanted = asked != nullptr ? std::stoul(asked) : 300;
    const Folder folder;
    std::size_t cancelled = 0;
    std::size_t tried = 0;
    for (int round = 0; cancelled < wanted && round < 1000; round++) {
        Process program({workload("reuse"), folder.path()});
        ASSERT_TRUE(program.wait_for_out("ready\n")) << program.err();
        constexpr int turns = 5;
        std::vector<Lines> all;
        for (int turn = 0; turn < turns; turn++) {
            const Ended ended = run_inflight(
                {"cancel", "-p", std::to_string(program.pid()), "--all", "--yes", "-o", "json", "--timeout", "3s"});
            ASSERT_EQ(ended.err, "");
            all.emplace_back(ended.out);
        }
        program.signal(SIGTERM);
        ASSERT_TRUE(program.wait());
        ASSERT_EQ(program.status(), 0) << "its numbers are not right: " << program.err();
        std::vector<std::map<std::string, std::string>> seen;
        for (const std::string& line : lines_of(program.out())) {
            if (line.starts_with("cancelled ")) {
                seen.push_back(fields_of(line));
            }
        }
        std::size_t told = 0;
        for (const Lines& lines : all) {
            const Value& end = lines.one("cancelled_end");
            if (number(end, "lost") != 0) {
                GTEST_SKIP() << "the reader was too slow here";
            }
            const auto trace_start_ns = static_cast<std::uint64_t>(number(end, "trace_start_ns"));
            for (const Value* result : lines.of("cancelled")) {
                tried++;
                if (text(*result, "verdict") != "cancelled") {
                    EXPECT_NE(text(*result, "verdict"), "unseen") << text(*result, "reason");
                    continue;
                }
                told++;
                const auto found = std::ranges::find_if(
                    seen, [&](const auto& each) { return is_chosen(each, *result, trace_start_ns); });
                ASSERT_NE(found, seen.end()) << "the program saw no such request cancelled";
                seen.erase(found);
            }
        }
        for (const auto& each : seen) {
            std::string told_of;
            for (const Lines& lines : all) {
                for (const Value* result : lines.of("cancelled")) {
                    const Value& request = (*result)["chosen"]["request"];
                    const bool same_name = text(request, "family") == each.at("family") &&
                                           std::stoull(text(request, "user_data"), nullptr, 0) ==
                                               std::stoull(each.at("user_data"), nullptr, 0);
                    if (same_name && (each.at("family") == "uring" || text(request, "context") == each.at("at"))) {
                        told_of += text(*result, "verdict") + ": " + text(*result, "reason") + ", submitted " +
                                   std::to_string(number(request, "submit_ns")) + ", called " +
                                   std::to_string(number(*result, "call_start_ns")) + "\n";
                    }
                }
            }
            ADD_FAILURE() << "nobody chose the " << each.at("family") << " request of " << each.at("at")
                          << ", user_data " << each.at("user_data") << ", submitted at " << each.at("before")
                          << ", reaped at " << each.at("reaped") << "; told of that name:\n"
                          << told_of;
        }
        cancelled += told;
    }
    EXPECT_GE(cancelled, wanted) << "of " << tried;
    ::testing::Test::RecordProperty("cancelled", static_cast<int>(cancelled));
}

}  // namespace
}  // namespace inflight::faults
