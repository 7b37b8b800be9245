/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An io_submit that blocks for 300 ms: the read of an empty pipe, which a thread feeds later. Kernel AIO is
 * asynchronous only where the file makes it so.
 */
#include "aio.h"

static int fds[2];

static void* feed(void* unused) {
    sleep_ms(300);
    make_ready(fds[1]);
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    OS(pipe(fds));
    struct iocb iocb = prep_rw(IOCB_CMD_PREAD, fds[0], pages(4096), 4096, 0);
    aio_context_t ctx = setup(8);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, feed, NULL), "no thread");
    uint64_t begin = now_ns();
    submit(ctx, &iocb);
    CHECK(now_ns() - begin >= 200000000, "io_submit did not block");
    struct io_event event = reap(ctx);
    CHECK(event.res == 8, "pread = %lld", event.res);
    expect_reaped(&iocb, &event);
    expect("finding code=slow-submit");
    pthread_join(thread, NULL);
    destroy(ctx);
    finish();
}
