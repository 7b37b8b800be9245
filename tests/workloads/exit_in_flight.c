/* SPDX-License-Identifier: Apache-2.0 */
/* A child that exits with two polls pending and without io_destroy: they are abandoned. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    flush();
    pid_t child = (pid_t)OS(fork());
    if (!child) {
        int pipe_fds[2];
        OS(pipe(pipe_fds));
        struct iocb iocbs[2] = {prep_poll((int)OS(eventfd(0, 0)), POLLIN), prep_poll(pipe_fds[0], POLLIN)};
        aio_context_t ctx = setup(8);
        for (int i = 0; i < 2; i++) {
            submit(ctx, &iocbs[i]);
            expect_outcome(&iocbs[i], "abandoned");
        }
        expect_context(ctx, 8, 2);
        flush();
        _exit(0);
    }
    wait_child(child, 0);
    finish();
}
