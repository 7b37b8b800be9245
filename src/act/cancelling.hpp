// SPDX-License-Identifier: Apache-2.0
// One attempt to cancel one request of another process.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace inflight::act {

enum class Way : std::uint8_t {
    ring,    // on a duplicate of its ring's descriptor
    inject,  // by a call that one of its threads is made to make
};

// What is to be cancelled. `ctx_id` and `iocb` of kernel AIO; the others of io_uring.
struct Order {
    pid_t pid = 0;
    bool aio = false;
    Way way = Way::ring;
    std::uint64_t ctx_id = 0;
    std::uint64_t iocb = 0;
    int ring_fd = -1;
    std::uint64_t user_data = 0;
    // Beside the user_data, only where the kernel can look at them too (IORING_ASYNC_CANCEL_OP and _FD): the operation,
    // and the descriptor in the process.
    std::optional<std::uint8_t> opcode{};
    std::optional<int> request_fd{};
    // Other processes that hold the ring and may submit to it. They are held too.
    std::vector<pid_t> holders{};
    // Whether a descriptor of this process is of the very ring that is meant: its number may be another ring's by now.
    // Empty: not asked.
    std::function<Result<void>(int own_fd)> check_ring{};
    pid_t only_thread = 0;  // that alone may cancel on its ring (IORING_SETUP_SINGLE_ISSUER); 0: any
    // No thread runs between the last look and the call. Else the program might give the name (user_data, iocb) of a
    // request that ends just then to the next one, and the call would meet that.
    bool hold_all = true;
    bool sq_thread = false;  // the ring has one, which submits too and cannot be held
    // Called in the child before a last look, when the threads have begun to stand still, or have run in between.
    // Empty: not called.
    std::function<void()> held_anew{};
    // The last look: false means that it has ended. Called right before the call, while threads stand still, in a
    // child of this process.
    std::function<bool()> still_in_flight;
    std::uint64_t timeout_ns = 0;  // that the call may take where it does not stop the process
};

struct Answer {
    bool tried = false;     // false: it had ended by the last look, or was refused
    std::string refusal{};  // what seccomp filters would do to the call; read while the thread stood still
    std::int64_t ret = 0;
    std::uint64_t start_ns = 0;  // CLOCK_MONOTONIC, of the call
    std::uint64_t call_ns = 0;
    pid_t thread = 0;                  // that made the call, 0: this process did
    unsigned threads_stopped = 0;      // 0: nothing was disturbed
    std::uint64_t stood_still_ns = 0;  // the longest of any
    bool timeout_restarted = false;    // a thread waits with its timeout begun anew
};

// Carries out the orders, which are for one process, while it stands still once; if that takes longer than about 50 ms
// it goes on for as long in between. An answer for each, in the same order. An error names what stands in the way,
// before anything of the process was touched. Needs what ptrace needs. Blocking; `meanwhile` is called about every 2
// ms. The work is done by a child process, which comes to its end also when this process is killed; see docs/safety.md.
[[nodiscard]] std::vector<Result<Answer>> cancel(std::span<const Order> orders, const std::function<void()>& meanwhile);
[[nodiscard]] Result<Answer> cancel(const Order& order);

}  // namespace inflight::act
