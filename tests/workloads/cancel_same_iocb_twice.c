/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One iocb submitted twice: two requests with one address. Each cancel takes one, the older first; a third finds
 * nothing. Then the same with one of the two completed: the cancel takes the other.
 */
#include "aio.h"

static aio_context_t ctx;

/* Another request of the same iocb, on `fd`. Returns a copy, to tell the two apart by user_data. */
static struct iocb submit_again(struct iocb* iocb, int fd) {
    *iocb = prep_poll(fd, POLLIN);
    struct iocb copy = *iocb;
    submit(ctx, iocb);
    return copy;
}

static struct io_event cancel_one(struct iocb* iocb, int count) {
    static struct io_event event;
    for (int i = 0; i < count; i++) {
        long ret = io_cancel(ctx, iocb, NULL);
        CHECK(ret == -EINPROGRESS, "io_cancel = %ld", ret);
        event = reap(ctx);
        expect("request address=%p user_data=%#llx op=poll result=0 outcome=cancelled reaped=yes", (void*)iocb,
               event.data);
    }
    expect("cancel address=%p ret=%d error=EINPROGRESS verdict=cancelled target_op=poll count=%d", (void*)iocb,
           -EINPROGRESS, count);
    return event;
}

int main(int argc, char** argv) {
    start(argc, argv);
    int pending = (int)OS(eventfd(0, 0));
    struct iocb both;
    struct iocb half;
    ctx = setup(8);

    submit_again(&both, pending);
    struct iocb younger = submit_again(&both, pending);
    struct io_event event = cancel_one(&both, 2);
    CHECK(event.data == younger.aio_data, "the younger request was cancelled first");
    cancel(ctx, &both, EINVAL, "already-cancelled", "poll");

    struct iocb cancelled = submit_again(&half, pending);
    struct iocb completed = submit_again(&half, ready_eventfd());
    event = reap(ctx);
    CHECK(event.data == completed.aio_data && event.res == POLLIN, "not the event of the ready poll");
    expect("request address=%p user_data=%#llx op=poll result=%d outcome=completed reaped=yes", (void*)&half,
           completed.aio_data, POLLIN);
    event = cancel_one(&half, 1);
    CHECK(event.data == cancelled.aio_data, "not the event of the pending poll");
    destroy(ctx);
    finish();
}
