// SPDX-License-Identifier: Apache-2.0
// Programs that a test runs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::live {

// A folder that goes when this goes, unless keep() was called.
class TemporaryFolder {
public:
    explicit TemporaryFolder(const std::filesystem::path& parent);
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    void keep() { keep_ = true; }

private:
    std::filesystem::path path_;
    bool keep_ = false;
};

// A child with files for its output, and a pipe for its input. Killed with its whole process group when this goes.
class Process {
public:
    Process(const std::vector<std::string>& command, const std::filesystem::path& out,
            const std::filesystem::path& err);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    void write(std::string_view text) const;
    // To it alone, not its group.
    void signal(int number) const;
    bool running();
    // Exit status, or 128 + the signal that ended it; nothing when it goes on after that time.
    std::optional<int> wait(std::chrono::seconds limit);

private:
    pid_t pid_ = -1;
    int input_ = -1;
    std::optional<int> status_;
};

// Whether it becomes true within that time. Generous limits cost nothing: they pass only where a test fails anyway.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit);

std::string content_of(const std::filesystem::path& path);

}  // namespace inflight::live
