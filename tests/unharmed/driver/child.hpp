// SPDX-License-Identifier: Apache-2.0
// A program that the driver runs, in a process group of its own. Killed, by its pid, when this goes.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace inflight::unharmed {

class Child {
public:
    // Its output goes to the file `out`; its errors too.
    [[nodiscard]] static Result<Child> start(const std::vector<std::string>& command, const std::string& out);

    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}
    Child& operator=(Child&& other) noexcept;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    // What waitpid tells of it, once it has ended.
    [[nodiscard]] std::optional<int> ended();
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds at_most);
    void signal(int number) const;
    // SIGKILL, and waits.
    void kill();

private:
    explicit Child(pid_t pid) : pid_(pid) {}
    pid_t pid_;
    std::optional<int> status_;
};

// "ended by signal 11", "exit status 3".
[[nodiscard]] std::string describe_status(int status);
void sleep_for(std::chrono::microseconds time);

}  // namespace inflight::unharmed
