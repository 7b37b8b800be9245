// SPDX-License-Identifier: Apache-2.0
// Which ring, which request, which file: `ls` and `cancel` where names and numbers say little of that.
#include "faults_support.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace inflight::faults {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The workload `identity`, and what it says is true.
class Named {
public:
    struct Truth {
        std::string user_data, fd, was;
        pid_t pid = 0;
    };
    Named(const std::string& folder, const std::string& kind) : process_(Words{workload("identity"), folder, kind}) {
        EXPECT_TRUE(process_.wait_for_out("ready\n")) << process_.err();
        for (const std::string& line : lines_of(process_.out())) {
            std::istringstream words(line);
            std::map<std::string, std::string> fields;
            for (std::string word; words >> word;) {
                const auto equals = word.find('=');
                if (equals != std::string::npos) {
                    fields[word.substr(0, equals)] = word.substr(equals + 1);
                }
            }
            if (line.starts_with("waits ")) {
                truths_.push_back({.user_data = fields["user_data"],
                                   .fd = fields["fd"],
                                   .was = fields["was"],
                                   .pid = static_cast<pid_t>(std::atoi(fields["pid"].c_str()))});
            }
        }
        EXPECT_FALSE(truths_.empty());
    }
    ~Named() {
        // Children go with it.
        if (process_.running()) {
            process_.signal(SIGKILL);
            EXPECT_TRUE(process_.wait());
        }
    }
    Named(const Named&) = delete;
    Named& operator=(const Named&) = delete;

    [[nodiscard]] std::string pid() const { return std::to_string(process_.pid()); }
    [[nodiscard]] Process& process() { return process_; }
    [[nodiscard]] const std::vector<Truth>& truths() const { return truths_; }
    [[nodiscard]] std::string out() const { return process_.out(); }
    [[nodiscard]] std::size_t ended() const { return count_of(process_.out(), "ended "); }

private:
    Process process_;
    std::vector<Truth> truths_;
};

