// SPDX-License-Identifier: Apache-2.0
// Rings as the filters see them, and rings that the trace or their program leaves in the middle of work.
#include "faults_file_system.hpp"
#include "faults_support.hpp"
#include "faults_uring.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace inflight::faults {
namespace {

class Rings : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        const Folder folder;
        constexpr int skipped = 77;
        if (const auto trial = run({workload("uring_nop"), folder.path()}); trial.status == skipped) {
            GTEST_SKIP() << trial.err;
        }
    }
};

std::int64_t size_of(const std::vector<const Value*>& records) {
    return static_cast<std::int64_t>(records.size());
}

std::int64_t lines_with(const std::string& out, const std::string& part) {
    return static_cast<std::int64_t>(count_of(out, part));
}

std::int64_t expected_of_op(const std::string& out, const std::string& op) {
    return lines_with(out, fmt::format("expect request family=uring op={} ", op));
}

std::vector<const Value*> all_with(const Lines& lines, std::string_view type, const char* key, std::string_view value) {
    auto found = lines.of(type);
    std::erase_if(found, [&](const Value* each) { return text(*each, key) != value; });
    return found;
}

// ---- rings that no descriptor leads to

// Registers the ring for its thread, and closes its descriptor.
void leave_registered_only(const uring::Ring& ring) {
    struct {
        std::uint32_t offset = ~0U;
        std::uint32_t reserved = 0;
        std::uint64_t data = 0;
    } registration;
    registration.data = static_cast<std::uint64_t>(ring.fd());
    constexpr unsigned register_ring_fds = 20;
    if (::syscall(SYS_io_uring_register, ring.fd(), register_ring_fds, &registration, 1) != 1) {
        ::_exit(1);
    }
    ::close(ring.fd());
}

TEST_F(Rings, WithoutADescriptorAreFoundToo) {
    Process program(Start{.command = {}, .in_child = [] {
                              int ends[2];
                              uring::Ring ring(4);
                              if (::pipe(ends) != 0 || ring.fd() < 0) {
                                  ::_exit(1);
                              }
                              ring.put(uring::poll(ends[0], 0x51));
                              if (!ring.submit(1)) {
                                  ::_exit(1);
                              }
                              leave_registered_only(ring);
                              static_cast<void>(::write(STDOUT_FILENO, "ready\n", 6));
                              ::pause();
                          }});
    ASSERT_TRUE(program.wait_for_out("ready"));
    const auto pid = std::to_string(program.pid());
    const Lines list(run_inflight({"ls", "-p", pid, "-o", "json"}).out);
    const auto waiting = list.of("in_flight");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(text((*waiting[0])["request"], "user_data"), "0x51");
    EXPECT_EQ(text(*waiting[0], "stage"), "poll");
    EXPECT_EQ(text(*waiting[0], "cancel"), "none") << "nothing leads to it";
    const Lines contexts(run_inflight({"contexts", "-p", pid, "-o", "json"}).out);
    const auto rings = contexts.of("context_now");
    ASSERT_EQ(rings.size(), 1U);
    EXPECT_EQ(number(*rings[0], "listed_in_flight"), 1);
    Tracer tracer({"-p", pid});
    const auto traced = tracer.end();
    EXPECT_EQ(size_of(all_with(traced, "request", "user_data", "0x51")), 1) << "it is in flight";
}

// ---- a request that outlives its ring

// A write by a worker stands still in the frozen file system while its ring is closed, and ends long after that.
void write_while_frozen(const std::string& folder) {
    WriteToFrozen write(folder, 0x77);
    constexpr unsigned stands_us = 200'000;
    ::usleep(stands_us);
    write.ring().close();
    constexpr unsigned outlives_us = 1'200'000;
    ::usleep(outlives_us);
    write.thaw();
    ::usleep(stands_us);
    ::_exit(0);
}

