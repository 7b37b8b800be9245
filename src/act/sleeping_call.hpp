// SPDX-License-Identifier: Apache-2.0
// What a stop does to a system call in which a thread sleeps. x86-64.
//
// A stop (ptrace, SIGSTOP, the freezer) wakes a thread that sleeps interruptibly. Most calls then return a code of
// which the kernel restarts them, unseen. This table holds those that do not: they return -EINTR by themselves, or they
// return a part of what they were asked for, or they have an effect that must not happen twice.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace inflight::act {

enum class StopEffect : std::uint8_t {
    restarted,   // the kernel restarts it unseen, with the rest of its timeout
    made_again,  // returns -EINTR although nothing was done; can be made again from its beginning
    ends_early,  // waits for several completions and returns those that have come, as it may at any time
    cut_short,   // may return with a part of its work done, or cannot be made again
};

enum class Timeout : std::uint8_t {
    none,          // it has none, or its moment is absolute
    pointer,       // of a struct timespec, NULL: none
    milliseconds,  // a negative number: none
    socket,        // SO_RCVTIMEO or SO_SNDTIMEO: only with one of them does it return -EINTR
    extended,      // io_uring_enter: IORING_ENTER_EXT_ARG
};

struct SleepingCall {
    long number;
    StopEffect effect;
    Timeout timeout = Timeout::none;
    unsigned timeout_argument = 0;
};

// Sources: fs/aio.c (read_events), io_uring/io_uring.c (io_cqring_wait), io_uring/cancel.c (io_sync_cancel),
// fs/eventpoll.c (ep_poll), ipc/sem.c, kernel/signal.c (do_sigtimedwait), include/net/sock.h (sock_intr_errno),
// net/socket.c (recvmmsg, sendmmsg), fs/pipe.c (pipe_write), fs/splice.c, net/ipv4/tcp.c (tcp_sendmsg, tcp_close).
inline constexpr std::array sleeping_calls{
    SleepingCall{208, StopEffect::made_again, Timeout::pointer, 4},       // io_getevents
    SleepingCall{333, StopEffect::made_again, Timeout::pointer, 4},       // io_pgetevents
    SleepingCall{426, StopEffect::made_again, Timeout::extended, 3},      // io_uring_enter
    SleepingCall{232, StopEffect::made_again, Timeout::milliseconds, 3},  // epoll_wait
    SleepingCall{281, StopEffect::made_again, Timeout::milliseconds, 3},  // epoll_pwait
    SleepingCall{441, StopEffect::made_again, Timeout::pointer, 3},       // epoll_pwait2
    SleepingCall{128, StopEffect::made_again, Timeout::pointer, 2},       // rt_sigtimedwait
    SleepingCall{65, StopEffect::made_again},                             // semop
    SleepingCall{220, StopEffect::made_again, Timeout::pointer, 3},       // semtimedop
    SleepingCall{0, StopEffect::made_again, Timeout::socket},             // read
    SleepingCall{19, StopEffect::made_again, Timeout::socket},            // readv
    SleepingCall{327, StopEffect::made_again, Timeout::socket},           // preadv2
    SleepingCall{43, StopEffect::made_again, Timeout::socket},            // accept
    SleepingCall{288, StopEffect::made_again, Timeout::socket},           // accept4
    SleepingCall{45, StopEffect::made_again, Timeout::socket},            // recvfrom
    SleepingCall{47, StopEffect::made_again, Timeout::socket},            // recvmsg
    // Made again it returns EALREADY at its timeout where it would have returned EINPROGRESS.
    SleepingCall{42, StopEffect::cut_short, Timeout::socket},   // connect
    SleepingCall{299, StopEffect::cut_short, Timeout::socket},  // recvmmsg
    SleepingCall{1, StopEffect::cut_short, Timeout::socket},    // write
    SleepingCall{18, StopEffect::cut_short},                    // pwrite64
    SleepingCall{20, StopEffect::cut_short, Timeout::socket},   // writev
    SleepingCall{296, StopEffect::cut_short},                   // pwritev
    SleepingCall{328, StopEffect::cut_short, Timeout::socket},  // pwritev2
    SleepingCall{44, StopEffect::cut_short, Timeout::socket},   // sendto
    SleepingCall{46, StopEffect::cut_short, Timeout::socket},   // sendmsg
    SleepingCall{307, StopEffect::cut_short, Timeout::socket},  // sendmmsg
    SleepingCall{40, StopEffect::cut_short, Timeout::socket},   // sendfile
    SleepingCall{275, StopEffect::cut_short, Timeout::socket},  // splice
    SleepingCall{276, StopEffect::cut_short},                   // tee
    SleepingCall{278, StopEffect::cut_short},                   // vmsplice
    SleepingCall{326, StopEffect::cut_short},                   // copy_file_range
    SleepingCall{209, StopEffect::cut_short},                   // io_submit
    SleepingCall{427, StopEffect::cut_short},                   // io_uring_register
    SleepingCall{3, StopEffect::cut_short},                     // close: SO_LINGER, flush of a file system
    SleepingCall{33, StopEffect::cut_short},                    // dup2 closes
    SleepingCall{292, StopEffect::cut_short},                   // dup3 closes
    SleepingCall{436, StopEffect::cut_short},                   // close_range
    SleepingCall{48, StopEffect::cut_short},                    // shutdown
    SleepingCall{16, StopEffect::cut_short},                    // ioctl: what the driver does is not known
    SleepingCall{318, StopEffect::cut_short},                   // getrandom
};

