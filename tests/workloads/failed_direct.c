/* SPDX-License-Identifier: Apache-2.0 */
/* O_DIRECT: reads at a misaligned offset fail in the event, not in io_submit; aligned ones are well. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    char* buffer = pages(8192);
    int fd = scratch_file("data", O_RDONLY | O_DIRECT, 65536);
    aio_context_t ctx = setup(8);
    struct iocb iocbs[3] = {
        prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 1),
        prep_rw(IOCB_CMD_PREAD, fd, buffer, 100, 0),
        prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 4096),
    };
    for (int i = 0; i < 3; i++) {
        submit(ctx, &iocbs[i]);
        struct io_event event = reap(ctx);
        if (i == 0 && event.res == 4096) {
            skip("O_DIRECT is not direct here"); /* tmpfs since Linux 6.6 */
        }
        CHECK(event.res == (i < 2 ? -EINVAL : 4096), "O_DIRECT pread %d = %lld", i, event.res);
        expect_reaped(&iocbs[i], &event);
    }
    destroy(ctx);
    finish();
}
