/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads submit to one ring and reap from it, one at a time; each request is of the thread that submitted it. */
#include "uring.h"

enum { ROUNDS = 50 };

static struct ring ring;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void* work(void* argument) {
    char tid[32] = "";
    if (in_initial_pid_namespace()) {
        snprintf(tid, sizeof tid, " pid=%d tid=%d", getpid(), gettid());
    }
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        run_expect(&ring, 0, "cqes=1%s", tid);
        pthread_mutex_unlock(&lock);
    }
    return argument;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, work, NULL), "no thread");
    work(NULL);
    pthread_join(thread, NULL);
    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
    finish();
}