TEST_F(Rings, ARequestThatOutlivesItsRingIsToldOnce) {
    const OwnFileSystem own;
    if (!own.mounted()) {
        GTEST_SKIP() << "no file system can be mounted here";
    }
    Tracer tracer({"--comm", "fault_tests"});
    const Ended program = run(Start{.command = {}, .in_child = [&] { write_while_frozen(own.path()); }});
    ASSERT_EQ(program.status, 0);
    const Lines lines = tracer.end();
    const auto written = all_with(lines, "request", "user_data", "0x77");
    ASSERT_EQ(written.size(), 1U);
    EXPECT_EQ(text(*written[0], "outcome"), "completed");
    EXPECT_EQ(number(*written[0], "result"), 4096);
    EXPECT_EQ(number(lines.one("loss"), "total"), 0);
}

// ---- filters

TEST_F(Rings, OneProcess) {
    const Folder folder;
    Gated traced("uring_read_write", folder.path());
    Gated other("uring_cancel", folder.path());
    Tracer tracer({"--events", "-p", std::to_string(traced.pid())});
    other.go();
    traced.go();
    const auto lines = tracer.end();
    EXPECT_EQ(size_of(lines.of("request")), totals_of(traced.out()).requests);
    for (const std::string type : {"request", "event", "context"}) {
        EXPECT_EQ(pids_of(lines.of(type)), std::set<std::int64_t>{traced.pid()}) << type;
    }
    EXPECT_TRUE(lines.of("cancel").empty());
    EXPECT_EQ(number(lines.one("loss"), "total"), 0);
}

// Kernel threads submit and complete for them: the requests are the program's all the same.
TEST_F(Rings, KernelThreadsDoNotHideTheProgram) {
    const Folder folder;
    for (const std::string name : {"uring_sqpoll", "uring_async", "uring_cancel_running"}) {
        for (const bool by_name : {false, true}) {
            Gated traced(name, folder.path());
            Gated other("uring_nop", folder.path());
            Tracer tracer(by_name ? Words{"--comm", name} : Words{"-p", std::to_string(traced.pid())});
            other.go();
            traced.go();
            const auto lines = tracer.end();
            EXPECT_EQ(size_of(lines.of("request")), totals_of(traced.out()).requests) << name;
            EXPECT_EQ(size_of(lines.of("cancel")), totals_of(traced.out()).cancels) << name;
            EXPECT_EQ(pids_of(lines.of("request")), std::set<std::int64_t>{traced.pid()}) << name;
            for (const auto* request : lines.of("request")) {
                EXPECT_EQ(text(*request, "comm"), name.substr(0, 15));
            }
        }
    }
}

// The submitter owns a request, whoever made the ring; a filter for either lets it through, and both are named.
TEST_F(Rings, RingOfAParentAndItsChild) {
    const Folder folder;
    for (const bool follow : {false, true}) {
        Gated traced("uring_fork", folder.path());
        Tracer tracer(Words{"-p", std::to_string(traced.pid())} + (follow ? Words{"--follow"} : Words{}));
        traced.go();
        const auto lines = tracer.end();
        const auto all = totals_of(traced.out()).requests;
        constexpr std::int64_t of_child = 2;
        EXPECT_EQ(size_of(lines.of("request")), all);
        EXPECT_EQ(size_of(lines.requests_of(traced.pid())), all - of_child);
        for (const auto* request : lines.of("request")) {
            EXPECT_EQ(number((*request)["uring"], "ring_pid"), traced.pid());
        }
        EXPECT_EQ(number(lines.one("loss"), "total"), 0);
    }
}

