/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a ring without reaping until io_submit gives EAGAIN, always with the same iocb: a refused request gets the
 * kernel memory of one that has just completed, and a tracer that looks into it must not report that one again. Then
 * the same with polls that stay pending.
 */
#include "aio.h"

enum { MOST = 4096, REFUSALS = 20 };

static void fill(aio_context_t ctx, struct iocb* iocb, bool completes) {
    struct iocb* list[] = {iocb};
    int accepted = 0;
    for (;; accepted++) {
        CHECK(accepted < MOST, "a ring of 8 has accepted %d requests", accepted);
        long ret = io_submit(ctx, 1, list);
        if (ret == -EAGAIN) {
            break;
        }
        CHECK(ret == 1, "io_submit = %ld", ret);
        if (completes) {
            expect_unreaped(iocb, POLLIN);
        } else {
            expect_outcome(iocb, "abandoned");
        }
        iocb->aio_data = prep_poll(0, 0).aio_data;
    }
    for (int i = 0; i < REFUSALS; i++) {
        submit_refused(ctx, iocb, EAGAIN);
        iocb->aio_data = prep_poll(0, 0).aio_data;
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct iocb iocb = prep_poll(ready_eventfd(), POLLIN);
    aio_context_t ctx = setup(8);
    fill(ctx, &iocb, true);
    destroy(ctx);

    iocb = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    ctx = setup(8);
    fill(ctx, &iocb, false);
    destroy(ctx);
    finish();
}
