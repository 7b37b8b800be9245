/* SPDX-License-Identifier: Apache-2.0 */
/* Polls of an eventfd and a pipe that another thread makes ready 20 ms after the submission. */
#include "aio.h"

static int event_fd;
static int pipe_fds[2];

static void* writer(void* unused) {
    sleep_ms(20);
    make_ready(event_fd);
    make_ready(pipe_fds[1]);
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    event_fd = (int)OS(eventfd(0, 0));
    OS(pipe(pipe_fds));
    struct iocb iocbs[2] = {prep_poll(event_fd, POLLIN), prep_poll(pipe_fds[0], POLLIN)};
    aio_context_t ctx = setup(8);
    submit(ctx, &iocbs[0]);
    submit(ctx, &iocbs[1]);
    CHECK(ring_waiting(ctx) == 0, "a poll completed before its file was ready");
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, writer, NULL), "no thread");
    for (int i = 0; i < 2; i++) {
        struct io_event event = reap(ctx);
        /* The result is what the waker said, unfiltered: a pipe also says POLLRDNORM (aio_poll_wake in fs/aio.c). */
        CHECK(event.res & POLLIN, "poll = %#llx, without POLLIN", event.res);
        expect_reaped(event.obj == (uintptr_t)&iocbs[0] ? &iocbs[0] : &iocbs[1], &event);
    }
    pthread_join(thread, NULL);
    expect_context(ctx, 8, 2);
    destroy(ctx);
    finish();
}
