/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels an fsync that is in flight: EINVAL, only polls can be cancelled. The fsync runs in a kernel worker of this
 * CPU, which hold_cpu() keeps waiting; where that is not permitted it is a race, won soon. The ring in user memory
 * tells that it had not completed when io_cancel was back.
 */
#include "aio.h"

enum { ATTEMPTS = 200, WANTED = 3 };

int main(int argc, char** argv) {
    start(argc, argv);
    static struct iocb iocbs[ATTEMPTS];
    int fd = scratch_file("data", O_RDWR, 4 << 20);
    aio_context_t ctx = setup(8);
    int in_flight = 0;
    for (int i = 0; i < ATTEMPTS && in_flight < WANTED; i++) {
        iocbs[i] = prep_fsync(i % 2 ? IOCB_CMD_FDSYNC : IOCB_CMD_FSYNC, fd);
        hold_cpu();
        submit(ctx, &iocbs[i]);
        long ret = io_cancel(ctx, &iocbs[i], NULL);
        spin_us(100); /* longer than the way from the completion, as a tracer sees it, to the ring */
        bool sure = !ring_waiting(ctx);
        yield_cpu();
        CHECK(ret == -EINVAL, "io_cancel of an fsync = %ld", ret);
        in_flight += sure;
        expect_cancel(&iocbs[i], ret, sure ? "not-cancellable" : NULL, op_name(iocbs[i].aio_lio_opcode));
        struct io_event event = reap(ctx);
        expect_reaped(&iocbs[i], &event);
    }
    destroy(ctx);
    if (in_flight < WANTED) {
        skip("every fsync was too fast");
    }
    finish();
}
