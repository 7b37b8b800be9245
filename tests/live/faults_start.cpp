// SPDX-License-Identifier: Apache-2.0
// What keeps a trace from beginning: rights, the kernel, hooks, the command. And what passes through to the command.
#include "faults_support.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace inflight::faults {
namespace {

constexpr uid_t nobody = 65534;

class Faults : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
    }
};

// In a child, which is ended where it does not work.
void must(bool done) {
    if (!done) {
        ::_exit(99);
    }
}

void become_nobody() {
    must(::setgroups(0, nullptr) == 0 && ::setresgid(nobody, nobody, nobody) == 0 &&
         ::setresuid(nobody, nobody, nobody) == 0);
}

void set_capabilities(std::uint64_t mask) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (std::size_t half = 0; half < 2; half++) {
        const auto bits = static_cast<std::uint32_t>(mask >> (32 * half));
        data.at(half) = {.effective = bits, .permitted = bits, .inheritable = bits};
    }
    must(::syscall(SYS_capset, &header, data.data()) == 0);
}

constexpr std::uint64_t bit(int capability) {
    return std::uint64_t{1} << static_cast<unsigned>(capability);
}

// Nobody, with the capabilities of these numbers.
void become_nobody_with(const std::vector<int>& capabilities) {
    std::uint64_t mask = 0;
    for (const int capability : capabilities) {
        mask |= bit(capability);
    }
    must(::prctl(PR_SET_KEEPCAPS, 1) == 0);
    become_nobody();
    set_capabilities(mask);
    for (const int capability : capabilities) {
        must(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0);
    }
}

// As Ended run_inflight, though the path may be closed to the user that `in_child` becomes.
Ended run_as(Words arguments, const std::function<void()>& in_child) {
    const int program = ::open(inflight_path().c_str(), O_RDONLY);
    auto ended = run(Start{.command = Words{"inflight"} + arguments, .in_child = in_child, .program_fd = program});
    ::close(program);
    return ended;
}

void expect_no_trace(const std::function<void()>& in_child, std::string_view part) {
    const Folder folder;
    const std::string marker = folder / "ran";
    const auto traced = run_as({"trace", "--", "touch", marker}, in_child);
    EXPECT_EQ(traced.status, 3);
    EXPECT_EQ(traced.out, "");
    expect_error(traced.err, part);
    EXPECT_FALSE(exists(marker)) << "the command ran untraced";
    const auto doctor = run_as({"doctor"}, in_child);
    EXPECT_EQ(doctor.status, 3);
    EXPECT_NE(doctor.out.find(part), std::string::npos) << doctor.out;
    EXPECT_EQ(doctor.err, "");
    // The others say the same, in no more than three lines, and write nothing.
    for (const Words& command : {Words{"record", "-o", folder / "capture"},
                                 {"check"},
                                 {"ls"},
                                 {"contexts"},
                                 {"stat"},
                                 {"hist"},
                                 {"cancel", "-p", std::to_string(::getpid()), "--all", "--yes"}}) {
        const auto told = run_as(command, in_child);
        EXPECT_EQ(told.status, 3) << command.front();
        EXPECT_EQ(told.out, "") << command.front();
        EXPECT_LE(lines_of(told.err).size(), 3U) << command.front() << told.err;
        EXPECT_NE(told.err.find(part), std::string::npos) << command.front() << told.err;
    }
    EXPECT_FALSE(exists(folder / "capture"));
}

TEST_F(Faults, NotRoot) {
    expect_no_trace(become_nobody, "run inflight as root, or give it CAP_BPF, CAP_PERFMON and CAP_SYSLOG");
}

TEST_F(Faults, RootWithoutItsCapabilities) {
    const auto in_container = [] {
        for (const int capability : {CAP_SYS_ADMIN, CAP_BPF, CAP_PERFMON}) {
            must(::prctl(PR_CAPBSET_DROP, capability) == 0);
        }
    };
    expect_no_trace(in_container, "CAP_BPF, CAP_PERFMON");
}

TEST_F(Faults, WithoutTheAddressesOfSymbols) {
    expect_no_trace([] { become_nobody_with({CAP_BPF, CAP_PERFMON}); }, "CAP_SYSLOG");
}

