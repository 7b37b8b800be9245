// SPDX-License-Identifier: Apache-2.0
// Every command inside namespaces of its own, as a container has them: what it tells is what it tells outside.
#include "faults_support.hpp"

#include <unistd.h>

#include <map>
#include <string>
#include <vector>

namespace inflight::faults {
namespace {

struct Place {
    const char* name;
    Words options;  // of unshare(1)
};

const std::vector<Place> places{
    {"pid", {"--pid", "--fork", "--mount-proc", "--kill-child"}},
    {"cgroup", {"--cgroup"}},
    {"mount", {"--mount"}},
    {"time", {"--time", "--fork", "--kill-child"}},
    {"container",
     {"--pid", "--fork", "--mount-proc", "--kill-child", "--cgroup", "--mount", "--uts", "--ipc", "--net"}},
};

void PrintTo(const Place& place, std::ostream* out) {
    *out << place.name;
}

class Namespaces : public testing::TestWithParam<Place> {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        unshare_ = find_program("unshare").value_or("");
        if (unshare_.empty() || run(inside({"true"})).status != 0) {
            GTEST_SKIP() << "no such namespace can be made here";
        }
    }
    [[nodiscard]] Words inside(const Words& command) const {
        return Words{unshare_} + GetParam().options + Words{"--"} + command;
    }
    [[nodiscard]] Ended inflight_inside(const Words& arguments) const {
        return run(inside(Words{inflight_path()} + arguments));
    }
    [[nodiscard]] Words trace_of(const std::string& name, const std::string& file) const {
        return {"trace", "-o", "json", "--output", folder_ / file, "--", workload(name), folder_.path()};
    }
    // `script` runs inside, with $INFLIGHT, $WORKLOADS and $FOLDER.
    [[nodiscard]] Ended script_inside(const std::string& script) const {
        return run(inside({"env", "INFLIGHT=" + inflight_path(), "WORKLOADS=" + workload(""),
                           "FOLDER=" + folder_.path(), "sh", "-c", script}));
    }

