/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels a pending poll through what is no context of this process: 0, an address that is not mapped, one that is, a
 * forged ring, the context off by one page, a destroyed one, and, in a child, the context of the parent. EINVAL each.
 */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    aio_context_t destroyed = setup(8);
    destroy(destroyed);
    aio_context_t ctx = setup(8); /* may get the address of the destroyed one */
    aio_context_t second = setup(8);
    destroy(second);
    unsigned* forged = pages(4096);
    memcpy(forged, (void*)ctx, 64); /* the index of a live context is in it: the kernel compares the address, too */
    aio_context_t wrong[] = {0, 0xdead000, (aio_context_t)pages(4096), (aio_context_t)forged, ctx + 4096, second};
    enum { WRONG = sizeof wrong / sizeof *wrong };
    struct iocb iocbs[WRONG + 1];
    for (int i = 0; i <= WRONG; i++) {
        iocbs[i] = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
        submit(ctx, &iocbs[i]);
    }
    for (int i = 0; i < WRONG; i++) {
        cancel(wrong[i], &iocbs[i], EINVAL, "bad-context", NULL);
    }
    flush();
    pid_t child = (pid_t)OS(fork());
    if (!child) {
        cancel(ctx, &iocbs[WRONG], EINVAL, "bad-context", NULL);
        flush();
        _exit(0);
    }
    wait_child(child, 0);
    for (int i = 0; i <= WRONG; i++) { /* they are all still there */
        cancel(ctx, &iocbs[i], EINPROGRESS, "cancelled", "poll");
        struct io_event event = reap(ctx);
        expect_cancelled(&iocbs[i], &event);
    }
    destroy(ctx);
    finish();
}