TEST_F(Rings, Family) {
    const Folder folder;
    const auto script =
        fmt::format("{0} {2} && {1} {2}", workload("uring_cancel"), workload("read_write"), folder.path());
    const auto check = [&](const Words& options, bool aio, bool uring) {
        const auto traced = trace(options + Words{"--events"}, {"sh", "-c", script});
        ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
        const auto totals = totals_of(traced.ended.out);  // of the last, read_write
        const auto uring_totals = totals_of(traced.ended.out.substr(0, traced.ended.out.rfind("op=pwrite")));
        const auto& lines = traced.lines;
        EXPECT_EQ(size_of(lines.requests_with("family", "aio")), aio ? totals.requests : 0);
        EXPECT_EQ(size_of(lines.requests_with("family", "uring")), uring ? uring_totals.requests : 0);
        EXPECT_EQ(size_of(lines.of("cancel")), uring ? uring_totals.cancels : 0);
        EXPECT_EQ(all_with(lines, "context", "family", "aio").empty(), !aio);
        EXPECT_EQ(all_with(lines, "context", "family", "uring").empty(), !uring);
        bool aio_events = false;
        bool uring_events = false;
        for (const auto* event : lines.of("event")) {
            (text(*event, "event").starts_with("io_uring_") ? uring_events : aio_events) = true;
        }
        EXPECT_EQ(aio_events, aio);
        EXPECT_EQ(uring_events, uring);
    };
    check({}, true, true);
    check({"--family", "aio"}, true, false);
    check({"--family", "uring"}, false, true);
    check({"--family", "aio,uring"}, true, true);
    const auto unknown = run_inflight({"trace", "--family", "nope", "--", "true"});
    EXPECT_EQ(unknown.status, 2);
    EXPECT_NE(unknown.err.find("--family"), std::string::npos) << unknown.err;
}

TEST_F(Rings, Operation) {
    const Folder folder;
    const auto check = [&](const std::string& name, const Words& operations, const Words& options) {
        const auto traced = trace(options, {workload(name), folder.path()});
        ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
        std::int64_t expected = 0;
        for (const auto& operation : operations) {
            const auto count = expected_of_op(traced.ended.out, operation);
            EXPECT_GT(count, 0) << operation;
            EXPECT_EQ(size_of(traced.lines.requests_with("op", operation)), count) << operation;
            expected += count;
        }
        EXPECT_EQ(size_of(traced.lines.of("request")), expected) << name;
        EXPECT_EQ(number(traced.lines.one("summary"), "requests"), expected) << name;
    };
    check("uring_read_write", {"read"}, {"--op", "read"});
    check("uring_read_write", {"writev", "fsync"}, {"--op", "writev,fsync"});
    check("uring_read_write", {"nop", "fallocate"}, {"--op", "nop", "--op", "fallocate"});
    check("uring_sqpoll", {"openat"}, {"--op", "openat"});
    check("uring_cancel", {"poll_add", "async_cancel"}, {"--op", "poll_add,async_cancel"});
}

TEST_F(Rings, Outcome) {
    const Folder folder;
    const auto check = [&](const std::string& name, const std::string& outcome, std::int64_t expected) {
        const auto traced = trace({"--outcome", outcome}, {workload(name), folder.path()});
        ASSERT_EQ(traced.ended.status, 0) << traced.ended.err;
        if (expected < 0) {
            expected = lines_with(traced.ended.out, " outcome=" + outcome);
        }
        EXPECT_GT(expected, 0) << name;
        EXPECT_EQ(size_of(traced.lines.of("request")), expected) << name << ' ' << outcome;
        EXPECT_EQ(size_of(traced.lines.requests_with("outcome", outcome)), expected) << name << ' ' << outcome;
        EXPECT_EQ(number(traced.lines.one("summary"), "requests"), expected) << name << ' ' << outcome;
    };
    constexpr std::int64_t as_it_says = -1;
    check("uring_cancel", "cancelled", as_it_says);
    check("uring_cancel", "failed", as_it_says);
    check("uring_sqpoll", "failed", as_it_says);
    check("uring_exit_in_flight", "abandoned", 3);
    check("uring_exit_in_flight", "completed", 1);
}

TEST_F(Rings, LatencyAndEvent) {
    const Folder folder;
    const Words command{workload("uring_unregister"), folder.path()};
    const auto slow = trace({"--min-latency", "40ms"}, command);
    ASSERT_EQ(slow.ended.status, 0) << slow.ended.err;
    EXPECT_EQ(size_of(slow.lines.of("request")), 1);
    EXPECT_EQ(size_of(slow.lines.requests_with("op", "read_fixed")), 1);
    const auto registering = trace({"--event", "io_uring_register"}, command);
    EXPECT_EQ(size_of(registering.lines.of("event")), 2);
    EXPECT_EQ(size_of(all_with(registering.lines, "event", "event", "io_uring_register")), 2);
    EXPECT_EQ(size_of(registering.lines.of("request")), totals_of(registering.ended.out).requests);
}