// What the error message promises to be enough.
TEST_F(Faults, ThreeCapabilitiesSuffice) {
    const Folder folder;
    const std::string file = folder / "trace.json";
    const auto in_child = [] { become_nobody_with({CAP_BPF, CAP_PERFMON, CAP_SYSLOG}); };
    const auto ended =
        run_as({"trace", "-o", "json", "--output", file, "--", workload("cancel_poll"), folder.path()}, in_child);
    ASSERT_EQ(ended.status, 0) << ended.err;
    const Lines lines(read_file(file));
    EXPECT_EQ(lines.of("request").size(), static_cast<std::size_t>(totals_of(ended.out).requests));
    EXPECT_EQ(number(lines.one("summary"), "lost"), 0);
    for (const auto* request : lines.of("request")) {
        EXPECT_EQ(number(*request, "uid"), nobody);
    }
}

void hide_types(const std::string& over, const char* what) {
    must(::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    must(::mount(over.c_str(), what, nullptr, MS_BIND, nullptr) == 0);
}

TEST_F(Faults, KernelWithoutTypes) {
    const Folder empty;
    expect_no_trace([&] { hide_types(empty.path(), "/sys/kernel/btf"); }, "CONFIG_DEBUG_INFO_BTF");
    const auto doctor = run_inflight({"doctor", "-o", "json"}, [&] { hide_types(empty.path(), "/sys/kernel/btf"); });
    EXPECT_NE(doctor.out.find("\"btf\": false"), std::string::npos) << doctor.out;
}

TEST_F(Faults, KernelWithBrokenTypes) {
    const Folder folder;
    write_file(folder / "btf", "this is no BTF");
    expect_no_trace([&] { hide_types(folder / "btf", "/sys/kernel/btf/vmlinux"); }, "type information");
}

TEST_F(Faults, HookLeftOutAltogether) {
    const auto traced = run_inflight({"trace", "--without-hook", "io_submit_one", "--", "true"});
    EXPECT_EQ(traced.status, 3);
    expect_error(traced.err, "attach the hook io_submit_one");
    EXPECT_NE(traced.err.find("--without-hook"), std::string::npos) << traced.err;
    const auto diagnosis = diagnose({"--without-hook", "io_submit_one"});
    EXPECT_EQ(diagnosis.status, 3);
    EXPECT_EQ(text(diagnosis.json, "status"), "cannot-trace");
    EXPECT_NE(text(diagnosis.json, "error").find("io_submit_one"), std::string::npos);
}

TEST_F(Faults, HookLeftOutInOneTier) {
    const Folder folder;
    for (const std::string hook : {"aio_complete", "io_submit_one", "do_io_cancel", "io_getevents"}) {
        const auto diagnosis = diagnose({"--without-hook", hook + ":fentry"});
        EXPECT_LE(diagnosis.status, 1);
        EXPECT_NE(tier_of(diagnosis, hook), "fentry");
        EXPECT_NE(tier_of(diagnosis, hook), "");
        const auto traced = trace({"--without-hook", hook + ":fentry"}, {workload("cancel_poll"), folder.path()});
        EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
        const auto totals = totals_of(traced.ended.out);
        EXPECT_EQ(number(traced.lines.one("summary"), "requests"), totals.requests) << hook;
        EXPECT_EQ(number(traced.lines.one("summary"), "cancels"), totals.cancels) << hook;
    }
}

TEST_F(Faults, HookThatIsNotNecessary) {
    const auto diagnosis = diagnose({"--without-hook", "sched_process_exit"});
    EXPECT_EQ(diagnosis.status, 1);
    EXPECT_EQ(text(diagnosis.json, "status"), "degraded");
    EXPECT_EQ(tier_of(diagnosis, "sched_process_exit"), "none");
    const auto traced = trace({"--without-hook", "sched_process_exit"}, {"true"});
    EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
    bool said = false;
    for (const auto& limit : traced.lines.one("trace")["limits"].GetArray()) {
        said = said || std::string_view(limit.GetString()).find("processes that end") != std::string_view::npos;
    }
    EXPECT_TRUE(said) << "the trace does not say that it lacks this hook";
}

TEST_F(Faults, HookOrTierThatIsUnknown) {
    for (const std::string hook : {"nonsense", "nonsense:fentry", "io_submit_one:nonsense"}) {
        const auto traced = run_inflight({"trace", "--without-hook", hook, "--", "true"});
        EXPECT_NE(traced.status, 0);
        EXPECT_NE(traced.err.find("no such hook"), std::string::npos) << traced.err;
        EXPECT_EQ(run_inflight({"doctor", "--without-hook", hook}).status, 3);
    }
    const auto traced = run_inflight({"trace", "--hooks", "nonsense", "--", "true"});
    EXPECT_EQ(traced.status, 2);
    EXPECT_NE(traced.err.find("fentry, kprobe or tracepoint"), std::string::npos) << traced.err;
}

// A tier that this kernel refuses is an error with the kernel's reason; any other sees everything.
TEST_F(Faults, TierThatIsForced) {
    const Folder folder;
    int works = 0;
    for (const std::string tier : {"fentry", "kprobe", "tracepoint"}) {
        const auto diagnosis = diagnose({"--hooks", tier});
        const auto traced = trace({"--hooks", tier}, {workload("cancel_poll"), folder.path()});
        if (diagnosis.status == 3) {
            EXPECT_EQ(traced.ended.status, 3) << tier;
            expect_error(traced.ended.err, tier + ": ");
            EXPECT_NE(traced.ended.err.find("leave out --hooks"), std::string::npos) << traced.ended.err;
            EXPECT_NE(traced.ended.err.find(lines_of(text(diagnosis.json, "error")).at(0)), std::string::npos);
            continue;
        }
        works++;
        EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
        EXPECT_EQ(number(traced.lines.one("summary"), "requests"), totals_of(traced.ended.out).requests) << tier;
        EXPECT_EQ(tier_of(diagnosis, "aio_complete"), tier);
    }
    EXPECT_GT(works, 0);
}

TEST_F(Faults, CommandThatCannotRun) {
    const Folder folder;
    write_file(folder / "data", "text");
    ::chmod((folder / "data").c_str(), 0644);
    const auto check = [](const std::string& command, int status, std::string_view why) {
        const auto ended = run_inflight({"trace", "-o", "json", "--", command});
        EXPECT_EQ(ended.status, status) << command;
        EXPECT_EQ(ended.out, "") << command;
        expect_error(ended.err, why);
        EXPECT_NE(ended.err.find(command), std::string::npos) << ended.err;
    };
    check("no-such-command-in-path", 127, "ENOENT");
    check(folder / "missing", 127, "ENOENT");
    check(folder / "missing/command", 127, "ENOENT");
    check(folder.path(), 126, "EACCES");
    check(folder / "data", 126, "EACCES");
    check(folder / "data/command", 126, "ENOTDIR");
}

TEST_F(Faults, ExitStatusOfTheCommand) {
    EXPECT_EQ(trace({}, {"true"}).ended.status, 0);
    const auto seven = trace({}, {"sh", "-c", "exit 7"});
    EXPECT_EQ(seven.ended.status, 7);
    EXPECT_NE(text(seven.lines.one("summary"), "ended_by").find("status 7"), std::string::npos);
    for (const auto& [name, signal] : {std::pair{"KILL", SIGKILL}, {"TERM", SIGTERM}, {"SEGV", SIGSEGV}}) {
        const auto killed = trace({}, {"sh", "-c", fmt::format("kill -{} $$", name)});
        EXPECT_EQ(killed.ended.status, 128 + signal);
        EXPECT_NE(text(killed.lines.one("summary"), "ended_by").find(fmt::format("SIG{}", name)), std::string::npos);
    }
}

TEST_F(Faults, InputAndOutputOfTheCommand) {
    const Folder folder;
    std::string input;
    for (int i = 0; i < 300'000; i++) {
        input += static_cast<char>(i * 7);
    }
    const Words words{inflight_path(),  "trace", "-o", "json", "--output",
                      folder / "trace", "--",    "sh", "-c",   "cat; echo aside >&2"};
    const auto ended = run(Start{.command = words}, input);
    EXPECT_EQ(ended.status, 0);
    EXPECT_TRUE(ended.out == input) << ended.out.size() << " bytes of " << input.size();
    EXPECT_EQ(ended.err, "aside\n");
    static_cast<void>(Lines(read_file(folder / "trace")).one("summary"));
}

TEST_F(Faults, SignalsAreTheCommandsOwn) {
    // Blocked and ignored signals are inherited by what is run: they must be as they were.
    const Words show{"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
    const auto plain = run(show);
    const auto traced = trace({}, show);
    EXPECT_EQ(plain.out, traced.ended.out);
    EXPECT_NE(plain.out, "");
    // Nor may it hold inflight's descriptors.
    const Words list{"sh", "-c", "ls /proc/$$/fd"};
    EXPECT_EQ(trace({}, list).ended.out, run(list).out);
}

}  // namespace
}  // namespace inflight::faults
