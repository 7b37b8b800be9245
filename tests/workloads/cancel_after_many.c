/* SPDX-License-Identifier: Apache-2.0 */
/* 200 reads at once, and a moment later a cancel of the last of them: a tracer with too small a buffer has lost it. */
#include "aio.h"

enum { READS = 200, SIZE = 512 };
static struct iocb iocbs[READS];
static struct iocb* list[READS];
static struct io_event events[READS];

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDONLY, READS * SIZE);
    char* buffer = pages(4096);
    aio_context_t ctx = setup(READS);
    for (int i = 0; i < READS; i++) {
        iocbs[i] = prep_rw(IOCB_CMD_PREAD, fd, buffer, SIZE, i * SIZE);
        list[i] = &iocbs[i];
    }
    sleep_ms(50);
    long ret = io_submit(ctx, READS, list);
    CHECK(ret == READS, "io_submit = %ld", ret);
    reap_many(ctx, READS, events);
    for (int i = 0; i < READS; i++) {
        expect_reaped((const struct iocb*)(uintptr_t)events[i].obj, &events[i]);
    }
    /* The buffers are read every few milliseconds. */
    sleep_ms(100);
    cancel(ctx, &iocbs[READS - 1], EINVAL, "completed-first", "pread");
    destroy(ctx);
    finish();
}
