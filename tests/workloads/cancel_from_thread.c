/* SPDX-License-Identifier: Apache-2.0 */
/* A poll cancelled by another thread, while the one that submitted it waits for its event in io_getevents. */
#include "aio.h"

static aio_context_t ctx;
static struct iocb iocb;

static void* canceller(void* unused) {
    sleep_ms(50);
    cancel(ctx, &iocb, EINPROGRESS, "cancelled", "poll");
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    iocb = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    ctx = setup(8);
    submit(ctx, &iocb);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, canceller, NULL), "no thread");
    struct io_event event = reap(ctx);
    expect_cancelled(&iocb, &event);
    pthread_join(thread, NULL);
    destroy(ctx);
    finish();
}
