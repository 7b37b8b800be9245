// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <stdexcept>

namespace inflight::live {

namespace {

constexpr std::chrono::seconds session_limit(280);
constexpr std::chrono::seconds doctor_limit(60);

// For workloads that would do too much of the same.
std::string argument_of(const std::string& workload, bool quick) {
    if (workload == "spin") {
        return "=20";  // ms: it makes half a million requests in a second
    }
    if (!quick) {
        return "";
    }
    static const std::map<std::string, std::string> less{
        {"many_requests", "=5000"}, {"random", "=1,4000"}, {"uring_nop_many", "=0"}, {"uring_random", "=1,4000"}};
    const auto found = less.find(workload);
    return found == less.end() ? std::string() : found->second;
}

}  // namespace

Places Places::beside_this_program() {
    const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const char* const schema = std::getenv("INFLIGHT_SCHEMA");
    return {.inflight = folder / "inflight",
            .runner = folder / "live_runner",
            .workloads = folder / "workloads",
            .schema = schema != nullptr ? schema : INFLIGHT_SCHEMA,
            .scratch = std::filesystem::temp_directory_path()};
}

std::vector<std::string> Places::session_workloads(bool calm) const {
    static const std::set<std::string> others{"existing", "in_flight_at_end", "uring_existing", "left",
                                              "waiting",  "waiting32",        "standing",       "reuse",
                                              "unreaped", "identity"};
    static const std::set<std::string> crowds{"cancel_race",  "exit_together", "fork_children", "overlap",
                                              "random",       "spin",          "threads",       "uring_cancel_race",
                                              "uring_random", "uring_threads"};
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(workloads)) {
        const std::string name = entry.path().filename();
        if (!others.contains(name) && !(calm && crowds.contains(name))) {
            names.push_back(name);
        }
    }
    std::ranges::sort(names);
    return names;
}

std::vector<std::string> trace_command(const Places& places, const std::string& tier,
                                       const std::filesystem::path& output) {
    // An emulated machine makes records faster than it can print them.
    return {places.inflight, "trace", "-o",       "json", "--events", "--hooks", tier,
            "--buffer",      "64mb",  "--output", output};
}

std::optional<std::string> refusal_of(const Places& places, const std::string& tier) {
    const TemporaryFolder folder(places.scratch);
    Process doctor({places.inflight, "doctor", "--hooks", tier, "-o", "json"}, folder.path() / "out",
                   folder.path() / "err");
    doctor.wait(doctor_limit);
    const std::string text = content_of(folder.path() / "out");
    rapidjson::Document answer;
    answer.Parse(text.c_str());
    if (answer.HasParseError() || !answer.IsObject() || !answer.HasMember("status")) {
        throw std::runtime_error("inflight doctor did not answer: " + text + content_of(folder.path() / "err"));
    }
    if (std::string(answer["status"].GetString()) != "cannot-trace") {
        return std::nullopt;
    }
    return answer.HasMember("error") ? answer["error"].GetString() : "inflight doctor does not say why";
}

Session::Session(const Places& places, const std::string& tier, const SessionOptions& options) {
    TemporaryFolder folder(places.scratch);
    if (options.keep) {
        folder.keep();
        fmt::print("{}: kept in {}\n", tier, folder.path().string());
    }
    const std::filesystem::path output = folder.path() / "trace.json";
    const std::filesystem::path err = folder.path() / "trace.err";
    const std::filesystem::path scratch = folder.path() / "scratch";
    std::filesystem::create_directory(scratch);
    std::vector<std::string> command = trace_command(places, tier, output);
    command.insert(command.end(), {"--", places.runner, std::to_string(command_status), folder.path(), scratch});
    for (const std::string& name : places.session_workloads(options.calm)) {
        command.push_back(places.workload(name).string() + argument_of(name, options.quick));
    }
    const auto begin = std::chrono::steady_clock::now();
    Process process(command, folder.path() / "trace.out", err);
    status_ = process.wait(session_limit);
    const auto traced = std::chrono::steady_clock::now();
    complained_ = content_of(err);
    if (!std::filesystem::exists(output)) {
        throw std::runtime_error("no trace: " + complained_);
    }
    read_index(folder.path());
    constexpr std::size_t some = 2000;
    trace_ = read_trace(output, places.schema, options.quick ? some : std::numeric_limits<std::size_t>::max());
    assign_records();
    const auto seconds = [](auto span) { return std::chrono::duration<double>(span).count(); };
    fmt::print("{}: traced for {:.1f} s, {} lines read in {:.1f} s\n", tier, seconds(traced - begin), trace_.lines,
               seconds(std::chrono::steady_clock::now() - traced));
}

const WorkloadRun* Session::find(const std::string& workload) const {
    const auto found = runs_.find(workload);
    return found == runs_.end() ? nullptr : &found->second;
}

void Session::read_index(const std::filesystem::path& folder) {
    std::ifstream index(folder / "index");
    std::string name;
    WorkloadRun run;
    while (index >> name >> run.status >> run.pid >> run.start_ns >> run.end_ns) {
        run.printed = content_of(folder / (name + ".expect"));
        run.complained = content_of(folder / (name + ".err"));
        runs_[name] = run;
    }
}

void Session::assign_records() {
    std::map<std::uint64_t, WorkloadRun*> by_start;
    std::map<std::string, WorkloadRun*> by_pid;
    for (auto& [name, run] : runs_) {
        by_start[run.start_ns] = &run;
        by_pid[run.pid] = &run;
    }
    for (const Record& record : trace_.records) {
        // What is wrong with a ring can be said once it has ended, which may be noticed later.
        if (const auto of = by_pid.find(record[Key::pid]); record.kind == Kind::finding && of != by_pid.end()) {
            of->second->records.push_back(&record);
            continue;
        }
        const auto after = by_start.upper_bound(record.at_ns);
        WorkloadRun* const run = after == by_start.begin() ? nullptr : std::prev(after)->second;
        if (run != nullptr && record.at_ns <= run->end_ns) {
            run->records.push_back(&record);
        } else {
            strays_.push_back(&record);
        }
    }
}

}  // namespace inflight::live
