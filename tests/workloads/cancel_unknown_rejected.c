/* SPDX-License-Identifier: Apache-2.0 */
/* Cancels iocbs that io_submit refused: EINVAL, there is no such request. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_WRONLY, 4096);
    aio_context_t ctx = setup(8);
    struct iocb iocbs[3] = {
        prep_poll(-1, POLLIN),                            /* refused before the kernel writes aio_key */
        prep_rw(IOCB_CMD_PREAD, fd, pages(4096), 512, 0), /* and after it */
        prep_rw(99, fd, NULL, 0, 0),
    };
    int errors[3] = {EBADF, EBADF, EINVAL};
    for (int i = 0; i < 3; i++) {
        submit_refused(ctx, &iocbs[i], errors[i]);
        cancel(ctx, &iocbs[i], EINVAL, "unknown-request", "none");
    }
    destroy(ctx);
    finish();
}
