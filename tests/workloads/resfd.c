/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that signal an eventfd at their end: completed, and cancelled, which signals too. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int signalled = (int)OS(eventfd(0, 0));
    struct iocb iocbs[3] = {
        prep_poll(ready_eventfd(), POLLIN),
        prep_rw(IOCB_CMD_PREAD, scratch_file("data", O_RDONLY, 4096), pages(4096), 512, 0),
        prep_poll((int)OS(eventfd(0, 0)), POLLIN),
    };
    aio_context_t ctx = setup(8);
    for (int i = 0; i < 3; i++) {
        iocbs[i].aio_flags = IOCB_FLAG_RESFD;
        iocbs[i].aio_resfd = (uint32_t)signalled;
        submit(ctx, &iocbs[i]);
        if (i == 2) {
            cancel(ctx, &iocbs[i], EINPROGRESS, "cancelled", "poll");
        }
        uint64_t count = 0;
        OS(read(signalled, &count, sizeof count));
        CHECK(count == 1, "the eventfd counts %lu", count);
        struct io_event event = reap(ctx);
        if (i == 2) {
            expect_cancelled(&iocbs[i], &event);
        } else {
            expect_reaped(&iocbs[i], &event);
        }
    }
    destroy(ctx);
    finish();
}
