/* SPDX-License-Identifier: Apache-2.0 */
/* Eight threads share one context, 100 requests each; each thread reaps what comes, mostly the others' events. */
#include "aio.h"

enum { THREADS = 8, REQUESTS = 100 };

static aio_context_t ctx;
static int ready;
static struct iocb iocbs[THREADS][REQUESTS];

static void* work(void* argument) {
    struct iocb* mine = argument;
    char tid[32] = "";
    if (in_initial_pid_namespace()) {
        snprintf(tid, sizeof tid, " tid=%d", gettid());
    }
    for (int i = 0; i < REQUESTS; i++) {
        mine[i] = prep_poll(ready, POLLIN);
        submit(ctx, &mine[i]);
        expect("request user_data=%#llx address=%p op=poll result=%d outcome=completed reaped=yes%s", mine[i].aio_data,
               (void*)&mine[i], POLLIN, tid);
        reap(ctx);
    }
    return NULL;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ready = ready_eventfd();
    ctx = setup(THREADS * 4);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(!pthread_create(&threads[i], NULL, work, iocbs[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    destroy(ctx);
    finish();
}
