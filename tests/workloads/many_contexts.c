/* SPDX-License-Identifier: Apache-2.0 */
/* 100 contexts at a time, three pending polls in each; they are cancelled, completed and abandoned in turn. */
#include "aio.h"

enum { CONTEXTS = 100 };

int main(int argc, char** argv) {
    start(argc, argv);
    static aio_context_t ctxs[CONTEXTS];
    static struct iocb iocbs[CONTEXTS][3];
    static int fds[CONTEXTS];
    int never = (int)OS(eventfd(0, 0));
    for (int i = 0; i < CONTEXTS; i++) {
        ctxs[i] = setup(4);
        fds[i] = (int)OS(eventfd(0, 0));
        for (int j = 0; j < 3; j++) {
            iocbs[i][j] = prep_poll(j == 1 ? fds[i] : never, POLLIN);
            submit(ctxs[i], &iocbs[i][j]);
        }
    }
    for (int i = 0; i < CONTEXTS; i++) {
        cancel(ctxs[i], &iocbs[i][0], EINPROGRESS, "cancelled", "poll");
        struct io_event event = reap(ctxs[i]);
        expect_cancelled(&iocbs[i][0], &event);
        make_ready(fds[i]);
        event = reap(ctxs[i]);
        expect_reaped(&iocbs[i][1], &event);
        expect_outcome(&iocbs[i][2], "abandoned");
    }
    for (int i = 0; i < CONTEXTS; i++) {
        expect_context(ctxs[i], 4, 3);
        destroy(ctxs[i]);
    }
    finish();
}
