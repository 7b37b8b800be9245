/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels pending polls whose aio_key was overwritten: EINVAL, whatever else is right or wrong; the key is checked
 * before the context. With the key mended the cancel takes.
 */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    aio_context_t ctx = setup(8);
    int fd = (int)OS(eventfd(0, 0));
    struct iocb one = prep_poll(fd, POLLIN);
    struct iocb all = prep_poll(fd, POLLIN);
    struct iocb never = prep_poll(fd, POLLIN);
    all.aio_key = 77; /* io_submit sets it to 0 */
    submit(ctx, &one);
    submit(ctx, &all);
    CHECK(all.aio_key == 0, "io_submit has left aio_key at %u", all.aio_key);

    one.aio_key = 1;
    cancel(ctx, &one, EINVAL, "bad-key", NULL);
    all.aio_key = UINT32_MAX;
    cancel(0xdead000, &all, EINVAL, "bad-key", NULL);
    never.aio_key = 1;
    cancel(ctx, &never, EINVAL, "bad-key", NULL);

    one.aio_key = 0;
    all.aio_key = 0;
    cancel(ctx, &one, EINPROGRESS, "cancelled", "poll");
    struct io_event event = reap(ctx);
    expect_cancelled(&one, &event);
    cancel(ctx, &all, EINPROGRESS, "cancelled", "poll");
    event = reap(ctx);
    expect_cancelled(&all, &event);
    destroy(ctx);
    finish();
}