Lines list(const std::string& pid) {
    const Ended ended = run_inflight({"ls", "-p", pid, "-o", "json"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    return Lines(ended.out);
}

const Value* request_with(const Lines& lines, const std::string& user_data) {
    for (const Value* each : lines.of("in_flight")) {
        if (text((*each)["request"], "user_data") == user_data) {
            return each;
        }
    }
    ADD_FAILURE() << user_data << " is not listed";
    return nullptr;
}

std::vector<int> numbers(const Value& array) {
    std::vector<int> found;
    for (const Value& each : array.GetArray()) {
        found.push_back(each.GetInt());
    }
    return found;
}

Ended cancel_on(const std::string& pid, const std::string& fd) {
    return run_inflight({"cancel", "-p", pid, "--fd", fd, "--yes", "-o", "json"});
}

TEST(Identity, ARequestThatWasWokenKeepsItsDescriptor) {
    const Folder folder;
    const Named named(folder.path(), "woken");
    const Lines lines = list(named.pid());
    for (const auto& truth : named.truths()) {
        const Value* each = request_with(lines, truth.user_data);
        ASSERT_NE(each, nullptr);
        EXPECT_EQ(std::to_string(number((*each)["request"], "fd")), truth.fd) << truth.user_data;
        EXPECT_THAT(numbers((*each)["file_now"]["fds"]), ElementsAre(std::stoi(truth.fd)));
    }
}

TEST(Identity, AWokenRequestOnAFixedFileKeepsItsIndex) {
    const Folder folder;
    const Named named(folder.path(), "registered");
    const Lines lines = list(named.pid());
    for (const auto& truth : named.truths()) {
        const Value* each = request_with(lines, truth.user_data);
        ASSERT_NE(each, nullptr);
        EXPECT_EQ(std::to_string(number((*each)["request"], "fd")), truth.fd) << truth.user_data;
    }
}

TEST(Identity, OfARequestThatWasWokenTheTraceTellsItsDescriptor) {
    const Folder folder;
    Named named(folder.path(), "woken");
    Tracer tracer({"-p", named.pid()});
    named.process().signal(SIGKILL);
    ASSERT_TRUE(named.process().wait());
    const Lines lines = tracer.end();
    for (const auto& truth : named.truths()) {
        const auto ended = lines.requests_with("user_data", truth.user_data);
        ASSERT_EQ(ended.size(), 1U) << truth.user_data;
        EXPECT_EQ(std::to_string(number(*ended.front(), "fd")), truth.fd) << truth.user_data;
    }
}

TEST(Identity, ADescriptorThatIsClosedOrAnotherFileIsNotShown) {
    const Folder folder;
    const Named named(folder.path(), "closed");
    const Lines lines = list(named.pid());
    for (const auto& truth : named.truths()) {
        const Value* each = request_with(lines, truth.user_data);
        ASSERT_NE(each, nullptr);
        const Value& now = (*each)["file_now"];
        EXPECT_EQ(now["closed"].GetBool(), truth.fd == "none") << truth.user_data;
        if (truth.fd != "none") {
            EXPECT_THAT(numbers(now["fds"]), ElementsAre(std::stoi(truth.fd)));
        }
    }
    EXPECT_EQ((*request_with(lines, "0x3"))["file_now"]["open_in"].Size(), 1U) << "its child has it";
    const Ended text = run_inflight({"ls", "-p", named.pid()});
    EXPECT_EQ(count_of(text.out, "(closed)"), 2U) << text.out;
    EXPECT_EQ(count_of(text.out, "(closed; open in "), 1U) << text.out;
}

TEST(Identity, ANumberThatWasGivenAwayIsSaid) {
    const Folder folder;
    Process watcher(Words{inflight_path(), "ls", "--comm", "identity", "-o", "json", "--watch", "300ms"});
    ASSERT_TRUE(watcher.wait_for_out("in_flight_end"));
    const Named named(folder.path(), "closed");
    const std::string before = watcher.out();
    const auto looks = count_of(before, "in_flight_end");
    ASSERT_TRUE(wait_until([&] { return count_of(watcher.out(), "in_flight_end") >= looks + 2; }));
    watcher.signal(SIGINT);
    ASSERT_TRUE(watcher.wait());
    const auto all = Lines(watcher.out()).of("in_flight");
    ASSERT_FALSE(all.empty());
    const auto last = std::find_if(all.rbegin(), all.rend(),
                                   [](const Value* each) { return text((*each)["request"], "user_data") == "0x2"; });
    ASSERT_NE(last, all.rend());
    EXPECT_TRUE((**last)["file_now"]["number_reused"].GetBool());
    EXPECT_TRUE((**last)["file_now"]["closed"].GetBool());
}

TEST(Identity, KernelAioIsFoundByItsFileToo) {
    const Folder folder;
    const Named named(folder.path(), "aio");
    const Lines lines = list(named.pid());
    for (const auto& truth : named.truths()) {
        const Value* each = request_with(lines, truth.user_data);
        ASSERT_NE(each, nullptr);
        EXPECT_EQ((*each)["file_now"]["closed"].GetBool(), truth.fd == "none") << truth.user_data;
        if (truth.fd != "none") {
            EXPECT_THAT(numbers((*each)["file_now"]["fds"]), ElementsAre(std::stoi(truth.fd)));
            EXPECT_EQ(std::to_string(number((*each)["request"], "fd")), truth.fd);
        }
    }
}

TEST(CancelByFd, ComparesFilesAndNotNumbers) {
    const Folder folder;
    const Named named(folder.path(), "woken");
    const Ended none = cancel_on(named.pid(), "0");
    EXPECT_EQ(none.status, 1) << none.out;
    EXPECT_THAT(none.err, HasSubstr("nothing in flight fits"));
    EXPECT_EQ(named.ended(), 0U);
    const auto& chosen = named.truths()[1];
    const Ended one = cancel_on(named.pid(), chosen.fd);
    EXPECT_EQ(one.status, 0) << one.out << one.err;
    EXPECT_TRUE(wait_until([&] { return named.ended() >= 1; }));
    EXPECT_EQ(named.ended(), 1U) << named.out();
    EXPECT_THAT(named.out(), HasSubstr("ended user_data=" + chosen.user_data + " res=-125"));
}

TEST(CancelByFd, DoesNotTakeWhatItsNumberWasBefore) {
    const Folder folder;
    const Named named(folder.path(), "closed");
    const Ended none = cancel_on(named.pid(), named.truths()[1].was);
    EXPECT_EQ(none.status, 1) << none.out;
    EXPECT_THAT(none.err, HasSubstr("nothing in flight fits"));
    const Ended one = cancel_on(named.pid(), named.truths()[3].fd);
    EXPECT_EQ(one.status, 0) << one.out << one.err;
    EXPECT_TRUE(wait_until([&] { return named.ended() >= 1; }));
    EXPECT_THAT(named.out(), HasSubstr("ended user_data=0x4 res=-125"));
}

// The process that made the ring is asked for: the other one's request is shown, with both, and left alone.
TEST(SharedRing, ARequestOfTheOtherProcessIsShownAndNotTaken) {
    const Folder folder;
    const Named named(folder.path(), "foreign");
    const Lines listed = list(named.pid());
    ASSERT_EQ(listed.of("in_flight").size(), 2U);
    std::set<std::string> submitters;
    for (const auto* each : listed.of("in_flight")) {
        submitters.insert(std::to_string(number((*each)["request"], "pid")));
        EXPECT_EQ(std::to_string(number((*each)["request"]["uring"], "ring_pid")), named.pid());
    }
    EXPECT_EQ(submitters.size(), 2U);
    const Ended ended = run_inflight({"cancel", "-p", named.pid(), "--all", "--yes", "-o", "json"});
    EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
    EXPECT_EQ(Lines(ended.out).of("cancelled").size(), 1U);
    EXPECT_TRUE(wait_until([&] { return named.ended() >= 1; }));
    ::usleep(100'000);
    EXPECT_EQ(named.ended(), 1U) << named.out();
    EXPECT_THAT(named.out(), HasSubstr("ended user_data=0x1 res=-125"));
}

TEST(SharedRing, OneNameOfTwoProcessesIsNotTakenByChance) {
    const Folder folder;
    const Named named(folder.path(), "shared");
    const Ended ended = run_inflight({"cancel", "-p", named.pid(), "--all", "--yes", "-o", "json"});
    const Lines lines(ended.out);
    const auto results = lines.of("cancelled");
    ASSERT_EQ(results.size(), 1U);
    if (text(*results.front(), "verdict") == "refused") {
        EXPECT_EQ(ended.status, 1);
        EXPECT_THAT(text(*results.front(), "reason"), HasSubstr("share its user_data 0x1"));
        EXPECT_THAT(text(*results.front(), "reason"),
                    HasSubstr("process " + std::to_string(named.truths()[1].pid) + ", which uses the ring too"));
        EXPECT_EQ(named.ended(), 0U) << named.out();
    } else {
        EXPECT_EQ(ended.status, 0) << ended.out;
        EXPECT_TRUE(wait_until([&] { return named.ended() >= 1; }));
        // What is left is the child's.
        const Lines left(run_inflight({"ls", "--comm", "identity", "-o", "json"}).out);
        const auto requests = left.of("in_flight");
        ASSERT_EQ(requests.size(), 1U);
        EXPECT_TRUE(text(*requests.front(), "id").starts_with(std::to_string(named.truths()[1].pid) + "-"));
    }
}

TEST(SharedRing, AllWhoHoldItAreNamed) {
    const Folder folder;
    const Named named(folder.path(), "foreign");
    const Ended ended = run_inflight({"contexts", "-p", named.pid(), "-o", "json"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    const Lines lines(ended.out);
    const Value& ring = lines.one("context_now");
    std::set<std::int64_t> holders;
    for (const Value& each : ring["holders"].GetArray()) {
        holders.insert(number(each, "pid"));
        EXPECT_GE(number(each, "fd"), 0);
    }
    EXPECT_EQ(holders, (std::set<std::int64_t>{named.truths()[0].pid, named.truths()[1].pid}));
}

TEST(CancelOnARing, WhoseDescriptorChangesUnderWay) {
    constexpr int rounds = 4;
    int cancelled = 0;
    for (int round = 0; round < rounds; round++) {
        const Folder folder;
        const Named named(folder.path(), "flip");
        const Ended ended = cancel_on(named.pid(), named.truths()[0].fd);
        if (ended.status == 0) {
            cancelled++;
            EXPECT_TRUE(wait_until([&] { return named.ended() >= 1; }));
            EXPECT_EQ(named.ended(), 1U);
        } else {
            EXPECT_EQ(count_of(ended.out, "\"verdict\":\"refused\""), 1U) << ended.out << ended.err;
            ::usleep(50'000);
            EXPECT_EQ(named.ended(), 0U);
        }
        EXPECT_THAT(named.out(), testing::Not(HasSubstr(" other"))) << "the other ring's request was met";
    }
    EXPECT_GT(cancelled, 0) << "another descriptor of the ring stays";
}

}  // namespace
}  // namespace inflight::faults