// ---- in the middle

void expect_whole(const std::string& output) {
    const auto lines = lines_of(output);
    ASSERT_GE(lines.size(), 3U) << output;
    EXPECT_TRUE(lines.front().starts_with(R"({"type":"trace")"));
    EXPECT_TRUE(lines.at(lines.size() - 2).starts_with(R"({"type":"loss")"));
    EXPECT_TRUE(lines.back().starts_with(R"({"type":"summary")"));
}

void expect_sums(const Lines& lines) {
    const auto& summary = lines.one("summary");
    const auto requests = lines.of("request");
    EXPECT_EQ(number(summary, "requests"), size_of(requests));
    std::int64_t sum = 0;
    for (const char* outcome : {"in-flight", "completed", "failed", "cancelled", "abandoned"}) {
        const auto count = number(summary, "outcomes", outcome);
        EXPECT_EQ(count, size_of(lines.requests_with("outcome", outcome))) << outcome;
        sum += count;
    }
    EXPECT_EQ(sum, size_of(requests));
}

// What was in flight before the trace began is found by each way of choosing a program.
TEST_F(Rings, ThatExisted) {
    const Folder folder;
    for (const bool by_name : {false, true}) {
        Process process(Words{workload("uring_existing"), folder.path()});
        ASSERT_TRUE(process.wait_for_out("ready"));
        Tracer tracer(by_name ? Words{"--comm", "uring_existing"} : Words{"-p", std::to_string(process.pid())});
        process.send("go\n");
        process.wait();
        EXPECT_EQ(process.status(), 0) << process.err();
        const auto lines = tracer.end();
        EXPECT_EQ(size_of(lines.of("request")), totals_of(process.out()).requests);
        EXPECT_EQ(
            std::ranges::count_if(lines.of("request"), [](const auto* each) { return (*each)["existed"].GetBool(); }),
            4);
        EXPECT_EQ(size_of(lines.requests_with("outcome", "abandoned")), 3);
        EXPECT_EQ(size_of(lines.of("cancel")), 1);
        EXPECT_EQ(number(lines.one("loss"), "total"), 0);
        expect_sums(lines);
    }
}

TEST_F(Rings, TraceEndsWithRequestsInFlight) {
    const Folder folder;
    const std::string gate = folder / "gate";
    ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
    Process process(
        Words{"sh", "-c", R"(read line; exec "$0" "$1" <>"$2")", workload("uring_existing"), folder.path(), gate});
    Tracer tracer({"-p", std::to_string(process.pid())});
    process.send("go\n");
    ASSERT_TRUE(process.wait_for_out("ready"));
    const auto lines = tracer.end();
    constexpr std::int64_t nops = 1;
    EXPECT_EQ(size_of(lines.of("request")), 4 + nops);
    EXPECT_EQ(size_of(lines.requests_with("outcome", "in-flight")), 4);
    EXPECT_EQ(text(lines.one("summary"), "ended_by"), "SIGINT");
    expect_sums(lines);
    const auto at_end = all_with(lines, "context", "change", "at-end");
    ASSERT_EQ(size_of(at_end), 1);
    EXPECT_EQ(number(*at_end[0], "in_flight"), 4);
    // It goes on as if nothing had been.
    write_file(gate, "go\n");
    process.wait();
    EXPECT_EQ(process.status(), 0) << process.err();
}

