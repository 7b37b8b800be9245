// SPDX-License-Identifier: Apache-2.0
// `ls` and `cancel` against programs whose own log says what is true.
#include "looking_test.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>

#include <csignal>
#include <map>
#include <sstream>
#include <utility>

namespace inflight::live {
namespace {

using Fields = std::map<std::string, std::string>;

// "waits user_data=0x1 op=read ..." by user_data; the lines that begin with `word`.
std::map<std::string, Fields> lines_of(const std::string& text, const std::string& word) {
    std::map<std::string, Fields> found;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string each;
        words >> each;
        if (each != word) {
            continue;
        }
        Fields fields;
        while (words >> each) {
            const auto equals = each.find('=');
            fields[each.substr(0, equals)] = each.substr(equals + 1);
        }
        found[fields["user_data"]] = fields;
    }
    return found;
}

std::vector<rapidjson::Document> objects_of(const std::string& text, const std::string& type) {
    std::vector<rapidjson::Document> found;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        rapidjson::Document object;
        object.Parse(line.c_str());
        EXPECT_FALSE(object.HasParseError()) << line;
        if (!object.HasParseError() && type == object["type"].GetString()) {
            found.push_back(std::move(object));
        }
    }
    return found;
}

struct Finished {
    int status = -1;
    std::string out;
    std::string complained;
};

// Runs inflight in a folder of the test.
class Looks : public TierTest {
public:
    using TierTest::TierTest;

protected:
    Finished inflight(std::vector<std::string> command) const {
        command.insert(command.begin(), settings().places.inflight.string());
        command.insert(command.end(), {"--hooks", tier_});
        Finished finished;
        {
            Process process(command, folder_ / "inflight.out", folder_ / "inflight.err");
            finished.status = process.wait(patience).value_or(-1);
        }
        finished.out = content_of(folder_ / "inflight.out");
        finished.complained = content_of(folder_ / "inflight.err");
        return finished;
    }

    std::filesystem::path folder_;
};

class LooksAtWaiting final : public Looks {
public:
    LooksAtWaiting(std::string tier, int kind) : Looks(std::move(tier)), kind_(kind) {}

    void TestBody() override {
        const TemporaryFolder folder(settings().places.scratch);
        folder_ = folder.path();
        const auto log = folder.path() / "waiting.out";
        Process program({settings().places.workload("waiting"), folder.path(), std::to_string(kind_)}, log,
                        folder.path() / "waiting.err");
        ASSERT_TRUE(eventually(
            [&] { return content_of(log).find("ready\n") != std::string::npos || !program.running(); }, patience));
        if (!program.running()) {
            GTEST_SKIP() << "this kernel has no such ring: " << content_of(folder.path() / "waiting.err");
        }
        const std::string pid = std::to_string(program.pid());
        waits_ = lines_of(content_of(log), "waits");
        ASSERT_GE(waits_.size(), 5U);
        compare_list(inflight({"ls", "-p", pid, "-o", "json"}));
        const auto cancelled = inflight({"cancel", "-p", pid, "--all", "--yes", "-o", "json", "--audit",
                                         (folder.path() / "audit").string(), "--timeout", "20s"});
        bool interrupted = false;
        std::size_t possible = 0;
        for (const auto& [user_data, said] : waits_) {
            possible += said.at("cancel") != "none" ? 1 : 0;
            interrupted = interrupted || (said.at("cancel") != "none" && said.at("ends") == "int");
        }
        EXPECT_EQ(cancelled.status, interrupted ? 1 : 0) << cancelled.out << cancelled.complained;
        eventually([&] { return lines_of(content_of(log), "ended").size() >= possible; }, patience);
        compare_ends(cancelled, content_of(log), possible);
        EXPECT_EQ(content_of(log).find("returned "), std::string::npos)
            << "the call that the program waits in was interrupted:\n"
            << content_of(log);
        EXPECT_TRUE(program.running()) << "it goes on";
    }

private:
    void compare_list(const Finished& listed) {
        ASSERT_EQ(listed.status, 0) << listed.complained;
        const auto objects = objects_of(listed.out, "in_flight");
        EXPECT_EQ(objects.size(), waits_.size()) << listed.out;
        const auto end = objects_of(listed.out, "in_flight_end");
        ASSERT_EQ(end.size(), 1U);
        EXPECT_EQ(end[0]["unlisted"].Size(), 0U) << "the kernel counts more: " << listed.out;
        for (const auto& object : objects) {
            const auto& request = object["request"];
            const auto said = waits_.find(request["user_data"].GetString());
            ASSERT_NE(said, waits_.end()) << "it has no such request: " << request["user_data"].GetString();
            EXPECT_EQ(request["op"].GetString(), said->second.at("op"));
            EXPECT_EQ(object["stage"].GetString(), said->second.at("stage")) << said->first;
            EXPECT_EQ(object["cancel"].GetString(), said->second.at("cancel")) << said->first;
            EXPECT_FALSE(object["age_known"].GetBool()) << "it was there before";
        }
    }

