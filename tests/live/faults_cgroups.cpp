// SPDX-License-Identifier: Apache-2.0
// Filters by cgroup and by container, with cgroups made for the test.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

namespace inflight::faults {
namespace {

// The mount point of the unified hierarchy; empty: there is none.
std::string cgroup_root() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string device, where, type, rest; mounts >> device >> where >> type && std::getline(mounts, rest);) {
        if (type == "cgroup2") {
            return where;
        }
    }
    return "";
}

// A cgroup, removed in the end.
class Group {
public:
    explicit Group(std::string path) : path_(std::move(path)), made_(::mkdir(path_.c_str(), 0755) == 0) {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    ~Group() {
        if (made_) {
            static_cast<void>(wait_until([this] { return ::rmdir(path_.c_str()) == 0 || errno != EBUSY; }, 5s));
        }
    }
    [[nodiscard]] bool made() const { return made_; }
    [[nodiscard]] const std::string& path() const { return path_; }
    // For the child of a process: moves it there.
    [[nodiscard]] std::function<void()> enter() const {
        return [file = path_ + "/cgroup.procs"] {
            std::ofstream procs(file);
            procs << "0\n" << std::flush;
            if (!procs) {
                ::_exit(99);
            }
        };
    }

private:
    std::string path_;
    bool made_;
};

class Cgroups : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        root_ = cgroup_root();
        if (root_.empty()) {
            GTEST_SKIP() << "no cgroup2 is mounted";
        }
        name_ = fmt::format("inflight-faults-{}", ::getpid());
        group_ = std::make_unique<Group>(root_ + "/" + name_);
        if (!group_->made()) {
            GTEST_SKIP() << "no cgroup can be made: " << std::strerror(errno);
        }
    }

    std::string root_;
    std::string name_;
    std::unique_ptr<Group> group_;
};

// Each of `inside` is seen whole, and nothing else.
void check(const Words& options, const std::vector<Gated*>& inside, const std::vector<Gated*>& outside) {
    Tracer tracer(Words{"--events"} + options);
    for (const auto& list : {inside, outside}) {
        for (auto* gated : list) {
            gated->go();
        }
    }
    const auto lines = tracer.end();
    std::set<std::int64_t> expected;
    for (const auto* gated : inside) {
        expected.insert(gated->pid());
        EXPECT_EQ(static_cast<std::int64_t>(lines.requests_of(gated->pid()).size()), totals_of(gated->out()).requests);
    }
    EXPECT_EQ(pids_of(lines.of("request")), expected) << options.at(1);
    EXPECT_EQ(pids_of(lines.of("event")), expected) << options.at(1);
}

TEST_F(Cgroups, GroupAndThoseBelowIt) {
    const Folder folder;
    const Group below(group_->path() + "/below");
    const Group beside(group_->path() + "-beside");
    ASSERT_TRUE(below.made() && beside.made());
    for (const auto& path : {group_->path(), group_->path() + "/", "/" + name_, name_, group_->path() + "/below/.."}) {
        Gated first("poll_ready", folder.path(), group_->enter());
        Gated second("cancel_poll", folder.path(), below.enter());
        Gated third("poll_ready", folder.path(), beside.enter());
        Gated fourth("poll_ready", folder.path());
        check({"--cgroup", path}, {&first, &second}, {&third, &fourth});
    }
    Gated first("poll_ready", folder.path(), group_->enter());
    Gated second("poll_ready", folder.path(), below.enter());
    check({"--cgroup", below.path()}, {&second}, {&first});
}

TEST_F(Cgroups, WhatIsNoGroup) {
    for (const auto& path :
         {std::string("/no-such-group"), std::string("/proc"), std::string("/"), group_->path() + "/cgroup.procs",
          root_ + "/..", root_ + "/../../../proc", std::string("/dev/null")}) {
        const auto ended = run_inflight({"trace", "--cgroup", path, "--duration", "50ms"});
        if (path == "/") {
            EXPECT_EQ(ended.status, 0) << "the root, as /proc/PID/cgroup shows it";
            continue;
        }
        EXPECT_EQ(ended.status, 2) << path;
        EXPECT_EQ(ended.out, "") << path;
        EXPECT_NE(ended.err.find("--cgroup"), std::string::npos) << path << ": " << ended.err;
    }
}

