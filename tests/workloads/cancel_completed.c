/* SPDX-License-Identifier: Apache-2.0 */
/* Cancels requests that have completed and were reaped: EINVAL, the same errno as for five other reasons. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR, 4096);
    char* buffer = pages(4096);
    int later = (int)OS(eventfd(0, 0));
    struct iocb iocbs[5] = {
        prep_poll(ready_eventfd(), POLLIN),
        prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, 0),
        prep_rw(IOCB_CMD_PWRITE, fd, buffer, 512, 0),
        prep_fsync(IOCB_CMD_FDSYNC, fd),
        prep_poll(later, POLLIN),
    };
    aio_context_t ctx = setup(8);
    for (int i = 0; i < 5; i++) {
        submit(ctx, &iocbs[i]);
        if (i == 4) {
            make_ready(later);
        }
        struct io_event event = reap(ctx);
        expect_reaped(&iocbs[i], &event);
        cancel(ctx, &iocbs[i], EINVAL, "completed-first", op_name(iocbs[i].aio_lio_opcode));
    }
    destroy(ctx);
    finish();
}
