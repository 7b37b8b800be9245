/* SPDX-License-Identifier: Apache-2.0 */
/* Each queued signal makes its handler run once, in order; a call is interrupted by a handler without SA_RESTART and by
 * nothing else; a wait for a signal ends with the signal. */
#include "target.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* The kinds of queued signals. */
enum { restarting, interrupting, on_stack, for_sigsuspend };

static _Thread_local uint64_t interrupting_ran;
static _Thread_local uint64_t any_ran;
static _Thread_local uint64_t suspended_ran;
static uint64_t timer_ran;
static char alternate_stack[65536];

static int number_of(int kind) {
    return SIGRTMIN + board_first_queued_signal + kind;
}

static void handle_queued(int signal, siginfo_t* info, void* context) {
    const int kept = errno;
    const int kind = signal - number_of(0);
    (void)context;
    any_ran++;
    if (kind == interrupting) {
        interrupting_ran++;
    }
    if (kind == for_sigsuspend) {
        suspended_ran++;
    }
    if (info->si_code != SI_QUEUE || info->si_pid != getppid()) {
        deviation("signal %d: expected one that the driver queued, got code %d of %d", kind, info->si_code,
                  (int)info->si_pid);
    }
    const char* const here = (const char*)__builtin_frame_address(0);
    const bool is_there = here >= alternate_stack && here < alternate_stack + sizeof(alternate_stack);
    if (kind == on_stack && !is_there) {
        deviation("a handler with SA_ONSTACK runs on another stack");
    }
    __atomic_fetch_add(&board()->handled[kind], 1, __ATOMIC_ACQ_REL);
    errno = kept;
}

static void handle_timer(int signal) {
    (void)signal;
    any_ran++;
    __atomic_fetch_add(&timer_ran, 1, __ATOMIC_RELAXED);
}

static void install(int kind, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handle_queued;
    action.sa_flags = SA_SIGINFO | flags;
    sigfillset(&action.sa_mask);
    sigaction(number_of(kind), &action, NULL);
}

/* Blocks all but one kind in this thread. */
static void take_only(int kind) {
    sigset_t set;
    sigfillset(&set);
    if (kind >= 0) {
        sigdelset(&set, number_of(kind));
    }
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

/* Reads what a feeder writes: numbers, one after the other. */
struct stream {
    int kind;
    int ends[2];
};

static void* feed(void* argument) {
    const struct stream* stream = argument;
    take_only(-1);
    for (uint64_t number = 0; !is_finished(); number++) {
        if (write(stream->ends[1], &number, sizeof(number)) != sizeof(number)) {
            deviation("write to a pipe: %s", strerror(errno));
        }
        sleep_ms(7);
    }
    return NULL;
}

static void* read_stream(void* argument) {
    const struct stream* stream = argument;
    struct poller poller;
    begin_poller(&poller, IORING_SETUP_SINGLE_ISSUER, 4);
    if (stream->kind == on_stack) {
        const stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof(alternate_stack)};
        sigaltstack(&stack, NULL);
    }
    take_only(stream->kind);
    for (uint64_t expected = 0; !is_finished();) {
        uint64_t number = 0;
        const uint64_t before = interrupting_ran;
        const ssize_t got = read(stream->ends[0], &number, sizeof(number));
        if (got == -1 && errno == EINTR) {
            if (interrupting_ran == before) {
                deviation("read: EINTR and no handler without SA_RESTART has run (thread of kind %d)", stream->kind);
            }
        } else if (got != sizeof(number) || number != expected++) {
            deviation("read: expected 8 bytes, number %llu; got %zd, %llu", (unsigned long long)expected - 1, got,
                      (unsigned long long)number);
        }
        rearm_poller(&poller);
        count_round();
    }
    return NULL;
}

