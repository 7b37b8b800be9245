/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest system call there is: what a tracer costs those it does not trace. */
#include "load.h"

#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
    enum { BATCH = 10000 };
    const struct load load = parse(argc, argv);
    const double begin = now_s();
    double end = begin;
    unsigned long calls = 0;
    while (end - begin < load.seconds) {
        for (int i = 0; i < BATCH; i++) {
            syscall(SYS_getppid);
        }
        calls += BATCH;
        end = now_s();
    }
    report(&load, calls, end - begin);
    return 0;
}