    void compare_ends(const Finished& cancelled, const std::string& log, std::size_t possible) {
        const auto ended = lines_of(log, "ended");
        const auto objects = objects_of(cancelled.out, "cancelled");
        EXPECT_EQ(objects.size(), possible) << cancelled.out << cancelled.complained;
        for (const auto& object : objects) {
            const std::string user_data = object["chosen"]["request"]["user_data"].GetString();
            const auto said = waits_.find(user_data);
            const auto got = ended.find(user_data);
            ASSERT_NE(said, waits_.end());
            ASSERT_NE(got, ended.end()) << "the program did not get it: " << user_data << "\n" << cancelled.out;
            const bool worker = said->second.at("ends") == "int";
            EXPECT_STREQ(object["verdict"].GetString(), worker ? "interrupted" : "cancelled") << user_data;
            if (worker) {
                EXPECT_TRUE(got->second.at("res") == "-4" || got->second.at("res") == "-512") << log;
            } else {
                EXPECT_EQ(got->second.at("res"), said->second.at("ends")) << user_data;
            }
            EXPECT_STREQ(object["way"].GetString(), said->second.at("cancel").c_str());
            // From outside only a thread that does not sleep is stopped; in the process one thread makes the call.
            const unsigned needed = said->second.at("cancel") == "inject" ? 1 : 0;
            EXPECT_GE(object["threads_stopped"].GetUint(), needed);
            EXPECT_LE(object["threads_stopped"].GetUint(), 1U);
            EXPECT_FALSE(object["timeout_restarted"].GetBool());
        }
        std::size_t lines = 0;
        std::istringstream audit(content_of(folder_ / "audit"));
        for (std::string line; std::getline(audit, line); lines++) {
            EXPECT_NE(line.find("cancel by uid "), std::string::npos) << line;
        }
        EXPECT_EQ(lines, possible);
    }

    int kind_;
    std::map<std::string, Fields> waits_;
};

// What has completed and is not taken, and what only the kernel's count shows.
class LooksAtUnreaped final : public Looks {
public:
    using Looks::Looks;

    void TestBody() override {
        const TemporaryFolder folder(settings().places.scratch);
        folder_ = folder.path();
        const auto log = folder.path() / "unreaped.out";
        Process program({settings().places.workload("unreaped"), folder.path()}, log, folder.path() / "unreaped.err");
        ASSERT_TRUE(eventually([&] { return content_of(log).find("ready\n") != std::string::npos; }, patience))
            << content_of(folder.path() / "unreaped.err");
        const auto said = lines_of(content_of(log), "unreaped");
        ASSERT_EQ(said.size(), 6U);
        std::istringstream text(content_of(log));
        std::string line;
        unsigned hidden = 0;
        while (std::getline(text, line)) {
            constexpr std::string_view word = "hidden count=";
            if (line.starts_with(word)) {
                hidden = static_cast<unsigned>(std::stoul(line.substr(word.size())));
            }
        }
        const std::string pid = std::to_string(program.pid());

        const auto listed = inflight({"ls", "-p", pid, "-o", "json"});
        ASSERT_EQ(listed.status, 0) << listed.complained;
        const auto objects = objects_of(listed.out, "in_flight");
        EXPECT_EQ(objects.size(), said.size()) << listed.out;
        for (const auto& object : objects) {
            const auto& request = object["request"];
            const auto known = said.find(request["user_data"].GetString());
            ASSERT_NE(known, said.end()) << listed.out;
            EXPECT_EQ(request["family"].GetString(), known->second.at("family"));
            EXPECT_EQ(std::to_string(object["result"].GetInt64()), known->second.at("result"));
            EXPECT_STREQ(object["stage"].GetString(), "unreaped");
            EXPECT_STREQ(object["cancel"].GetString(), "none");
        }
        const auto end = objects_of(listed.out, "in_flight_end");
        ASSERT_EQ(end.size(), 1U);
        EXPECT_EQ(end[0]["requests"].GetUint(), 0U);
        EXPECT_EQ(end[0]["unreaped"].GetUint(), 6U);
        const auto& unlisted = end[0]["unlisted"];
        ASSERT_EQ(unlisted.Size(), hidden != 0 ? 1U : 0U) << listed.out;
        if (hidden != 0) {
            EXPECT_EQ(unlisted[0]["requests"].GetUint(), hidden);
            EXPECT_STREQ(unlisted[0]["family"].GetString(), "aio");
        }

        const auto contexts = inflight({"contexts", "-p", pid, "-o", "json"});
        ASSERT_EQ(contexts.status, 0) << contexts.complained;
        unsigned of_aio = 0;
        unsigned of_rings = 0;
        for (const auto& object : objects_of(contexts.out, "context_now")) {
            const bool aio = std::string_view(object["context"]["family"].GetString()) == "aio";
            (aio ? of_aio : of_rings) += object["unreaped"].GetUint();
            EXPECT_EQ(object["unlisted"].GetUint(), aio ? hidden : 0U);
        }
        EXPECT_EQ(of_aio, 2U);
        EXPECT_EQ(of_rings, 4U);
    }
};

}  // namespace

void add_looking_tests(
    const std::string& tier,
    const std::function<void(const std::string& name, const std::function<TierTest*()>& make)>& add) {
    std::vector<std::pair<std::string, int>> kinds{{"aio", 4}};
    // io_uring is seen at its own tracepoints whatever the hooks, and what is counted needs none.
    if (tier == "tracepoint") {
        kinds.insert(kinds.end(), {{"ring", 0}, {"single_issuer", 1}, {"defer_taskrun", 2}, {"sqpoll", 3}});
        add("unreaped", [tier]() -> TierTest* { return new LooksAtUnreaped(tier); });
    }
    for (const auto& [name, kind] : kinds) {
        add("cancel_" + name, [tier, kind = kind] { return new LooksAtWaiting(tier, kind); });
    }
}

}  // namespace inflight::live
