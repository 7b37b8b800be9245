/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels O_DIRECT reads and writes that are at the device: EINVAL, only polls can be cancelled. The ring in user
 * memory tells whether the request was still in flight when io_cancel was back. If not, it is unknown what came first;
 * that cancel is expected without a verdict, and another request is tried.
 */
#include "aio.h"

enum { ATTEMPTS = 100, WANTED = 2, LENGTH = 8 << 20 };

static struct iocb iocbs[2 * ATTEMPTS];

static int try_one(aio_context_t ctx, struct iocb* iocb) {
    submit(ctx, iocb);
    long ret = io_cancel(ctx, iocb, NULL);
    spin_us(100); /* longer than the way from the completion, as a tracer sees it, to the ring */
    bool sure = !ring_waiting(ctx);
    CHECK(ret == -EINVAL, "io_cancel of an O_DIRECT %s = %ld", op_name(iocb->aio_lio_opcode), ret);
    expect_cancel(iocb, ret, sure ? "not-cancellable" : NULL, op_name(iocb->aio_lio_opcode));
    struct io_event event = reap(ctx);
    CHECK(event.res == LENGTH, "O_DIRECT %s = %lld", op_name(iocb->aio_lio_opcode), event.res);
    expect_reaped(iocb, &event);
    return sure;
}

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR | O_DIRECT, LENGTH);
    char* buffer = pages(LENGTH);
    aio_context_t ctx = setup(8);
    int reads = 0;
    int writes = 0;
    for (int i = 0; i < ATTEMPTS && (reads < WANTED || writes < WANTED); i++) {
        iocbs[2 * i] = prep_rw(IOCB_CMD_PREAD, fd, buffer, LENGTH, 0);
        reads += try_one(ctx, &iocbs[2 * i]);
        iocbs[2 * i + 1] = prep_rw(IOCB_CMD_PWRITE, fd, buffer, LENGTH, 0);
        writes += try_one(ctx, &iocbs[2 * i + 1]);
        if (i == 10 && !reads && !writes) {
            skip("O_DIRECT completes inside io_submit here"); /* tmpfs since Linux 6.6 */
        }
    }
    destroy(ctx);
    if (!reads || !writes) {
        skip("the device is too fast: %d reads and %d writes were in flight", reads, writes);
    }
    finish();
}
