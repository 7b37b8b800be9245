/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest system call there is, for one second: what a tracer costs those it does not trace. */
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void) {
    enum { BATCH = 10000 };
    const double begin = now_s();
    double end = begin;
    unsigned long calls = 0;
    while (end - begin < 1.0) {
        for (int i = 0; i < BATCH; i++) {
            syscall(SYS_getppid);
        }
        calls += BATCH;
        end = now_s();
    }
    fprintf(stderr, "%.0f calls per second\n", (double)calls / (end - begin));
    return 0;
}
