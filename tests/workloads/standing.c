/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures how long it stands still. Its main thread reads the clock as fast as it can, and notes each time that more
 * than a moment passes between two readings; requests of it wait for good, for another program to cancel. At SIGTERM it
 * prints what it noted, "gap begin=NS ns=NS" (CLOCK_MONOTONIC), and ends.
 *
 * The argument is the kind: 0 a ring, 1 kernel AIO; 10 times the number of other threads, which sleep, is added, and
 * 1,000,000 for 1,000 requests instead of 60.
 */
#include "uring.h"

enum { MOST_REQUESTS = 1000, MOST_GAPS = 1 << 18, MOMENT_NS = 10000 };

static unsigned requests = 60;

static struct {
    uint64_t begin, ns;
} gaps[MOST_GAPS];
static unsigned count;
static atomic_bool enough;

static void on_terminate(int number) {
    (void)number;
    enough = true;
}

static int read_end(void) {
    static int ends[2];
    if (ends[0] == 0) {
        make_pipe(ends);
    }
    return ends[0];
}

static void poll_on_ring(void) {
    struct ring ring = ring_new(requests, 0);
    for (unsigned i = 0; i < requests; i++) {
        struct io_uring_sqe* sqe = prep(&ring, IORING_OP_POLL_ADD, read_end(), NULL, 0, 0);
        sqe->poll32_events = POLLIN;
    }
    ring_submit(&ring);
}

static void poll_by_aio(void) {
    static struct iocb iocbs[MOST_REQUESTS];
    aio_context_t context = setup(requests);
    for (unsigned i = 0; i < requests; i++) {
        iocbs[i] = prep_poll(read_end(), POLLIN);
        submit(context, &iocbs[i]);
    }
}

static void* sleep_for_good(void* unused) {
    for (;;) {
        pause();
    }
    return unused;
}

static void watch_the_clock(void) {
    uint64_t last = now_ns();
    while (!enough) {
        uint64_t now = now_ns();
        if (now - last > MOMENT_NS && count < MOST_GAPS) {
            gaps[count].begin = last;
            gaps[count++].ns = now - last;
        }
        last = now;
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    alarm(600);
    long kind = argument(0);
    memset(gaps, 1, sizeof gaps); /* its pages are there before they are needed */
    OS(sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_terminate}, NULL));
    if (kind >= 1000000) {
        kind -= 1000000;
        requests = MOST_REQUESTS;
    }
    for (long i = 0; i < kind / 10; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, sleep_for_good, NULL) == 0, "no thread");
    }
    if (kind % 10 == 0) {
        poll_on_ring();
    } else {
        poll_by_aio();
    }
    puts("ready");
    flush();
    watch_the_clock();
    for (unsigned i = 0; i < count; i++) {
        printf("gap begin=%lu ns=%lu\n", gaps[i].begin, gaps[i].ns);
    }
    flush();
    return 0;
}
