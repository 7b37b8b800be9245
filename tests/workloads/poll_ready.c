/* SPDX-License-Identifier: Apache-2.0 */
/* Polls of files that are ready already: they complete inside io_submit. One of them is never reaped. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int pipe_fds[2];
    OS(pipe(pipe_fds));
    make_ready(pipe_fds[1]);
    struct iocb iocbs[4] = {
        prep_poll(ready_eventfd(), POLLIN),
        prep_poll(pipe_fds[0], POLLIN),
        prep_poll(pipe_fds[1], POLLOUT),
        prep_poll(pipe_fds[0], POLLIN),
    };
    aio_context_t ctx = setup(8);
    for (int i = 0; i < 3; i++) {
        submit(ctx, &iocbs[i]);
        CHECK(ring_waiting(ctx) == 1, "a ready poll did not complete inside io_submit");
        struct io_event event = reap(ctx);
        expect_reaped(&iocbs[i], &event);
    }
    submit(ctx, &iocbs[3]);
    CHECK(ring_waiting(ctx) == 1, "a ready poll did not complete inside io_submit");
    expect_unreaped(&iocbs[3], POLLIN);
    destroy(ctx);
    finish();
}
