/* SPDX-License-Identifier: Apache-2.0 */
/* One iocb, submitted and reaped 1000 times: 1000 requests with one address, each with a user_data of its own. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int fds[2] = {ready_eventfd(), scratch_file("data", O_RDONLY, 4096)};
    void* buffer = pages(4096);
    struct iocb iocb;
    aio_context_t ctx = setup(1);
    for (int i = 0; i < 1000; i++) {
        iocb = i % 2 ? prep_rw(IOCB_CMD_PREAD, fds[1], buffer, 16, i) : prep_poll(fds[0], POLLIN);
        submit(ctx, &iocb);
        struct io_event event = reap(ctx);
        expect_reaped(&iocb, &event);
    }
    destroy(ctx);
    finish();
}
