/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_cancel of an iocb that cannot be read: EFAULT, whatever the context. `result` may be anything: it is never used.
 */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    aio_context_t ctx = setup(8);
    struct iocb* pending = pages(4096);
    *pending = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    submit(ctx, pending);
    char* hole = pages(8192);
    OS(munmap(hole, 4096)); /* last, so that nothing else is mapped there */

    cancel(ctx, NULL, EFAULT, "bad-pointer", NULL);
    cancel(ctx, (struct iocb*)(hole + 64), EFAULT, "bad-pointer", NULL);
    /* aio_key, bytes 8 to 11, is all that is read: here it is on the first page that exists, there it is not */
    cancel(ctx, (struct iocb*)(hole + 4096 - 8), EINVAL, "unknown-request", "none");
    cancel(ctx, (struct iocb*)(hole + 4096 - 12), EFAULT, "bad-pointer", NULL);
    cancel(ctx, (struct iocb*)0xffff888000000000, EFAULT, "bad-pointer", NULL); /* memory of the kernel */
    cancel(0xdead000, (struct iocb*)(hole + 128), EFAULT, "bad-pointer", NULL); /* comes before bad-context */

    OS(mprotect(pending, 4096, PROT_NONE));
    cancel(ctx, pending, EFAULT, "bad-pointer", NULL);
    OS(mprotect(pending, 4096, PROT_READ));

    long ret = io_cancel(ctx, pending, (struct io_event*)8); /* takes, although `result` is wild */
    CHECK(ret == -EINPROGRESS, "io_cancel = %ld", ret);
    expect_cancel(pending, ret, "cancelled", "poll");
    struct io_event event = reap(ctx);
    expect_cancelled(pending, &event);
    destroy(ctx);
    finish();
}
