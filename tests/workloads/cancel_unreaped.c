/* SPDX-License-Identifier: Apache-2.0 */
/* Polls that are cancelled and whose events nobody fetches before the context goes: cancelled all the same. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    aio_context_t ctx = setup(8);
    struct iocb iocb = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    submit(ctx, &iocb);
    cancel(ctx, &iocb, EINPROGRESS, "cancelled", "poll");
    while (!ring_waiting(ctx)) { /* the event comes from a worker of the kernel */
        sleep_ms(1);
    }
    expect_outcome(&iocb, "cancelled result=0 reaped=no");
    destroy(ctx);
    finish();
}
