/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a tracer that comes later: submits four polls, prints "ready", and waits for a line on stdin or SIGUSR1. Then one
 * is cancelled, one made ready, one more submitted; the others are abandoned at the exit. The totals are of what
 * happens after "ready", with the four that were in flight then; a fifth had completed before.
 */
#include "aio.h"

static void on_signal(int signal) {
    (void)signal;
}

int main(int argc, char** argv) {
    start(argc, argv);
    int ready = (int)OS(eventfd(0, 0));
    int never = (int)OS(eventfd(0, 0));
    struct iocb iocbs[5];
    struct iocb before = prep_poll(ready_eventfd(), POLLIN);
    aio_context_t ctx = setup(8);
    submit(ctx, &before);
    reap(ctx);
    for (int i = 0; i < 5; i++) {
        iocbs[i] = prep_poll(i == 1 ? ready : never, POLLIN);
        if (i < 4) {
            submit(ctx, &iocbs[i]);
        }
    }
    OS(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL));
    account_from_here(4);
    puts("ready");
    flush();
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
    }

    cancel(ctx, &iocbs[0], EINPROGRESS, "cancelled", "poll");
    struct io_event event = reap(ctx);
    expect_cancelled(&iocbs[0], &event);
    make_ready(ready);
    event = reap(ctx);
    expect_reaped(&iocbs[1], &event);
    submit(ctx, &iocbs[4]);
    for (int i = 2; i < 5; i++) {
        expect_outcome(&iocbs[i], "abandoned");
    }
    expect("request user_data=%#llx count=0", before.aio_data);
    finish();
}
