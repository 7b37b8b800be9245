/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping, futexes, polls, signals, events. */
#include "calls.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

static long by_nanosleep(struct call* call) {
    (void)call;
    const struct timespec time = wait_time();
    return or_error(nanosleep(&time, NULL));
}

static long by_clock_nanosleep(struct call* call) {
    (void)call;
    const struct timespec time = wait_time();
    return -clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static long by_clock_nanosleep_until(struct call* call) {
    (void)call;
    const struct timespec time = wait_until(CLOCK_REALTIME);
    return -clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
}

static long futex(uint32_t* word, int operation, const struct timespec* time, uint32_t mask) {
    return or_error(syscall(SYS_futex, word, operation, 0, time, NULL, mask));
}

static long by_futex(struct call* call) {
    static uint32_t word;
    (void)call;
    const struct timespec time = wait_time();
    return futex(&word, FUTEX_WAIT_PRIVATE, &time, 0);
}

static long by_shared_futex(struct call* call) {
    static uint32_t word;
    (void)call;
    const struct timespec time = wait_time();
    return futex(&word, FUTEX_WAIT, &time, 0);
}

static long by_futex_forever(struct call* call) {
    static uint32_t word;
    (void)call;
    return futex(&word, FUTEX_WAIT_PRIVATE, NULL, 0);
}

static long by_futex_bitset(struct call* call) {
    static uint32_t word;
    (void)call;
    const struct timespec time = wait_until(CLOCK_MONOTONIC);
    return futex(&word, FUTEX_WAIT_BITSET_PRIVATE, &time, 1);
}

static uint32_t owned;

static void* own_lock(void* argument) {
    __atomic_store_n(&owned, (uint32_t)thread_id(), __ATOMIC_RELEASE);
    while (true) {
        sleep_ms(1000);
    }
    return argument;
}

static void prepare_lock(struct call* call) {
    (void)call;
    start_thread(own_lock, NULL);
    while (__atomic_load_n(&owned, __ATOMIC_ACQUIRE) == 0) {
        sleep_ms(1);
    }
}

static long by_futex_lock(struct call* call) {
    (void)call;
    const struct timespec time = wait_until(CLOCK_REALTIME);
    return futex(&owned, FUTEX_LOCK_PI_PRIVATE, &time, 0);
}

static long by_futex_waitv(struct call* call) {
    static uint32_t word;
    (void)call;
    enum { futex_waitv_call = 449 };
    const struct {
        uint64_t value;
        uint64_t address;
        uint32_t flags;
        uint32_t reserved;
    } waiter = {0, (uint64_t)&word, 2 | FUTEX_PRIVATE_FLAG, 0};
    const struct timespec time = wait_until(CLOCK_MONOTONIC);
    return or_error(syscall(futex_waitv_call, &waiter, 1, 0, &time, CLOCK_MONOTONIC));
}

static long by_poll(struct call* call) {
    (void)call;
    return or_error(poll(NULL, 0, wait_ms));
}

static long by_poll_forever(struct call* call) {
    (void)call;
    return or_error(poll(NULL, 0, -1));
}

static sigset_t all_signals(void) {
    sigset_t set;
    sigfillset(&set);
    return set;
}

static long by_ppoll(struct call* call) {
    (void)call;
    const sigset_t set = all_signals();
    const struct timespec time = wait_time();
    return or_error(ppoll(NULL, 0, &time, &set));
}

static long by_select(struct call* call) {
    (void)call;
    struct timeval time = {0, wait_ms * 1000};
    return or_error(select(0, NULL, NULL, NULL, &time));
}

static long by_pselect(struct call* call) {
    (void)call;
    const sigset_t set = all_signals();
    const struct timespec time = wait_time();
    return or_error(pselect(0, NULL, NULL, NULL, &time, &set));
}

static void prepare_epoll(struct call* call) {
    call->fd = epoll_create1(EPOLL_CLOEXEC);
    must_open(call->fd, "epoll_create1");
}

static long by_epoll_wait(struct call* call) {
    struct epoll_event event;
    return or_error(epoll_wait(call->fd, &event, 1, wait_ms));
}

static long by_epoll_wait_forever(struct call* call) {
    struct epoll_event event;
    return or_error(epoll_wait(call->fd, &event, 1, -1));
}

static long by_epoll_pwait(struct call* call) {
    struct epoll_event event;
    const sigset_t set = all_signals();
    return or_error(epoll_pwait(call->fd, &event, 1, wait_ms, &set));
}

static long by_epoll_pwait2(struct call* call) {
    enum { epoll_pwait2_call = 441 };
    struct epoll_event event;
    const struct timespec time = wait_time();
    return or_error(syscall(epoll_pwait2_call, call->fd, &event, 1, &time, NULL, 0));
}

static long by_sigtimedwait(struct call* call) {
    sigset_t set;
    (void)call;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    const struct timespec time = wait_time();
    return or_error(sigtimedwait(&set, NULL, &time));
}

static long by_sigwaitinfo(struct call* call) {
    sigset_t set;
    (void)call;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    return or_error(sigwaitinfo(&set, NULL));
}

static long by_pause(struct call* call) {
    (void)call;
    return or_error(pause());
}

static long by_sigsuspend(struct call* call) {
    (void)call;
    const sigset_t set = all_signals();
    return or_error(sigsuspend(&set));
}

static aio_context_t new_context(void) {
    aio_context_t context = 0;
    must_open((int)syscall(SYS_io_setup, 4, &context), "io_setup");
    return context;
}

static long by_io_getevents(struct call* call) {
    static aio_context_t context;
    (void)call;
    if (context == 0) {
        context = new_context();
    }
    struct io_event event;
    struct timespec time = wait_time();
    return or_error(syscall(SYS_io_getevents, context, 1, 1, &event, &time));
}

static long by_io_getevents_forever(struct call* call) {
    static aio_context_t context;
    (void)call;
    if (context == 0) {
        context = new_context();
    }
    struct io_event event;
    return or_error(syscall(SYS_io_getevents, context, 1, 1, &event, NULL));
}

static long by_io_pgetevents(struct call* call) {
    static aio_context_t context;
    (void)call;
    if (context == 0) {
        context = new_context();
    }
    struct io_event event;
    const sigset_t set = all_signals();
    const struct {
        const sigset_t* mask;
        size_t bytes;
    } mask = {&set, 8};
    struct timespec time = wait_time();
    return or_error(syscall(SYS_io_pgetevents, context, 1, 1, &event, &time, &mask));
}

static void prepare_ring(struct call* call) {
    struct io_uring_params params;
    memset(&params, 0, sizeof(params));
    call->fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    must_open(call->fd, "io_uring_setup");
}

static long by_io_uring_enter(struct call* call) {
    return or_error(syscall(SYS_io_uring_enter, call->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 8));
}

static long by_io_uring_enter_with_timeout(struct call* call) {
    const struct timespec time = wait_time();
    const struct io_uring_getevents_arg extended = {.sigmask_sz = 8, .ts = (uint64_t)&time};
    return or_error(syscall(SYS_io_uring_enter, call->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                            &extended, sizeof(extended)));
}

struct call calls_of_time[] = {
    {"nanosleep", NULL, by_nanosleep, true, 0, -1, -1},
    {"clock_nanosleep", NULL, by_clock_nanosleep, true, 0, -1, -1},
    {"clock_nanosleep, absolute", NULL, by_clock_nanosleep_until, true, 0, -1, -1},
    {"futex", NULL, by_futex, true, -ETIMEDOUT, -1, -1},
    {"futex, shared", NULL, by_shared_futex, true, -ETIMEDOUT, -1, -1},
    {"futex, for ever", NULL, by_futex_forever, false, 0, -1, -1},
    {"futex bitset", NULL, by_futex_bitset, true, -ETIMEDOUT, -1, -1},
    {"futex lock_pi", prepare_lock, by_futex_lock, true, -ETIMEDOUT, -1, -1},
    {"futex_waitv", NULL, by_futex_waitv, true, -ETIMEDOUT, -1, -1},
    {"poll", NULL, by_poll, true, 0, -1, -1},
    {"poll, for ever", NULL, by_poll_forever, false, 0, -1, -1},
    {"ppoll", NULL, by_ppoll, true, 0, -1, -1},
    {"select", NULL, by_select, true, 0, -1, -1},
    {"pselect", NULL, by_pselect, true, 0, -1, -1},
    {"epoll_wait", prepare_epoll, by_epoll_wait, true, 0, -1, -1},
    {"epoll_wait, for ever", prepare_epoll, by_epoll_wait_forever, false, 0, -1, -1},
    {"epoll_pwait", prepare_epoll, by_epoll_pwait, true, 0, -1, -1},
    {"epoll_pwait2", prepare_epoll, by_epoll_pwait2, true, 0, -1, -1},
    {"sigtimedwait", NULL, by_sigtimedwait, true, -EAGAIN, -1, -1},
    {"sigwaitinfo", NULL, by_sigwaitinfo, false, 0, -1, -1},
    {"pause", NULL, by_pause, false, 0, -1, -1},
    {"sigsuspend", NULL, by_sigsuspend, false, 0, -1, -1},
    {"io_getevents", NULL, by_io_getevents, true, 0, -1, -1},
    {"io_getevents, for ever", NULL, by_io_getevents_forever, false, 0, -1, -1},
    {"io_pgetevents", NULL, by_io_pgetevents, true, 0, -1, -1},
    {"io_uring_enter", prepare_ring, by_io_uring_enter, false, 0, -1, -1},
    {"io_uring_enter with a timeout", prepare_ring, by_io_uring_enter_with_timeout, true, -ETIME, -1, -1},
};
const unsigned calls_of_time_count = sizeof(calls_of_time) / sizeof(*calls_of_time);
