// SPDX-License-Identifier: Apache-2.0
// The system calls by which a thread of another process is held: ptrace(2), its memory, the clock. Thin; x86-64 only.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <string_view>
#include <vector>

namespace inflight::act {

[[nodiscard]] std::uint64_t now_ns();  // CLOCK_MONOTONIC

// ptrace(2). `data` is a number or an address, as the request wants it. -1 and errno for an error.
long trace(int request, pid_t tid, std::uint64_t address, std::uint64_t data);

template <typename Value>
[[nodiscard]] std::uint64_t address_of(Value& value) {
    return reinterpret_cast<std::uint64_t>(&value);
}

// All of `out`, or false and errno.
[[nodiscard]] bool read_memory(pid_t tid, std::uint64_t address, std::span<std::byte> out);

// Writes whole words, also where the program itself may not write. The thread stands still, traced by the caller.
[[nodiscard]] Result<void> poke(pid_t tid, std::uint64_t address, std::span<const std::byte> bytes);

// The state in /proc/TID/stat; '?': it is gone.
[[nodiscard]] char state_of(pid_t tid);
// Gone, or a zombie: of that ptrace says that it is not allowed.
[[nodiscard]] bool has_ended(pid_t tid);

// While this exists, those of these threads that have ended are reaped every millisecond, though this process is
// blocked. PTRACE_SEIZE waits for an execve(2) in the process, which waits for its other threads to be reaped by
// whoever traces them: without this both would wait for good. Uses SIGALRM; one at a time. `traced` must outlive it.
// Source: fs/exec.c (de_thread), kernel/ptrace.c (ptrace_attach).
class ReapingAlarm {
public:
    explicit ReapingAlarm(const std::vector<pid_t>& traced);
    ReapingAlarm(const ReapingAlarm&) = delete;
    ReapingAlarm& operator=(const ReapingAlarm&) = delete;
    ~ReapingAlarm();

private:
    timer_t timer_{};
    bool armed_ = false;
};

// Of the last call's errno: "WHAT thread TID: why".
[[nodiscard]] Failure failed(pid_t tid, std::string_view what);

}  // namespace inflight::act
