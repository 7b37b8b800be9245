// SPDX-License-Identifier: Apache-2.0
// System calls that may wait for somebody else: a write to a pipe that nobody reads, the opening of a fifo that nobody
// opens. A command that traces blocks SIGINT, SIGTERM and SIGHUP, so they do not end such a call; here they do.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

namespace inflight {

// While it lives, a call of this thread that waits returns EINTR every few milliseconds. Uses SIGALRM and puts back
// what was set for it.
class Interrupting {
public:
    Interrupting();
    ~Interrupting();
    Interrupting(const Interrupting&) = delete;
    Interrupting& operator=(const Interrupting&) = delete;

private:
    std::optional<timer_t> timer_;  // empty: the kernel has none left
    struct sigaction action_before_{};
    sigset_t mask_before_{};
};

// Whether SIGINT, SIGTERM or SIGHUP has come and stands, blocked, in front of this process.
[[nodiscard]] bool end_is_pending();

// Work that may take long, but not once a signal is pending that ends inflight: then only for `grace_ns` more.
class Hurry {
public:
    explicit Hurry(std::uint64_t grace_ns) : grace_ns_(grace_ns) {}
    // Cheap enough to be asked every few microseconds.
    [[nodiscard]] bool is_over();

private:
    std::uint64_t grace_ns_;
    std::uint64_t pending_since_ns_ = 0;  // 0: no signal is pending
};

struct WriteEnd {
    std::size_t bytes = 0;
    int error = 0;          // errno of what failed; 0: nothing did
    bool given_up = false;  // a signal came and the reader did not take more
};

// Writes all of it, however long the reader takes. Once a signal is pending that ends inflight, it gives up after
// 40 ms in which the reader took nothing, or after a second. Raises no SIGPIPE.
[[nodiscard]] WriteEnd write_all(int fd, std::string_view bytes);

}  // namespace inflight