// It has four in flight: that, or not known, but not none.
TEST_F(Rings, TraceBeginsAndEndsWithRequestsInFlight) {
    const Folder folder;
    Process process(Words{workload("uring_existing"), folder.path()});
    ASSERT_TRUE(process.wait_for_out("ready"));
    Tracer tracer({"-p", std::to_string(process.pid())});
    const auto lines = tracer.end();
    process.send("go\n");
    process.wait();
    EXPECT_EQ(process.status(), 0) << process.err();
    const auto at_end = all_with(lines, "context", "change", "at-end");
    ASSERT_EQ(size_of(at_end), 1);
    const auto& in_flight = (*at_end[0])["in_flight"];
    EXPECT_TRUE(in_flight.IsNull() || in_flight.GetInt64() == 4) << in_flight.GetInt64();
    EXPECT_TRUE(in_flight.IsNull() || size_of(lines.requests_with("outcome", "in-flight")) == 4);
}

TEST_F(Rings, TraceEndsInTheMiddleOfWork) {
    const Folder folder;
    Process process(Words{workload("uring_random"), folder.path(), "3", "100000"});
    Tracer tracer({"-p", std::to_string(process.pid()), "--buffer", "64mb"});
    ASSERT_TRUE(wait_until(
        [&] { return !process.running() || count_of(tracer.process().out(), R"({"type":"request")") > 1000; }));
    EXPECT_TRUE(process.running());
    tracer.process().signal(SIGINT);
    tracer.process().wait(30s);
    EXPECT_EQ(tracer.process().status(), 0) << tracer.process().err();
    EXPECT_TRUE(process.running()) << "the trace did not end in the middle";
    const auto output = tracer.process().out();
    expect_whole(output);
    const Lines lines(output);
    expect_sums(lines);
    EXPECT_EQ(text(lines.one("summary"), "ended_by"), "SIGINT");
    EXPECT_EQ(number(lines.one("loss"), "records_lost"), 0);
    process.wait();
    EXPECT_EQ(process.status(), 0) << process.err();
}

TEST_F(Rings, ProgramKilled) {
    const Folder folder;
    Process process(Words{workload("uring_existing"), folder.path()});
    ASSERT_TRUE(process.wait_for_out("ready"));
    Tracer tracer({"-p", std::to_string(process.pid())});
    process.signal(SIGKILL);
    process.wait();
    EXPECT_EQ(process.status(), 128 + SIGKILL);
    ASSERT_TRUE(wait_until([&] { return count_of(tracer.process().out(), R"("outcome":"abandoned")") >= 4; }, 20s))
        << tracer.process().out();
    EXPECT_TRUE(tracer.process().running());
    const auto lines = tracer.end();
    EXPECT_EQ(size_of(lines.of("request")), 4);
    EXPECT_EQ(size_of(lines.requests_with("outcome", "abandoned")), 4);
    for (const auto* request : lines.of("request")) {
        EXPECT_TRUE((*request)["existed"].GetBool());
    }
    EXPECT_EQ(size_of(all_with(lines, "context", "change", "destroyed")), 1);
    expect_sums(lines);
}

// Five rings, one of them with a submission thread, die with whatever they were doing.
TEST_F(Rings, ProgramKilledInTheMiddleOfWork) {
    const Folder folder;
    Process process(Start{
        .command = {"sh", "-c", R"(read line; exec "$0" "$1" 4 1000000)", workload("uring_random"), folder.path()}});
    Tracer tracer({"-p", std::to_string(process.pid()), "--buffer", "64mb"});
    process.send("go\n");
    ASSERT_TRUE(wait_until(
        [&] { return !process.running() || count_of(tracer.process().out(), R"({"type":"request")") > 1000; }));
    process.signal(SIGKILL);
    process.wait();
    EXPECT_EQ(process.status(), 128 + SIGKILL);
    EXPECT_TRUE(wait_until([&] { return count_of(tracer.process().out(), R"("change":"destroyed")") >= 5; }, 20s));
    const auto lines = tracer.end();
    expect_sums(lines);
    EXPECT_EQ(number(lines.one("summary"), "outcomes", "in-flight"), 0);
    EXPECT_EQ(size_of(all_with(lines, "context", "change", "destroyed")), 5);
    EXPECT_EQ(number(lines.one("loss"), "records_lost"), 0);
    EXPECT_EQ(pids_of(lines.of("request")), std::set<std::int64_t>{process.pid()});
}

}  // namespace
}  // namespace inflight::faults