TEST_F(Cgroups, Container) {
    const Folder folder;
    const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const std::string other_id = "0123456789abffff0123456789abcdef0123456789abcdef0123456789abcdef";
    const Group container(fmt::format("{}/docker-{}.scope", group_->path(), id));
    const Group init(container.path() + "/init");
    const Group other(fmt::format("{}/{}", group_->path(), other_id));
    ASSERT_TRUE(container.made() && init.made() && other.made());
    for (const auto& given : {id, id.substr(0, 13)}) {
        Gated first("poll_ready", folder.path(), container.enter());
        Gated second("cancel_poll", folder.path(), init.enter());
        Gated third("poll_ready", folder.path(), other.enter());
        Gated fourth("poll_ready", folder.path(), group_->enter());
        check({"--container", given}, {&first, &second}, {&third, &fourth});
    }
    Gated inside("poll_ready", folder.path(), init.enter());
    Tracer tracer({"--events", "-p", std::to_string(inside.pid())});
    inside.go();
    const auto lines = tracer.end();
    EXPECT_FALSE(lines.of("event").empty());
    for (const auto* event : lines.of("event")) {
        EXPECT_TRUE(text(*event, "container_id").starts_with(id.substr(0, 12))) << text(*event, "container_id");
        EXPECT_EQ(text(*event, "cgroup"), init.path().substr(root_.size()));
    }
    const auto check_error = [](const std::string& given, std::string_view why) {
        const auto ended = run_inflight({"trace", "--container", given, "--duration", "50ms"});
        EXPECT_EQ(ended.status, 2) << given;
        EXPECT_EQ(ended.out, "");
        EXPECT_NE(ended.err.find(why), std::string::npos) << ended.err;
    };
    check_error(id.substr(0, 12), "2 containers");
    check_error("ffffffff", "ffffffff");
    const auto both = run_inflight({"trace", "--container", id, "--cgroup", "/" + name_, "--duration", "50ms"});
    EXPECT_EQ(both.status, 2);
}

// Deeper than systemd or a container runtime nests them; the container is near the top.
TEST_F(Cgroups, TwentyLevelsDeep) {
    constexpr std::size_t levels = 20;
    const Folder folder;
    const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    std::vector<std::unique_ptr<Group>> groups;
    groups.push_back(std::make_unique<Group>(fmt::format("{}/docker-{}.scope", group_->path(), id)));
    while (groups.size() < levels) {
        groups.push_back(
            std::make_unique<Group>(fmt::format("{}/level-{}.slice", groups.back()->path(), groups.size())));
        ASSERT_TRUE(groups.back()->made()) << groups.back()->path();
    }
    const Group& lowest = *groups.back();
    for (const Words& options : {Words{"--cgroup", lowest.path()}, Words{"--cgroup", groups.at(15)->path()},
                                 Words{"--container", id.substr(0, 12)}}) {
        Gated inside("poll_ready", folder.path(), lowest.enter());
        Gated outside("poll_ready", folder.path(), group_->enter());
        check(options, {&inside}, {&outside});
    }
    Gated inside("poll_ready", folder.path(), lowest.enter());
    Tracer tracer({"--events", "-p", std::to_string(inside.pid())});
    inside.go();
    const auto lines = tracer.end();
    EXPECT_FALSE(lines.of("event").empty());
    for (const auto* event : lines.of("event")) {
        EXPECT_EQ(text(*event, "cgroup"), lowest.path().substr(root_.size()));
        EXPECT_EQ(text(*event, "container_id"), id);
    }
    while (!groups.empty()) {
        groups.pop_back();
    }
}

// There is no room for such a path: what is shown is its end, and says so.
TEST_F(Cgroups, DeeperThanAPathHasRoom) {
    constexpr std::size_t levels = 10;
    const Folder folder;
    std::vector<std::unique_ptr<Group>> groups;
    groups.push_back(std::make_unique<Group>(group_->path() + "/" + std::string(200, 'a')));
    while (groups.size() < levels) {
        groups.push_back(std::make_unique<Group>(groups.back()->path() + "/" + std::string(200, 'b')));
        ASSERT_TRUE(groups.back()->made()) << groups.size();
    }
    Gated inside("poll_ready", folder.path(), groups.back()->enter());
    Tracer tracer({"--events", "--cgroup", groups.back()->path()});
    inside.go();
    const auto lines = tracer.end();
    EXPECT_FALSE(lines.of("event").empty());
    for (const auto* event : lines.of("event")) {
        EXPECT_TRUE(text(*event, "cgroup").starts_with("…/bbb")) << text(*event, "cgroup");
        EXPECT_TRUE(groups.back()->path().ends_with(text(*event, "cgroup").substr(std::string("…").size())));
    }
    while (!groups.empty()) {
        groups.pop_back();
    }
}

}  // namespace
}  // namespace inflight::faults
