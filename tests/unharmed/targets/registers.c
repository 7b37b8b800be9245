/* SPDX-License-Identifier: Apache-2.0 */
/* All that a thread has, beside its memory, stays as it is: registers, flags, errno, signal mask, pending signals,
 * alternate stack, segment bases. One thread computes, the others wait in calls that are restarted in different ways.
 */
#include "held.h"
#include "target.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct timespec five_ms = {0, 5000000};
static aio_context_t empty_context;

enum { sigset_bytes = 8, pending_count = 3 };

/* `result` beside -EINTR while it is tormented. */
struct kind {
    const char* name;
    long number; /* -1: it computes */
    long result;
    long or_result;
};

static const struct kind kinds[] = {
    {"computing", -1, 0, 0},
    {"computing", -1, 0, 0},
    {"sched_yield", SYS_sched_yield, 0, 0},
    {"poll", SYS_poll, 0, 0},
    {"clock_nanosleep", SYS_clock_nanosleep, 0, 0},
    {"futex", SYS_futex, -ETIMEDOUT, -ETIMEDOUT},
    {"io_getevents", SYS_io_getevents, 0, 0},
    {"io_uring_enter", SYS_io_uring_enter, -ETIME, 0},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, -EAGAIN, -EAGAIN},
    {"epoll_wait", SYS_epoll_wait, 0, 0},
};

/* What a call points at; nobody writes there but the kernel, for io_getevents. */
struct pointed {
    struct io_event event;
    struct epoll_event epoll_event;
    uint32_t futex;
    uint64_t signals;
    struct timespec timeout;
    struct io_uring_getevents_arg extended;
};

struct place {
    const struct kind* kind;
    struct poller poller;
    int epoll_fd;
    struct pointed pointed;
};

static void set_arguments(struct place* place) {
    struct pointed* to = &place->pointed;
    const uint64_t timeout = (uint64_t)&to->timeout;
    uint64_t arguments[6] = {0};
    switch (place->kind->number) {
        case SYS_poll:
            arguments[2] = 5;
            break;
        case SYS_clock_nanosleep:
            arguments[0] = CLOCK_MONOTONIC;
            arguments[2] = timeout;
            break;
        case SYS_futex:
            arguments[0] = (uint64_t)&to->futex;
            arguments[1] = FUTEX_WAIT_PRIVATE;
            arguments[3] = timeout;
            break;
        case SYS_io_getevents:
            arguments[0] = empty_context;
            arguments[1] = 1;
            arguments[2] = 1;
            arguments[3] = (uint64_t)&to->event;
            arguments[4] = timeout;
            break;
        case SYS_io_uring_enter:
            arguments[0] = (uint64_t)place->poller.fd;
            arguments[2] = 1;
            arguments[3] = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
            arguments[4] = (uint64_t)&to->extended;
            arguments[5] = sizeof(to->extended);
            break;
        case SYS_rt_sigtimedwait:
            arguments[0] = (uint64_t)&to->signals;
            arguments[2] = timeout;
            arguments[3] = sigset_bytes;
            break;
        case SYS_epoll_wait:
            arguments[0] = (uint64_t)place->epoll_fd;
            arguments[1] = (uint64_t)&to->epoll_event;
            arguments[2] = 1;
            arguments[3] = 5;
            break;
        default:
            break;
    }
    held.in[held_rax] = (uint64_t)place->kind->number;
    static const enum held_register order[6] = {held_rdi, held_rsi, held_rdx, held_r10, held_r8, held_r9};
    for (unsigned i = 0; i < 6; i++) {
        held.in[order[i]] = arguments[i];
    }
}

static void compute(const struct place* place, uint64_t* random) {
    const uint64_t times = 20000 + next_random(random) % 200000;
    held.in[held_rcx] = times;
    hold_while_counting();
    check_held(place->kind->name);
    if (held.out[held_rcx] != 0 || held.out[held_rdx] != held.in[held_rdx] + times) {
        deviation("computing: rcx expected 0 got %llx, rdx expected %llx got %llx",
                  (unsigned long long)held.out[held_rcx], (unsigned long long)(held.in[held_rdx] + times),
                  (unsigned long long)held.out[held_rdx]);
    }
    if (held.out[held_rax] != held.in[held_rax] || held.out[held_r11] != held.in[held_r11]) {
        deviation("computing: rax expected %llx got %llx, r11 expected %llx got %llx",
                  (unsigned long long)held.in[held_rax], (unsigned long long)held.out[held_rax],
                  (unsigned long long)held.in[held_r11], (unsigned long long)held.out[held_r11]);
    }
}

