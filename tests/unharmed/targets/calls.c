/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each kind of call that waits, each with a ring that it alone may cancel on. No call ever returns early,
 * with EINTR, or late. argv[2]: "submit", only the call whose interruption the kernel itself cannot hide. */
#include "calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long or_error(long ret) {
    return ret == -1 ? -errno : ret;
}

struct timespec wait_time(void) {
    const struct timespec time = {0, wait_ms * 1000000L};
    return time;
}

struct timespec wait_until(clockid_t clock) {
    struct timespec until;
    clock_gettime(clock, &until);
    until.tv_nsec += wait_ms * 1000000L;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

void must_open(int fd, const char* what) {
    if (fd < 0) {
        perror(what);
        exit(2);
    }
}

/* How long the program itself stood still: the gaps between ticks to fixed times, which no interruption moves. */
enum { gaps_max = 1024 };
static struct {
    uint64_t end_ns;
    uint64_t ns;
} gaps[gaps_max];
static uint64_t gaps_count;

static void* tick(void* argument) {
    const uint64_t usual_ns = 20000000;
    (void)argument;
    for (uint64_t last = now_ns(); !is_finished();) {
        struct timespec next;
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_nsec += 5000000;
        if (next.tv_nsec >= 1000000000) {
            next.tv_sec++;
            next.tv_nsec -= 1000000000;
        }
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {
        }
        const uint64_t now = now_ns();
        if (now - last > usual_ns) {
            const uint64_t at = __atomic_load_n(&gaps_count, __ATOMIC_RELAXED) % gaps_max;
            __atomic_store_n(&gaps[at].ns, now - last, __ATOMIC_RELAXED);
            __atomic_store_n(&gaps[at].end_ns, now, __ATOMIC_RELEASE);
            __atomic_fetch_add(&gaps_count, 1, __ATOMIC_RELEASE);
        }
        last = now;
        count_round();
    }
    return NULL;
}

/* The longest that touched the time since `begin_ns`. */
static uint64_t longest_gap_since(uint64_t begin_ns) {
    uint64_t longest = 0;
    for (unsigned i = 0; i < gaps_max; i++) {
        const uint64_t ns = __atomic_load_n(&gaps[i].ns, __ATOMIC_RELAXED);
        if (__atomic_load_n(&gaps[i].end_ns, __ATOMIC_ACQUIRE) >= begin_ns && ns > longest) {
            longest = ns;
        }
    }
    return longest;
}

static void check(const struct call* call, long got, uint64_t begin_ns, struct torments before) {
    if (is_finished()) {
        return;
    }
    const uint64_t end_ns = now_ns();
    const uint64_t took_ns = end_ns - begin_ns;
    const uint64_t due_ns = (uint64_t)wait_ms * 1000000;
    if (got == -EINTR && tormented_since(before)) {
        return;
    }
    if (!call->has_end || got != call->result) {
        char expected[32] = "nothing";
        if (call->has_end) {
            snprintf(expected, sizeof(expected), "%ld", call->result);
        }
        deviation("%s: expected %s got %ld (%s) after %llu us", call->name, expected, got,
                  got < 0 ? strerror((int)-got) : "", (unsigned long long)took_ns / 1000);
        return;
    }
    /* Timers of milliseconds end up to one early by this clock, and what is rounded to ticks up to four. */
    if (took_ns + 5000000 < due_ns) {
        deviation("%s: expected to wait %d ms got %llu us", call->name, wait_ms, (unsigned long long)took_ns / 1000);
    }
    /* Measured after the tick that follows: what the program stood still, and what a busy machine keeps it from. */
    const uint64_t slack_ns = 400000000;
    if (took_ns > due_ns + slack_ns) {
        sleep_ms(30);
        const uint64_t stood_ns = longest_gap_since(begin_ns);
        if (took_ns > due_ns + slack_ns + 3 * stood_ns && !tormented_since(before)) {
            deviation("%s: expected to wait %d ms got %llu ms (the program stood still for %llu ms at most)",
                      call->name, wait_ms, (unsigned long long)took_ns / 1000000,
                      (unsigned long long)stood_ns / 1000000);
        }
    }
}

static void* run(void* argument) {
    struct call* call = argument;
    struct poller poller;
    begin_poller(&poller, IORING_SETUP_SINGLE_ISSUER, 2);
    if (call->prepare != NULL) {
        call->prepare(call);
    }
    while (!is_finished()) {
        const struct torments before = look_at_torments();
        const uint64_t begin_ns = now_ns();
        const long got = call->make(call);
        check(call, got, begin_ns, before);
        rearm_poller(&poller);
        count_round();
        if (!call->has_end) {
            sleep_ms(1);
        }
    }
    return NULL;
}

static void start_all(struct call* calls, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        start_thread(run, &calls[i]);
    }
}

int main(int argc, char** argv) {
    begin_target(argc, argv);
    start_keepers();
    start_thread(tick, NULL);
    if (argc > 2 && strcmp(argv[2], "submit") == 0) {
        start_all(calls_that_submit, calls_that_submit_count);
    } else {
        start_all(calls_of_time, calls_of_time_count);
        start_all(calls_of_sockets, calls_of_sockets_count);
        start_all(calls_of_files, calls_of_files_count);
    }
    sleep_ms(200);
    serve_until_finished(NULL);
}
