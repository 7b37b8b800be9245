// SPDX-License-Identifier: Apache-2.0
#include "probe/processes.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>

namespace inflight::probe {

bool has_ended(std::uint32_t pid) {
    if (::kill(static_cast<pid_t>(pid), 0) != 0) {
        return errno == ESRCH;
    }
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(file, line);
    // "1234 (a name) Z 1 ...": the name may have anything in it, and num_threads is the 18th field behind it.
    const std::size_t behind = line.rfind(')');
    if (behind == std::string::npos) {
        return false;
    }
    std::istringstream fields(line.substr(behind + 1));
    std::string state;
    std::string field;
    fields >> state;
    constexpr int fields_before_threads = 16;
    for (int i = 0; i < fields_before_threads; i++) {
        fields >> field;
    }
    std::uint64_t threads = 0;
    fields >> threads;
    return (state == "Z" || state == "X") && threads <= 1;
}

std::optional<Running> read_running(std::uint32_t tid) {
    Running counted;
    std::ifstream times(fmt::format("/proc/{}/schedstat", tid));
    times >> counted.running_ns >> counted.runnable_ns;
    if (!times || counted.running_ns == 0) {
        return std::nullopt;
    }
    std::ifstream status(fmt::format("/proc/{}/status", tid));
    const std::string field = "voluntary_ctxt_switches:";
    for (std::string word; status >> word;) {
        if (word == field && status >> counted.sleeps) {
            return counted;
        }
    }
    return std::nullopt;
}

std::string comm_of_thread(std::uint32_t tid) {
    std::ifstream file(fmt::format("/proc/{}/comm", tid));
    std::string comm;
    std::getline(file, comm);
    return comm;
}

std::vector<std::string> kernel_functions_of(std::uint32_t tid) {
    std::ifstream file(fmt::format("/proc/{}/stack", tid));
    std::vector<std::string> functions;
    // "[<0>] exit_aio+0x101/0x160"
    for (std::string line; std::getline(file, line);) {
        const std::size_t begin = line.find(' ') + 1;
        functions.push_back(line.substr(begin, line.find('+', begin) - begin));
    }
    return functions;
}

}  // namespace inflight::probe
