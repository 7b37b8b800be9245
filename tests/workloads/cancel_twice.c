/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels polls more than once: the first cancel takes, the others find nothing. Once after the event was reaped, once
 * before there is an event.
 */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    aio_context_t ctx = setup(8);
    int fd = (int)OS(eventfd(0, 0));

    struct iocb reaped = prep_poll(fd, POLLIN);
    submit(ctx, &reaped);
    cancel(ctx, &reaped, EINPROGRESS, "cancelled", "poll");
    struct io_event event = reap(ctx);
    expect_cancelled(&reaped, &event);
    for (int i = 0; i < 2; i++) {
        long ret = io_cancel(ctx, &reaped, NULL);
        CHECK(ret == -EINVAL, "another cancel = %ld", ret);
    }
    expect("cancel address=%p ret=%d error=EINVAL verdict=already-cancelled target_op=poll count=2", (void*)&reaped,
           -EINVAL);

    struct iocb quick = prep_poll(fd, POLLIN);
    submit(ctx, &quick);
    hold_cpu(); /* so that the worker which completes the first cancel has to wait for the second */
    long first = io_cancel(ctx, &quick, NULL);
    long second = io_cancel(ctx, &quick, NULL);
    yield_cpu();
    CHECK(first == -EINPROGRESS && second == -EINVAL, "two cancels = %ld, %ld", first, second);
    event = reap(ctx);
    expect_cancelled(&quick, &event);
    expect("cancel address=%p ret=%d error=EINPROGRESS verdict=cancelled target_op=poll", (void*)&quick, -EINPROGRESS);
    expect("cancel address=%p ret=%d error=EINVAL verdict=already-cancelled target_op=poll", (void*)&quick, -EINVAL);
    destroy(ctx);
    finish();
}
