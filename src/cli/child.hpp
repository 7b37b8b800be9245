// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace inflight::cli {

// A command that waits, before its first instruction, until the hooks are there. Ended with SIGKILL if it was never
// released.
class Child {
public:
    [[nodiscard]] static Result<Child> prepare(std::vector<std::string> command);
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    // Readable when the child has ended.
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

    // Lets it go. An error says why it could not be executed; exec_errno() then tells "not found" from the rest.
    [[nodiscard]] Result<void> release();
    [[nodiscard]] int exec_errno() const { return exec_errno_; }

    // The wait status once it has ended; does not wait.
    [[nodiscard]] std::optional<int> ended();

private:
    Child() = default;
    pid_t pid_ = -1;
    bool reaped_ = false;
    bool released_ = false;
    int exec_errno_ = 0;
    std::string name_;
    UniqueFd pidfd_;
    UniqueFd go_;
    UniqueFd exec_error_;
};

}  // namespace inflight::cli