    Folder folder_;
    std::string unshare_;
};

// How many requests of each family, operation and outcome.
std::map<std::string, int> ends_of(const Lines& lines) {
    std::map<std::string, int> ends;
    for (const auto* request : lines.of("request")) {
        ends[text(*request, "family") + " " + text(*request, "op") + " " + text(*request, "outcome")]++;
    }
    return ends;
}

TEST_P(Namespaces, TraceOfACommand) {
    for (const char* name : {"read_write", "cancel_poll", "uring_read_write", "uring_poll"}) {
        const auto there = inflight_inside(trace_of(name, "there"));
        ASSERT_EQ(there.status, 0) << name << there.err;
        ASSERT_EQ(run_inflight(trace_of(name, "here")).status, 0) << name;
        const Lines inside(read_file(folder_ / "there"));
        const Lines outside(read_file(folder_ / "here"));
        EXPECT_FALSE(ends_of(outside).empty());
        EXPECT_EQ(ends_of(inside), ends_of(outside)) << name;
        EXPECT_EQ(number(inside.one("loss"), "total"), 0);
        // The number that we see it by, which is another only where it has a pid namespace.
        const std::string place = GetParam().name;
        const bool pids = place == "pid" || place == "container";
        for (const std::string type : {"request", "context"}) {
            for (const auto* each : inside.of(type)) {
                ASSERT_EQ(each->HasMember("host_pid"), pids) << name << " " << type;
                EXPECT_TRUE(!pids || number(*each, "host_pid") > number(*each, "pid"));
            }
        }
    }
}

TEST_P(Namespaces, CheckFindsWhatItFinds) {
    const auto clean = inflight_inside({"check", "--require-requests", "--", workload("read_write"), folder_.path()});
    EXPECT_EQ(clean.status, 0) << clean.out << clean.err;
    const auto corrupting = inflight_inside({"check", "--", workload("overlap"), folder_.path()});
    EXPECT_EQ(corrupting.status, 1) << corrupting.out << corrupting.err;
    EXPECT_NE(corrupting.out.find("buffer-overlap"), std::string::npos) << corrupting.out;
}

TEST_P(Namespaces, RecordAndReport) {
    const std::string file = folder_ / "capture";
    const auto recorded = inflight_inside({"record", "-o", file, "--", workload("uring_read_write"), folder_.path()});
    ASSERT_EQ(recorded.status, 0) << recorded.err;
    const auto reported = run_inflight({"report", "-o", "json", file});
    ASSERT_EQ(run_inflight(trace_of("uring_read_write", "here")).status, 0);
    EXPECT_EQ(ends_of(Lines(reported.out)), ends_of(Lines(read_file(folder_ / "here"))));
}

TEST_P(Namespaces, Stat) {
    const auto counted = inflight_inside({"stat", "-o", "json", "--", workload("read_write"), folder_.path()});
    ASSERT_EQ(counted.status, 0) << counted.err;
    EXPECT_NE(counted.out.find("\"requests\":11,"), std::string::npos) << counted.out;
    const auto by_pid =
        inflight_inside({"stat", "--by", "pid", "-o", "json", "--", workload("read_write"), folder_.path()});
    const std::string place = GetParam().name;
    EXPECT_EQ(by_pid.out.find("\"host_pid\":") != std::string::npos, place == "pid" || place == "container")
        << by_pid.out;
}

TEST_P(Namespaces, Hist) {
    const auto counted = inflight_inside({"hist", "-o", "json", "--", workload("uring_read_write"), folder_.path()});
    const auto outside = run_inflight({"hist", "-o", "json", "--", workload("uring_read_write"), folder_.path()});
    ASSERT_EQ(counted.status, 0) << counted.err;
    const auto requests = [](const Ended& ended) {
        const std::string word = "\"requests\":";
        const std::size_t at = ended.out.rfind(word);
        return at == std::string::npos ? std::string("none") : ended.out.substr(at, ended.out.find(',', at) - at);
    };
    EXPECT_EQ(requests(counted), requests(outside));
    EXPECT_NE(requests(counted), "none") << counted.out;
}

// By the number that the shell knows: trace, stat, ls, contexts and cancel.
TEST_P(Namespaces, OfARunningProgram) {
    const auto ended = script_inside(R"(
"$WORKLOADS/waiting" "$FOLDER" 1 > "$FOLDER/log" 2>&1 & program=$!
"$WORKLOADS/waiting" "$FOLDER" 1 > "$FOLDER/waits" 2>&1 & waiting=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q ready "$FOLDER/waits" && break
    sleep 0.1
done
"$INFLIGHT" ls -p $waiting -o json > "$FOLDER/ls" || echo "ls: $?"
grep '"in_flight"' "$FOLDER/ls" | grep -c "\"pid\":$waiting,"
"$INFLIGHT" contexts -p $waiting -o json | grep -c "\"pid\":$waiting,"
"$INFLIGHT" cancel -p $waiting --op read --all --yes --audit "$FOLDER/audit" -o json > "$FOLDER/cancelled" 2>&1
grep -c '"verdict":"cancelled"' "$FOLDER/cancelled"
kill $program $waiting
)");
    const auto said = lines_of(ended.out);
    ASSERT_GE(said.size(), 3U) << ended.out << ended.err << read_file(folder_ / "waits");
    EXPECT_GE(std::stoi(said[0]), 5) << ended.out << ended.err << read_file(folder_ / "ls");
    EXPECT_GE(std::stoi(said[1]), 1) << ended.out << ended.err;
    EXPECT_GE(std::stoi(said[2]), 1) << ended.out << ended.err << read_file(folder_ / "cancelled");
}

TEST_P(Namespaces, DoctorSaysSo) {
    const auto told = inflight_inside({"doctor"});
    const bool pids = std::string(GetParam().name) == "pid" || std::string(GetParam().name) == "container";
    EXPECT_EQ(told.out.find("pid namespace of its own") != std::string::npos, pids) << told.out;
    const bool cgroups = std::string(GetParam().name) == "cgroup" || std::string(GetParam().name) == "container";
    EXPECT_EQ(told.out.find("cgroup namespace of its own") != std::string::npos, cgroups) << told.out;
}

INSTANTIATE_TEST_SUITE_P(Each, Namespaces, testing::ValuesIn(places),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(UserNamespace, EachCommandSaysWhatToDo) {
    const auto unshare = find_program("unshare");
    const Words inside{unshare.value_or(""), "--user", "--map-root-user", inflight_path()};
    if (!unshare || run({*unshare, "--user", "--map-root-user", "true"}).status != 0) {
        GTEST_SKIP() << "no user namespace can be made here";
    }
    const Folder folder;
    const std::vector<Words> commands{{"trace", "--", "true"},
                                      {"check", "--", "true"},
                                      {"record", "--output", folder / "c", "--", "true"},
                                      {"stat", "--", "true"},
                                      {"hist", "--", "true"},
                                      {"ls"},
                                      {"contexts"},
                                      {"cancel", "--yes", "1-1"},
                                      {"doctor"}};
    for (const Words& command : commands) {
        const auto ended = run(inside + command);
        EXPECT_EQ(ended.status, 3) << command.front();
        const std::string told = command.front() == "doctor" ? ended.out : ended.err;
        EXPECT_NE(told.find("user namespace"), std::string::npos) << command.front() << told;
        EXPECT_FALSE(exists(folder / "c")) << "nothing half-written";
    }
}

TEST(UserNamespace, AProgramInOneIsSeenFromOutside) {
    const auto unshare = find_program("unshare");
    if (::geteuid() != 0 || !unshare || run({*unshare, "--user", "--map-root-user", "true"}).status != 0) {
        GTEST_SKIP() << "needs root, and a user namespace";
    }
    const Folder folder;
    for (const char* name : {"read_write", "uring_read_write"}) {
        const Words program{workload(name), folder.path()};
        const auto traced = [&](const Words& command) {
            const auto ended = run_inflight(Words{"trace", "-o", "json", "--output", folder / "log", "--"} + command);
            EXPECT_EQ(ended.status, 0) << ended.err;
            return ends_of(Lines(read_file(folder / "log")));
        };
        EXPECT_EQ(traced(Words{*unshare, "--user", "--map-root-user"} + program), traced(program)) << name;
    }
}

// As the path is seen inside, though the cgroup lies below others.
TEST(CgroupNamespace, FiltersByThePathThatIsSeenThere) {
    const auto unshare = find_program("unshare");
    if (::geteuid() != 0 || !unshare) {
        GTEST_SKIP() << "needs root and unshare";
    }
    const Folder folder;
    const auto ended = run({"env", "INFLIGHT=" + inflight_path(), "WORKLOAD=" + workload("spin"),
                            "FOLDER=" + folder.path(), "UNSHARE=" + *unshare, "sh", "-c", R"(
root=$(sed -n 's/^[^ ]* \([^ ]*\) cgroup2 .*/\1/p' /proc/self/mounts | head -n 1)
[ -n "$root" ] || exit 77
outer=$root/inflight-namespace-$$
mkdir -p "$outer/sub" || exit 77
(
    sh -c 'echo $PPID' >"$FOLDER/pid"
    read -r self <"$FOLDER/pid"
    echo "$self" >"$outer/cgroup.procs"
    exec "$UNSHARE" --cgroup --mount sh -c '
        mkdir "$FOLDER/cgroups" && mount -t cgroup2 none "$FOLDER/cgroups" || exit 77
        umount -l "'"$root"'"
        (echo 0 >"$FOLDER/cgroups/sub/cgroup.procs"; exec "$WORKLOAD" "$FOLDER" 60000 >/dev/null) &
        "$INFLIGHT" trace --cgroup /sub --duration 300ms -o json --output "$FOLDER/found"
        status=$?
        kill $!
        wait
        exit $status'
)
status=$?
rmdir "$outer/sub" "$outer"
exit $status
)"});
    if (ended.status == 77) {
        GTEST_SKIP() << "no cgroup can be made here";
    }
    ASSERT_EQ(ended.status, 0) << ended.out << ended.err;
    EXPECT_FALSE(Lines(read_file(folder / "found")).of("request").empty());
}

TEST(NoRequests, OfAFilterThatNothingPassesEachCommandSaysSo) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    const Folder folder;
    const std::string said = "no request was seen of what --comm no-such-name lets through";
    for (const Words& command :
         {Words{"trace"}, Words{"record", "--output", folder / "capture"}, Words{"stat"}, Words{"hist"}}) {
        const auto ended = run_inflight(command + Words{"--comm", "no-such-name", "--duration", "100ms"});
        EXPECT_EQ(ended.status, 0) << command.front() << ended.err;
        EXPECT_NE(ended.err.find(said), std::string::npos) << command.front() << ended.err;
    }
}

TEST(NoRequests, CheckSaysSoAndMayFail) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    const auto without = run_inflight({"check", "--", "true"});
    EXPECT_EQ(without.status, 0) << without.err;
    EXPECT_NE(without.out.find("nothing was checked"), std::string::npos) << without.out;
    EXPECT_EQ(run_inflight({"check", "--require-requests", "--", "true"}).status, 1);
}

}  // namespace
}  // namespace inflight::faults
