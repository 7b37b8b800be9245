// SPDX-License-Identifier: Apache-2.0
// Calls that return -EINTR when their thread is stopped, and are not restarted by the kernel.
#pragma once

#include <array>
#include <cstdint>

namespace inflight::act {

enum class Timeout : std::uint8_t {
    none,          // it has none, or the kernel does not say (SO_RCVTIMEO)
    pointer,       // of a struct timespec, NULL: none
    milliseconds,  // a negative number: none
    socket,        // -EINTR comes only where SO_RCVTIMEO or SO_SNDTIMEO is set
    extended,      // io_uring_enter: IORING_ENTER_EXT_ARG
};

struct InterruptedCall {
    long number;
    Timeout timeout;
    unsigned argument;  // which one holds it
};

// x86-64. Making these again has no effect beside: they return -EINTR only when they have done nothing yet. Sources:
// fs/aio.c (read_events), io_uring/io_uring.c (io_cqring_wait), fs/eventpoll.c (ep_poll), ipc/sem.c, kernel/signal.c
// (do_sigtimedwait), include/net/sock.h (sock_intr_errno).
inline constexpr std::array interrupted_calls{
    InterruptedCall{208, Timeout::pointer, 4},       // io_getevents
    InterruptedCall{333, Timeout::pointer, 4},       // io_pgetevents
    InterruptedCall{426, Timeout::extended, 3},      // io_uring_enter
    InterruptedCall{232, Timeout::milliseconds, 3},  // epoll_wait
    InterruptedCall{281, Timeout::milliseconds, 3},  // epoll_pwait
    InterruptedCall{441, Timeout::pointer, 3},       // epoll_pwait2
    InterruptedCall{128, Timeout::pointer, 2},       // rt_sigtimedwait
    InterruptedCall{65, Timeout::none, 0},           // semop
    InterruptedCall{220, Timeout::pointer, 3},       // semtimedop
    InterruptedCall{0, Timeout::socket, 0},          // read
    InterruptedCall{1, Timeout::socket, 0},          // write
    InterruptedCall{43, Timeout::socket, 0},         // accept
    InterruptedCall{44, Timeout::socket, 0},         // sendto
    InterruptedCall{45, Timeout::socket, 0},         // recvfrom
    InterruptedCall{46, Timeout::socket, 0},         // sendmsg
    InterruptedCall{47, Timeout::socket, 0},         // recvmsg
    InterruptedCall{288, Timeout::socket, 0},        // accept4
};

[[nodiscard]] constexpr const InterruptedCall* interrupted_call(long number) {
    for (const InterruptedCall& each : interrupted_calls) {
        if (each.number == number) {
            return &each;
        }
    }
    return nullptr;
}

[[nodiscard]] constexpr bool has_timeout(const InterruptedCall& call, const std::array<std::uint64_t, 6>& arguments) {
    constexpr std::uint64_t ext_arg = 8;
    switch (call.timeout) {
        case Timeout::none:
            return false;
        case Timeout::pointer:
            return arguments.at(call.argument) != 0;
        case Timeout::milliseconds:
            return static_cast<std::int32_t>(arguments.at(call.argument)) > 0;
        case Timeout::socket:
            return true;
        case Timeout::extended:
            return (arguments.at(call.argument) & ext_arg) != 0;
    }
    return false;
}

}  // namespace inflight::act
