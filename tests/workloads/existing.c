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

/* Of a request that was in flight before: the kernel has its file, but has not kept the number of its fd. */
static void expect_existed(const struct iocb* iocb, const char* end) {
    char file[64];
    fd_name((int)iocb->aio_fildes, file, sizeof file);
    expect("request op=poll file=%s address=%p user_data=%#llx %s", file, (const void*)iocb, iocb->aio_data, end);
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
    CHECK(event.data == iocbs[0].aio_data && event.res == 0, "the event of another, or not of a cancel");
    expect_existed(&iocbs[0], "result=0 outcome=cancelled reaped=yes");
    make_ready(ready);
    event = reap(ctx);
    CHECK(event.data == iocbs[1].aio_data && event.res == POLLIN, "the event of another, or not ready");
    expect_existed(&iocbs[1], "result=1 outcome=completed reaped=yes");
    submit(ctx, &iocbs[4]);
    expect_existed(&iocbs[2], "outcome=abandoned");
    expect_existed(&iocbs[3], "outcome=abandoned");
    expect_outcome(&iocbs[4], "abandoned");
    expect("request user_data=%#llx count=0", before.aio_data);
    finish();
}
