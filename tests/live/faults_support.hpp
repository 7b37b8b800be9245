// SPDX-License-Identifier: Apache-2.0
// What the fault tests share: processes with bounded waits, their output, and inflight's JSON.
#pragma once

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::faults {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;
using Words = std::vector<std::string>;
using Value = rapidjson::Value;

// Reached only when something is wrong; long enough for a guest without KVM.
constexpr Milliseconds time_limit = 120s;

[[nodiscard]] std::string inflight_path();
[[nodiscard]] std::string workload(std::string_view name);
[[nodiscard]] std::optional<std::string> find_program(const std::string& name);
[[nodiscard]] std::string read_file(const std::string& path);
[[nodiscard]] std::uint64_t read_number(const std::string& path);
void write_file(const std::string& path, std::string_view text);
[[nodiscard]] bool exists(const std::string& path);
[[nodiscard]] std::vector<std::string> lines_of(std::string_view text);
[[nodiscard]] std::size_t count_of(std::string_view text, std::string_view part);
[[nodiscard]] Words operator+(Words left, const Words& right);

// Polls until it is so, or the time is over.
[[nodiscard]] bool wait_until(const std::function<bool()>& condition, Milliseconds limit = time_limit);

// A folder that anybody may write to, removed with what is in it.
class Folder {
public:
    explicit Folder(const std::string& parent = "");
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder();
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
};

// A file system of `size` ("64k") in a folder of that name, which only this process and its children see; gone with it.
class SmallDisk {
public:
    SmallDisk(std::string path, const std::string& size);
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    // A test failure where something holds it still.
    ~SmallDisk();
    // Why it could not be had; empty: it is there.
    [[nodiscard]] const std::string& refusal() const { return refusal_; }
    [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
    std::string refusal_;
};

struct Start {
    Words command;                     // empty: only `in_child`, then exit status 0
    std::function<void()> in_child{};  // between fork and exec
    int out_fd = -1;                   // instead of what out() gives
    int program_fd = -1;               // execute this, whatever its path allows
};

// Killed and waited for in the end, if it still runs. A test that dies takes it along.
class Process {
public:
    explicit Process(Start start);
    explicit Process(Words command) : Process(Start{.command = std::move(command)}) {}
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    // Writes to its standard input, and closes it.
    void send(std::string_view text);
    void close_input();
    // False and a test failure if it does not end in time.
    bool wait(Milliseconds limit = time_limit);
    [[nodiscard]] bool running();
    // Exit status, 128 and the signal's number if one ended it.
    [[nodiscard]] int status() const { return status_; }
    [[nodiscard]] std::string out() const;
    [[nodiscard]] std::string err() const;
    [[nodiscard]] bool wait_for_out(std::string_view text) const;

private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
    int err_ = -1;
    bool ended_ = false;
    int status_ = -1;
};

struct Ended {
    int status = -1;
    std::string out;
    std::string err;
};
[[nodiscard]] Ended run(Start start, std::string_view input = "");
[[nodiscard]] Ended run(Words command);
// `inflight` with these arguments.
[[nodiscard]] Ended run_inflight(Words arguments, std::function<void()> in_child = {});

// Lines of JSON; each that does not parse is a test failure.
class Lines {
public:
    Lines() = default;
    explicit Lines(const std::string& text);
    [[nodiscard]] std::vector<const Value*> of(std::string_view type) const;
    [[nodiscard]] const Value& one(std::string_view type) const;
    [[nodiscard]] std::vector<const Value*> requests_of(pid_t pid) const;
    [[nodiscard]] std::vector<const Value*> requests_with(std::string_view key, std::string_view value) const;

private:
    std::shared_ptr<rapidjson::MemoryPoolAllocator<>> memory_;
    std::vector<Value> values_;
};

// Members; a missing one is a test failure. null is "" or -1.
[[nodiscard]] std::string text(const Value& value, const char* key);
[[nodiscard]] std::int64_t number(const Value& value, const char* key);
[[nodiscard]] std::int64_t number(const Value& value, const char* key, const char* inner);
[[nodiscard]] std::set<std::int64_t> pids_of(const std::vector<const Value*>& records);

// `inflight trace -o json ARGUMENTS -- COMMAND`, its JSON apart from the command's output.
struct Traced {
    Ended ended;
    Lines lines;
};
[[nodiscard]] Traced trace(Words arguments, Words command);

// `inflight trace -o json ARGUMENTS` that has begun when the constructor returns.
class Tracer {
public:
    explicit Tracer(Words arguments);
    [[nodiscard]] Process& process() { return *process_; }
    // Ends it with SIGINT; exit status 0 is expected.
    [[nodiscard]] Lines end();

private:
    std::unique_ptr<Process> process_;
};

// A workload that waits for go() before its first instruction; its pid stays.
class Gated {
public:
    Gated(std::string_view name, const std::string& folder, std::function<void()> in_child = {});
    [[nodiscard]] pid_t pid() const { return process_.pid(); }
    // Lets it run to its end, with exit status 0.
    void go();
    [[nodiscard]] std::string out() const { return process_.out(); }

private:
    Process process_;
};

// "expect totals" of a workload's output.
struct Totals {
    std::int64_t requests = -1;
    std::int64_t cancels = -1;
};
[[nodiscard]] Totals totals_of(const std::string& out);
// How many lines say "expect request op=OP".
[[nodiscard]] std::int64_t expected_requests(const std::string& out, std::string_view op);

// What doctor says, as JSON. `status` is its exit status.
struct Diagnosis {
    int status = -1;
    rapidjson::Document json;
};
[[nodiscard]] Diagnosis diagnose(Words arguments = {});
[[nodiscard]] std::string tier_of(const Diagnosis& diagnosis, std::string_view hook);

// The names of tests/workloads, in order.
[[nodiscard]] std::vector<std::string> all_workloads();

// One error, as inflight prints it: "inflight: WHAT: WHY", perhaps a line of advice.
void expect_error(const std::string& err, std::string_view part);

}  // namespace inflight::faults
