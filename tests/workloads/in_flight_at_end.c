/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints its expectations, then sleeps for a second (or argv[2] seconds) with a poll in flight: for a trace that ends
 * before this program does. (A trace that goes on sees the poll abandoned when the program exits.)
 */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    long seconds = argument(1);
    struct iocb pending = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    struct iocb done = prep_poll(ready_eventfd(), POLLIN);
    aio_context_t ctx = setup(8);
    submit(ctx, &pending);
    submit(ctx, &done);
    expect_outcome(&pending, "in-flight");
    expect_unreaped(&done, POLLIN);
    flush();
    if (!fork()) {
        finish(); /* prints the totals */
    }
    sleep_ms(seconds * 1000);
    return 0;
}
