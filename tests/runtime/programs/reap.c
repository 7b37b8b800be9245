/* SPDX-License-Identifier: Apache-2.0 */
/* io_getevents and io_pgetevents: how much, how long, and what interrupts them. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static void arguments(void) {
    io_context_t ctx = context(8);
    struct io_event events[8];
    struct timespec soon = {0, 1000000};

    printf("min -1: %s\n", word(io_getevents(ctx, -1, 1, events, &soon)));
    printf("nr -1: %s\n", word(io_getevents(ctx, 0, -1, events, &soon)));
    printf("min over nr: %s\n", word(io_getevents(ctx, 2, 1, events, &soon)));
    printf("0 of 0: %s\n", word(io_getevents(ctx, 0, 0, events, &soon)));
    printf("0 of 8: %s\n", word(io_getevents(ctx, 0, 8, events, NULL)));
    printf("no context: %s\n", word(io_getevents(NULL, 0, 8, events, &soon)));
}

static void timeouts(void) {
    io_context_t ctx = context(8);
    struct io_event event;
    struct timespec zero = {0, 0};
    struct timespec tenth = {0, 100000000};
    double before = seconds();

    printf("at once: %s", word(io_getevents(ctx, 1, 1, &event, &zero)));
    printf(", %s\n", seconds() - before < 0.05 ? "at once" : "later");
    before = seconds();
    printf("a tenth: %s", word(io_getevents(ctx, 1, 1, &event, &tenth)));
    printf(", %s\n", seconds() - before >= 0.1 && seconds() - before < 1 ? "a tenth later" : "another time");
}

static void minimum(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb ready;
    struct iocb waits;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&ready, ends[1], POLLOUT);
    io_prep_poll(&waits, ends[0], POLLIN);
    ready.data = (void*)1;
    waits.data = (void*)2;
    submit(ctx, &ready);
    submit(ctx, &waits);
    puts("two wanted, one is there:");
    say_events(ctx, 2, 50);
    submit(ctx, &ready);
    later_write(ends[1], 100, 1);
    puts("two wanted, the second comes:");
    say_events(ctx, 2, 3000);
    wait_for_helper();
}

static void handled(int number) {
    (void)number;
}

static pthread_t waiting;

static void* interrupt(void* unused) {
    (void)unused;
    usleep(100000);
    pthread_kill(waiting, SIGUSR1);
    return NULL;
}

static void start_interrupt(pthread_t* thread, int flags) {
    struct sigaction action = {.sa_handler = handled, .sa_flags = flags};

    sigaction(SIGUSR1, &action, NULL);
    waiting = pthread_self();
    must(pthread_create(thread, NULL, interrupt, NULL) == 0, "a thread");
}

static void signals(void) {
    io_context_t ctx = context(8);
    static const int flags[] = {0, SA_RESTART};

    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        struct io_event event;
        struct timespec limit = {2, 0};

        start_interrupt(&thread, flags[i]);
        printf("%s, no limit: %s\n", i ? "SA_RESTART" : "plain", word(io_getevents(ctx, 1, 1, &event, NULL)));
        pthread_join(thread, NULL);
        start_interrupt(&thread, flags[i]);
        printf("%s, a limit: %s\n", i ? "SA_RESTART" : "plain", word(io_getevents(ctx, 1, 1, &event, &limit)));
        pthread_join(thread, NULL);
    }
}

static void signal_with_some(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;
    pthread_t thread;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[1], POLLOUT);
    submit(ctx, &cb);
    start_interrupt(&thread, 0);
    say_events(ctx, 2, 2000);
    pthread_join(thread, NULL);
}

static void masks(void) {
    io_context_t ctx = context(8);
    struct timespec limit = {0, 300000000};
    struct io_event event;
    int ends[2];
    struct iocb cb;
    pthread_t thread;
    sigset_t set;
    sigset_t empty;

    sigemptyset(&empty);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    start_interrupt(&thread, 0);
    printf("SIGUSR1 masked: %s\n", word(io_pgetevents(ctx, 1, 1, &event, &limit, &set)));
    pthread_join(thread, NULL);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    printf("pending, and let through: %s\n", word(io_pgetevents(ctx, 1, 1, &event, &limit, &empty)));
    printf("no mask: %s\n", word(io_pgetevents(ctx, 1, 1, &event, &limit, NULL)));
    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    submit(ctx, &cb);
    later_write(ends[1], 100, 1);
    limit.tv_sec = 3;
    printf("an event comes: %s\n", word(io_pgetevents(ctx, 1, 1, &event, &limit, &set)));
    wait_for_helper();
}

static void* destroy(void* ctx) {
    usleep(100000);
    printf("io_destroy %s\n", word(io_destroy((io_context_t)ctx)));
    return NULL;
}

static void destroyed_while_waiting(void) {
    io_context_t ctx = context(8);
    struct io_event event;
    int ends[2];
    struct iocb cb;
    pthread_t thread;
    int result;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    submit(ctx, &cb);
    must(pthread_create(&thread, NULL, destroy, ctx) == 0, "a thread");
    result = io_getevents(ctx, 1, 1, &event, NULL);
    pthread_join(thread, NULL);
    printf("io_getevents meanwhile %s\n", result == 1 || result == -22 ? "ends" : word(result));
    printf("io_submit afterwards %s\n", word(submit(ctx, &cb)));
    printf("io_destroy afterwards %s\n", word(io_destroy(ctx)));
}

static int callbacks;

static void called(io_context_t ctx, struct iocb* cb, long result, long unused) {
    (void)ctx;
    (void)cb;
    printf("callback %ld %ld\n", result, unused);
    callbacks++;
}

static void queue_run(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb[2];

    must(pipe(ends) == 0, "a pipe");
    for (int i = 0; i < 2; i++) {
        printf("io_poll %s\n", word(io_poll(ctx, &cb[i], called, ends[1], POLLOUT)));
    }
    printf("io_queue_run %s, %d callbacks\n", word(io_queue_run(ctx)), callbacks);
    printf("io_queue_run %s\n", word(io_queue_run(ctx)));
}

const struct behaviour reap_behaviours[] = {
    {"reap_arguments", arguments},
    {"reap_timeouts", timeouts},
    {"reap_minimum", minimum},
    {"reap_signals", signals},
    {"reap_signal_with_some", signal_with_some},
    {"reap_masks", masks},
    {"reap_destroyed", destroyed_while_waiting},
    {"reap_queue_run", queue_run},
    {NULL, NULL},
};