[[nodiscard]] constexpr const SleepingCall* find_sleeping_call(long number) {
    for (const SleepingCall& each : sleeping_calls) {
        if (each.number == number) {
            return &each;
        }
    }
    return nullptr;
}

// Whether it may be made again when it has returned -EINTR: it has done nothing then.
[[nodiscard]] constexpr bool can_be_made_again(const SleepingCall& call) {
    return call.effect == StopEffect::made_again || call.timeout == Timeout::socket;
}

using CallArguments = std::array<std::uint64_t, 6>;

// What a stop does to this call, by its number and arguments.
[[nodiscard]] constexpr StopEffect stop_effect(long number, const CallArguments& arguments) {
    constexpr long io_getevents = 208;
    constexpr long io_pgetevents = 333;
    constexpr long io_uring_enter = 426;
    constexpr long recvfrom = 45;
    constexpr long recvmsg = 47;
    constexpr std::uint64_t msg_waitall = 0x100;
    const SleepingCall* const call = find_sleeping_call(number);
    if (call == nullptr) {
        return StopEffect::restarted;
    }
    // With submissions it returns their number, and the wait is over.
    if (number == io_uring_enter && static_cast<std::uint32_t>(arguments[1]) != 0) {
        return StopEffect::ends_early;
    }
    if ((number == io_getevents || number == io_pgetevents) && static_cast<std::int64_t>(arguments[1]) > 1) {
        return StopEffect::ends_early;
    }
    if ((number == recvfrom && (arguments[3] & msg_waitall) != 0) ||
        (number == recvmsg && (arguments[2] & msg_waitall) != 0)) {
        return StopEffect::cut_short;
    }
    return call->effect;
}

// Whether the timeout of such a call begins anew when the call is made again.
[[nodiscard]] constexpr bool has_timeout(const SleepingCall& call, const CallArguments& arguments) {
    constexpr std::uint64_t ext_arg = 8;
    switch (call.timeout) {
        case Timeout::none:
            return false;
        case Timeout::pointer:
            return arguments.at(call.timeout_argument) != 0;
        case Timeout::milliseconds:
            return static_cast<std::int32_t>(arguments.at(call.timeout_argument)) > 0;
        case Timeout::socket:
            return true;
        case Timeout::extended:
            return (arguments.at(call.timeout_argument) & ext_arg) != 0;
    }
    return false;
}

}  // namespace inflight::act
