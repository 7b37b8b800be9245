/* SPDX-License-Identifier: Apache-2.0 */
/* Cancels requests that have completed and whose events are still on the ring: EINVAL. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR, 4096);
    int later = (int)OS(eventfd(0, 0));
    struct iocb iocbs[3] = {
        prep_poll(ready_eventfd(), POLLIN),
        prep_rw(IOCB_CMD_PREAD, fd, pages(4096), 512, 0),
        prep_poll(later, POLLIN),
    };
    long results[3] = {POLLIN, 512, POLLIN};
    aio_context_t ctx = setup(8);
    for (unsigned i = 0; i < 3; i++) {
        submit(ctx, &iocbs[i]);
        if (i == 2) {
            make_ready(later);
        }
        for (int ms = 0; ring_waiting(ctx) != i + 1; ms++) {
            CHECK(ms < 5000, "no event");
            sleep_ms(1);
        }
        cancel(ctx, &iocbs[i], EINVAL, "completed-first", op_name(iocbs[i].aio_lio_opcode));
        expect_unreaped(&iocbs[i], results[i]);
    }
    destroy(ctx);
    finish();
}