static void call(struct place* place) {
    place->pointed.timeout = five_ms;
    place->pointed.extended.sigmask = 0;
    place->pointed.extended.sigmask_sz = sigset_bytes;
    place->pointed.extended.ts = (uint64_t)&place->pointed.timeout;
    place->pointed.signals = 1ULL << 63;
    set_arguments(place);
    const struct torments before = look_at_torments();
    hold_in_call();
    const char* name = place->kind->name;
    check_held(name);
    const long got = (long)held.out[held_rax];
    const bool excused = got == -EINTR && tormented_since(before);
    if (got != place->kind->result && got != place->kind->or_result && !excused) {
        deviation("%s: result expected %ld got %ld", name, place->kind->result, got);
    }
    if (held.out[held_rdx] != held.in[held_rdx]) {
        deviation("%s: rdx expected %llx got %llx", name, (unsigned long long)held.in[held_rdx],
                  (unsigned long long)held.out[held_rdx]);
    }
    if (held.out[held_rcx] != (uint64_t)held_call_return || held.out[held_r11] != held.flags_in) {
        deviation("%s: rcx expected %llx got %llx, r11 expected %llx got %llx", name,
                  (unsigned long long)held_call_return, (unsigned long long)held.out[held_rcx],
                  (unsigned long long)held.flags_in, (unsigned long long)held.out[held_r11]);
    }
    if (place->pointed.timeout.tv_nsec != five_ms.tv_nsec || place->pointed.timeout.tv_sec != 0) {
        deviation("%s: its timeout expected 5 ms got %ld.%09ld", name, (long)place->pointed.timeout.tv_sec,
                  place->pointed.timeout.tv_nsec);
    }
}

/* What of a thread is no register. */
struct around {
    sigset_t mask;
    sigset_t pending;
    stack_t stack;
    uint64_t fs_base;
    uint64_t gs_base;
};

static void look_around(struct around* around) {
    memset(around, 0, sizeof(*around));
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &around->mask, (size_t)sigset_bytes);
    /* Of the process too: the tormentor's signals are blocked nowhere, so those come and go. */
    syscall(SYS_rt_sigpending, &around->pending, (size_t)sigset_bytes);
    const int passing[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGTSTP, SIGCHLD};
    for (unsigned i = 0; i < sizeof(passing) / sizeof(*passing); i++) {
        sigdelset(&around->pending, passing[i]);
    }
    sigaltstack(NULL, &around->stack);
    syscall(SYS_arch_prctl, ARCH_GET_FS, &around->fs_base);
    syscall(SYS_arch_prctl, ARCH_GET_GS, &around->gs_base);
}

static void check_around(const char* name, const struct around* before) {
    struct around now;
    look_around(&now);
    if (memcmp(&now.mask, &before->mask, sigset_bytes) != 0) {
        deviation("%s: the signal mask expected %llx got %llx", name, *(unsigned long long*)&before->mask,
                  *(unsigned long long*)&now.mask);
    }
    if (memcmp(&now.pending, &before->pending, sigset_bytes) != 0) {
        deviation("%s: pending signals expected %llx got %llx", name, *(unsigned long long*)&before->pending,
                  *(unsigned long long*)&now.pending);
    }
    if (now.stack.ss_sp != before->stack.ss_sp || now.stack.ss_size != before->stack.ss_size ||
        now.stack.ss_flags != before->stack.ss_flags) {
        deviation("%s: the alternate stack expected %p got %p", name, before->stack.ss_sp, now.stack.ss_sp);
    }
    if (now.fs_base != before->fs_base || now.gs_base != before->gs_base) {
        deviation("%s: segment bases expected %llx %llx got %llx %llx", name, (unsigned long long)before->fs_base,
                  (unsigned long long)before->gs_base, (unsigned long long)now.fs_base,
                  (unsigned long long)now.gs_base);
    }
}

static void* run(void* argument) {
    struct place* place = argument;
    const unsigned index = (unsigned)(place->kind - kinds);
    uint64_t random = index + 1;
    begin_poller(&place->poller, IORING_SETUP_SINGLE_ISSUER, 4);
    place->epoll_fd = epoll_create1(0);
    prepare_held();
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456789000 + index * 4096UL);
    /* Blocked signals that wait: another one in each thread, queued several times. */
    const int waiting = SIGRTMIN + 10 + (int)(index % 8);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, waiting);
    sigaddset(&blocked, SIGURG);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    for (int i = 0; i < pending_count; i++) {
        siginfo_t info;
        memset(&info, 0, sizeof(info));
        info.si_code = SI_QUEUE;
        info.si_value.sival_int = i;
        syscall(SYS_rt_tgsigqueueinfo, getpid(), thread_id(), waiting, &info);
    }
    struct around before;
    look_around(&before);
    while (!is_finished()) {
        fill_held(&random);
        const int error = (int)(next_random(&random) % 100000);
        errno = error;
        if (place->kind->number < 0) {
            compute(place, &random);
        } else {
            call(place);
        }
        if (errno != error) {
            deviation("%s: errno expected %d got %d", place->kind->name, error, errno);
        }
        check_around(place->kind->name, &before);
        rearm_poller(&place->poller);
        count_round();
    }
    for (int i = 0; i < pending_count; i++) {
        siginfo_t info;
        const struct timespec none = {0, 0};
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, waiting);
        if (sigtimedwait(&wanted, &info, &none) != waiting || info.si_value.sival_int != i) {
            deviation("%s: signal %d that waited is lost", place->kind->name, i);
        }
    }
    return NULL;
}

int main(int argc, char** argv) {
    static struct place places[sizeof(kinds) / sizeof(*kinds)];
    begin_target(argc, argv);
    start_keepers();
    if (syscall(SYS_io_setup, 4, &empty_context) != 0) {
        perror("io_setup");
        return 2;
    }
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        places[i].kind = &kinds[i];
        start_thread(run, &places[i]);
    }
    sleep_ms(50);
    serve_until_finished(NULL);
}