/* Each sigsuspend ends with exactly one run of a handler: all signals are blocked outside of it, and in the handler. */
static void* suspend(void* argument) {
    struct poller poller;
    (void)argument;
    begin_poller(&poller, IORING_SETUP_SINGLE_ISSUER, 4);
    take_only(-1);
    sigset_t open;
    sigfillset(&open);
    sigdelset(&open, number_of(for_sigsuspend));
    while (!is_finished()) {
        const uint64_t before = suspended_ran;
        const int ret = sigsuspend(&open);
        const uint64_t ran = suspended_ran - before;
        if (ret != -1 || errno != EINTR || ran != 1) {
            deviation("sigsuspend: expected EINTR after one handler, got %d %s after %llu", ret, strerror(errno),
                      (unsigned long long)ran);
        }
        rearm_poller(&poller);
        count_round();
    }
    return NULL;
}

/* With every signal blocked, no sleep is cut short, and none is longer for being interrupted. */
static void* sleep_blocked(void* argument) {
    struct poller poller;
    (void)argument;
    begin_poller(&poller, IORING_SETUP_SINGLE_ISSUER, 4);
    take_only(-1);
    while (!is_finished()) {
        const struct timespec some = {0, 20000000};
        struct timespec rest = {7, 7};
        const struct torments before = look_at_torments();
        const uint64_t begin = now_ns();
        const int ret = nanosleep(&some, &rest);
        if (ret != 0 && !tormented_since(before)) {
            deviation("nanosleep: expected 0 got %s, rest %ld", strerror(errno), rest.tv_nsec);
        } else if (ret == 0 && now_ns() - begin < 20000000) {
            deviation("nanosleep: expected 20 ms got %llu ns", (unsigned long long)(now_ns() - begin));
        }
        rearm_poller(&poller);
        count_round();
    }
    return NULL;
}

static void start_stream(struct stream* stream, int kind) {
    stream->kind = kind;
    if (pipe(stream->ends) != 0) {
        exit(2);
    }
    start_thread(feed, stream);
    start_thread(read_stream, stream);
}

static void compare_counts(void) {
    const struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
    for (int kind = 0; kind < board_queued_kinds; kind++) {
        const uint64_t sent = __atomic_load_n(&board()->queued_sent[kind], __ATOMIC_ACQUIRE);
        uint64_t ran = 0;
        /* The last may be on their way. */
        for (int look = 0; look < 100; look++) {
            ran = __atomic_load_n(&board()->handled[kind], __ATOMIC_ACQUIRE);
            if (ran == sent) {
                break;
            }
            sleep_ms(10);
        }
        if (ran != sent) {
            deviation("queued signals of kind %d: expected %llu runs of the handler got %llu", kind,
                      (unsigned long long)sent, (unsigned long long)ran);
        }
    }
    if (__atomic_load_n(&timer_ran, __ATOMIC_RELAXED) == 0) {
        deviation("the handler of setitimer's SIGALRM never ran");
    }
}

int main(int argc, char** argv) {
    static struct stream streams[3];
    begin_target(argc, argv);
    install(restarting, SA_RESTART);
    install(interrupting, 0);
    install(on_stack, SA_RESTART | SA_ONSTACK);
    install(for_sigsuspend, 0);
    /* The main thread takes the timer and what else the driver sends; of the queued ones each has a thread. */
    struct sigaction timer;
    memset(&timer, 0, sizeof(timer));
    timer.sa_handler = handle_timer;
    timer.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &timer, NULL);
    sigset_t queued;
    sigemptyset(&queued);
    for (int kind = 0; kind < board_queued_kinds; kind++) {
        sigaddset(&queued, number_of(kind));
    }
    /* The timer's would end the keepers' calls with EINTR, and rightly so. */
    take_only(-1);
    start_keepers();
    pthread_sigmask(SIG_SETMASK, &queued, NULL);
    start_stream(&streams[0], restarting);
    start_stream(&streams[1], interrupting);
    start_stream(&streams[2], on_stack);
    start_thread(suspend, NULL);
    start_thread(sleep_blocked, NULL);
    const struct itimerval often = {{0, 11000}, {0, 11000}};
    setitimer(ITIMER_REAL, &often, NULL);
    sleep_ms(50);
    serve_until_finished(compare_counts);
}
