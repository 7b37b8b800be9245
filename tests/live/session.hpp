// SPDX-License-Identifier: Apache-2.0
// One trace over all workloads for each tier: loading the hooks takes seconds where the machine is emulated.
#pragma once

#include "process.hpp"
#include "records.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace inflight::live {

// Where things are. All programs lie where this one does, as the build leaves them; the environment's INFLIGHT_SCHEMA
// names the schema where it is not in the source folder.
struct Places {
    std::filesystem::path inflight;
    std::filesystem::path runner;
    std::filesystem::path workloads;
    std::filesystem::path schema;
    std::filesystem::path scratch;  // where folders for files and output may be made; best with O_DIRECT

    static Places beside_this_program();
    [[nodiscard]] std::filesystem::path workload(const std::string& name) const { return workloads / name; }
    // Those that the session runs: all but the ones made for a trace that begins later or ends sooner.
    // `calm`: without those whose threads are in each other's way.
    [[nodiscard]] std::vector<std::string> session_workloads(bool calm) const;
};

// A workload that the session ran.
struct WorkloadRun {
    int status = -1;
    std::string pid;
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;
    std::string printed;
    std::string complained;
    std::vector<const Record*> records;  // of its time
};

// An `inflight trace` with the hooks of one tier, which writes JSON to a file; more may be appended.
std::vector<std::string> trace_command(const Places& places, const std::string& tier,
                                       const std::filesystem::path& output);

// Why this tier is not available on this kernel, as `inflight doctor` says; nothing if it can.
std::optional<std::string> refusal_of(const Places& places, const std::string& tier);

struct SessionOptions {
    bool quick = false;  // fewer requests, fewer lines validated: for an emulated machine
    bool keep = false;   // leave the trace, and say where
    bool calm = false;   // leave out workloads whose threads are in each other's way
};

class Session {
public:
    // The exit status that the traced command ends with.
    static constexpr int command_status = 42;

    // Runs it. Throws std::runtime_error if there is no trace to look at.
    Session(const Places& places, const std::string& tier, const SessionOptions& options);

    [[nodiscard]] const Trace& trace() const { return trace_; }
    [[nodiscard]] std::optional<int> status() const { return status_; }
    [[nodiscard]] const std::string& complained() const { return complained_; }
    [[nodiscard]] const WorkloadRun* find(const std::string& workload) const;
    // Records of a time when no workload ran.
    [[nodiscard]] const std::vector<const Record*>& strays() const { return strays_; }

private:
    void read_index(const std::filesystem::path& folder);
    void assign_records();

    Trace trace_;
    std::optional<int> status_;
    std::string complained_;
    std::map<std::string, WorkloadRun> runs_;
    std::vector<const Record*> strays_;
};

}  // namespace inflight::live
