/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes whose threads, the main one too, end at the same moment, each by a call of its own. Without requests. The
 * argument is the number of processes.
 */
#include "aio.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int threads;
static atomic_int there;

static void* end_with_the_others(void* unused) {
    there++;
    while (there < threads) {
    }
    syscall(SYS_exit, 0);
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    long processes = argument(20);
    for (long i = 0; i < processes; i++) {
        pid_t child = fork();
        CHECK(child >= 0, "fork: %m");
        if (child == 0) {
            /* Two are most often on two processors. */
            threads = i % 10 == 9 ? 16 : 2;
            for (int t = 1; t < threads; t++) {
                pthread_t thread;
                if (pthread_create(&thread, NULL, end_with_the_others, NULL) != 0) {
                    _exit(1);
                }
            }
            end_with_the_others(NULL);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %#x", status);
    }
    finish();
}
