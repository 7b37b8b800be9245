/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for two completions with one call, in both families: one is there at once, the other after 600 ms (or argv[2]
 * milliseconds). All that time the first has not been taken, and nothing is wrong with that.
 */
#include "uring.h"

static long pause_ms;

static void* make_ready_later(void* end) {
    sleep_ms(pause_ms);
    make_ready(*(int*)end);
    return NULL;
}

static pthread_t later(int* end) {
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, make_ready_later, end), "no thread");
    return thread;
}

static void by_aio(void) {
    int ends[2];
    make_pipe(ends);
    struct iocb iocbs[2] = {prep_poll(ready_eventfd(), POLLIN), prep_poll(ends[0], POLLIN)};
    aio_context_t ctx = setup(8);
    submit(ctx, &iocbs[0]);
    submit(ctx, &iocbs[1]);
    pthread_t thread = later(&ends[1]);
    struct io_event events[2];
    CHECK(io_getevents(ctx, 2, 2, events, NULL) == 2, "not both");
    for (int i = 0; i < 2; i++) {
        expect_reaped(events[i].obj == (uintptr_t)&iocbs[0] ? &iocbs[0] : &iocbs[1], &events[i]);
    }
    pthread_join(thread, NULL);
    destroy(ctx);
}

static void by_ring(unsigned setup_flags) {
    struct ring ring = ring_with(8, (struct io_uring_params){.flags = setup_flags});
    if (ring.fd < 0) {
        return; /* the kernel does not know them */
    }
    int ends[2];
    make_pipe(ends);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    prep(&ring, IORING_OP_POLL_ADD, ends[0], NULL, 0, 0)->poll32_events = POLLIN;
    pthread_t thread = later(&ends[1]);
    ring_submit_some(&ring, 2);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    expect_cqe(&cqes[0], "cqes=1");
    expect_cqe(&cqes[1], "cqes=1");
    pthread_join(thread, NULL);
    ring_close(&ring);
}

int main(int argc, char** argv) {
    enum { SINGLE_ISSUER = 1 << 12, DEFER_TASKRUN = 1 << 13 };
    start(argc, argv);
    pause_ms = argument(600);
    by_aio();
    by_ring(0);
    by_ring(SINGLE_ISSUER | DEFER_TASKRUN);
    finish();
}
