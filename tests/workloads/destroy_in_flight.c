/* SPDX-License-Identifier: Apache-2.0 */
/* io_destroy with three polls pending: the kernel cancels them, nobody gets their events. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int pipe_fds[2];
    OS(pipe(pipe_fds));
    struct iocb iocbs[4] = {
        prep_poll((int)OS(eventfd(0, 0)), POLLIN),
        prep_poll(pipe_fds[0], POLLIN),
        prep_poll(pipe_fds[0], POLLIN),
        prep_poll(ready_eventfd(), POLLIN),
    };
    aio_context_t ctx = setup(8);
    for (int i = 0; i < 3; i++) {
        submit(ctx, &iocbs[i]);
        expect_outcome(&iocbs[i], "abandoned");
    }
    submit(ctx, &iocbs[3]); /* completed before, and not reaped: that is another thing */
    expect_unreaped(&iocbs[3], POLLIN);
    destroy(ctx);
    expect("context context=%#lx capacity_at_least=8", ctx);
    finish();
}
