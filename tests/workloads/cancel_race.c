/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 200 polls, each made ready by one thread while another cancels it. What the return value and the event together say:
 *   EINPROGRESS, result 0      cancelled
 *   EINPROGRESS, result not 0  the worker that completes it had read the file before the cancel; no verdict expected
 *   EINVAL                     completed first
 */
#include "aio.h"

enum { ROUNDS = 200 };

static int fds[ROUNDS];
static atomic_int round_started = -1;

static void* writer(void* unused) {
    for (int i = 0; i < ROUNDS; i++) {
        while (round_started < i) {
        }
        make_ready(fds[i]);
    }
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    static struct iocb iocbs[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        fds[i] = (int)OS(eventfd(0, 0));
        iocbs[i] = prep_poll(fds[i], POLLIN);
    }
    aio_context_t ctx = setup(8);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, writer, NULL), "no thread");
    int cancelled = 0;
    int odd = 0;
    long wait_us = 0; /* between start and cancel: shorter or longer by what came first, so that it stays a race */
    for (int i = 0; i < ROUNDS; i++) {
        submit(ctx, &iocbs[i]);
        round_started = i;
        spin_us(wait_us);
        long ret = io_cancel(ctx, &iocbs[i], NULL);
        struct io_event event = reap(ctx);
        CHECK(ret == -EINPROGRESS || ret == -EINVAL, "io_cancel = %ld", ret);
        CHECK(ret == -EINPROGRESS || event.res == POLLIN, "io_cancel = %ld, result %lld", ret, event.res);
        if (ret == -EINPROGRESS && event.res == 0) {
            expect_cancelled(&iocbs[i], &event);
            expect_cancel(&iocbs[i], ret, "cancelled", "poll");
            cancelled++;
            wait_us += 2;
        } else {
            expect_reaped(&iocbs[i], &event);
            expect_cancel(&iocbs[i], ret, ret == -EINVAL ? "completed-first" : NULL, "poll");
            wait_us -= wait_us > 0;
            odd += ret == -EINPROGRESS;
        }
    }
    pthread_join(thread, NULL);
    destroy(ctx);
    fprintf(stderr, "%d of %d cancelled, %d cancelled too late\n", cancelled, ROUNDS, odd);
    finish();
}
