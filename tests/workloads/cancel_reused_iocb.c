/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of an iocb names only the last request it was used for. A cancel of an iocb that was cancelled, used
 * again and completed comes too late for a completion; of one that completed, was used again and cancelled, for a
 * cancel.
 */
#include "aio.h"

static aio_context_t ctx;

static void be_cancelled(struct iocb* iocb) {
    *iocb = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    submit(ctx, iocb);
    cancel(ctx, iocb, EINPROGRESS, "cancelled", "poll");
    struct io_event event = reap(ctx);
    expect_cancelled(iocb, &event);
}

static void be_completed(struct iocb* iocb, int fd, void* buffer) {
    *iocb = prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, 0);
    submit(ctx, iocb);
    struct io_event event = reap(ctx);
    expect_reaped(iocb, &event);
}

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDONLY, 4096);
    void* buffer = pages(4096);
    struct iocb first;
    struct iocb second;
    ctx = setup(8);

    be_cancelled(&first);
    be_completed(&first, fd, buffer);
    cancel(ctx, &first, EINVAL, "completed-first", "pread");

    be_completed(&second, fd, buffer);
    be_cancelled(&second);
    cancel(ctx, &second, EINVAL, "already-cancelled", "poll");
    destroy(ctx);
    finish();
}
