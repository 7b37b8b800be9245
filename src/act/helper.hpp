// SPDX-License-Identifier: Apache-2.0
// Work that must come to its end although this process may be killed.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace inflight::act {

// Runs `work` in a child process and returns what it returned. The child is in a session of its own, holds back all
// signals, and goes on when this process is killed; work() asks `orphaned` then and when, and ends soon if it says so.
// When the child ends, the kernel lets go of every thread that it traced. `meanwhile` is called about every 2 ms until
// then. The child has copies of all descriptors: it must not live long. No other thread may run in this process.
[[nodiscard]] Result<std::string> run_in_helper(
    const std::function<std::string(const std::function<bool()>& orphaned)>& work,
    const std::function<void()>& meanwhile);

// Numbers and texts one after the other, for the way from the helper.
class Packer {
public:
    void number(std::uint64_t value);
    void text(const std::string& value);
    [[nodiscard]] std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
};

// Reads what a Packer wrote, in the same order. Beyond the end: 0 and "", and complete() is false.
class Unpacker {
public:
    explicit Unpacker(const std::string& bytes) : bytes_(bytes) {}
    [[nodiscard]] std::uint64_t number();
    [[nodiscard]] std::string text();
    [[nodiscard]] bool complete() const { return complete_; }

private:
    const std::string& bytes_;
    std::size_t at_ = 0;
    bool complete_ = true;
};

}  // namespace inflight::act
