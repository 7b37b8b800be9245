// SPDX-License-Identifier: Apache-2.0
#include "unharmed/driver/target_program.hpp"

#include <fmt/format.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

namespace inflight::unharmed {
namespace {

using namespace std::chrono_literals;

// A machine that is busy elsewhere.
constexpr auto patience = 5s;

char state_of(const std::filesystem::path& task) {
    std::ifstream file(task / "stat");
    // Not by iterators: they throw when the thread ends just then.
    std::string text;
    std::getline(file, text);
    const auto name_end = text.rfind(") ");
    return name_end == std::string::npos ? '?' : text[name_end + 2];
}

}  // namespace

// "DEVIATION poll: expected 0 got -4" is of the kind "poll".
void note(Deviations& deviations, const std::string& text, std::uint64_t count) {
    auto kind = text.substr(0, text.find("expected"));
    kind.erase(std::find_if(kind.rbegin(), kind.rend(), [](char each) { return each != ' ' && each != ':'; }).base(),
               kind.end());
    Deviation& deviation = deviations[kind];
    deviation.count += count;
    if (deviation.example.empty()) {
        deviation.example = text;
    }
}

Result<TargetProgram> TargetProgram::start(const TargetKind& kind, const std::string& programs,
                                           const std::string& folder) {
    const std::string path = fmt::format("{}/{}.board", folder, kind.name);
    auto shared = SharedBoard::create(path);
    if (!shared) {
        return std::unexpected(shared.error());
    }
    std::vector<std::string> command{fmt::format("{}/{}", programs, kind.program), path};
    if (*kind.argument != '\0') {
        command.emplace_back(kind.argument);
    }
    auto child = Child::start(command, fmt::format("{}/{}.out", folder, kind.name));
    if (!child) {
        return std::unexpected(child.error());
    }
    TargetProgram target(kind, std::move(*child), std::move(*shared), path);
    const auto end = std::chrono::steady_clock::now() + patience;
    while (load(target.its().ready) == 0) {
        if (const auto status = target.child_.ended()) {
            return failure(fmt::format("start {}", kind.program), describe_status(*status));
        }
        if (std::chrono::steady_clock::now() > end) {
            return failure(fmt::format("start {}", kind.program), "it was not ready in time");
        }
        sleep_for(1ms);
    }
    return target;
}

pid_t TargetProgram::tracer() const {
    std::ifstream status(fmt::format("/proc/{}/status", pid()));
    constexpr std::string_view field = "TracerPid:";
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field)) {
            return static_cast<pid_t>(std::stol(line.substr(field.size())));
        }
    }
    return 0;
}

// "12 (t), 13 (T)".
std::string TargetProgram::stopped_threads() const {
    std::string stopped;
    std::error_code gone;
    for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid()), gone)) {
        const char state = state_of(task.path());
        if (state == 'T' || state == 't') {
            stopped += fmt::format("{}{} ({})", stopped.empty() ? "" : ", ", task.path().filename().string(), state);
        }
    }
    return stopped;
}

bool TargetProgram::check(Deviations& deviations) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (true) {
        if (const auto status = child_.ended()) {
            note(deviations, fmt::format("{}: {} expected to live", kind_.name, describe_status(*status)));
            return false;
        }
        const pid_t by = tracer();
        const std::string stopped = stopped_threads();
        if (by == 0 && stopped.empty()) {
            return true;
        }
        if (std::chrono::steady_clock::now() > end) {
            note(deviations, fmt::format("{} stands still: expected to run, is traced by {}, stopped threads: {}",
                                         kind_.name, by, stopped));
            child_.signal(SIGCONT);
            return true;
        }
        sleep_for(1ms);
    }
}

void TargetProgram::remove_system_v() const {
    for (const int id : its().semaphores) {
        if (id != 0) {
            ::semctl(id, 0, IPC_RMID);
        }
    }
    for (const int id : its().message_queues) {
        if (id != 0) {
            ::msgctl(id, IPC_RMID, nullptr);
        }
    }
}

void TargetProgram::collect(Deviations& deviations) const {
    remove_system_v();
    const auto bytes = std::min<std::uint64_t>(load(its().log_end), board_log_bytes);
    std::istringstream lines(std::string(&its().log[0], bytes));
    constexpr std::string_view prefix = "DEVIATION ";
    std::uint64_t told = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(prefix)) {
            note(deviations, fmt::format("{}: {}", kind_.name, line.substr(prefix.size())));
            told++;
        }
    }
    if (const auto all = load(its().deviations); all > told) {
        note(deviations, fmt::format("{}: more, for which the log has no room", kind_.name), all - told);
    }
}

void TargetProgram::finish(Deviations& deviations) {
    const auto rounds = load(its().rounds);
    store(its().finish, std::uint32_t{1});
    const auto status = child_.wait(10s);
    if (!status) {
        note(deviations, fmt::format("{} hangs: expected to end when it was told to", kind_.name));
        child_.kill();
    } else if (*status != 0) {
        note(deviations, fmt::format("{}: {} expected exit status 0", kind_.name, describe_status(*status)));
    } else if (rounds == 0) {
        note(deviations, fmt::format("{}: expected rounds of checks got none", kind_.name));
    }
    collect(deviations);
}

}  // namespace inflight::unharmed
