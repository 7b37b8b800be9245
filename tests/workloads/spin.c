/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As many requests as it can for one second (or argv[2] milliseconds): ready polls and small buffered preads in batches
 * of 16. Says on stderr how many per second.
 */
#include "aio.h"

enum { BATCH = 16 };

int main(int argc, char** argv) {
    start(argc, argv);
    uint64_t duration_ns = (uint64_t)argument(1000) * 1000000;
    int ready = ready_eventfd();
    int fd = scratch_file("data", O_RDONLY, 4096);
    void* buffer = pages(4096);
    struct iocb iocbs[BATCH];
    struct iocb* list[BATCH];
    struct io_event events[BATCH];
    unsigned long batches = 0;
    unsigned long sums[2] = {0};
    aio_context_t ctx = setup(64);
    uint64_t begin = now_ns();
    do {
        for (int i = 0; i < BATCH; i++) {
            iocbs[i] = i % 2 ? prep_rw(IOCB_CMD_PREAD, fd, buffer, 64, 0) : prep_poll(ready, POLLIN);
            sums[i % 2] += iocbs[i].aio_data;
            list[i] = &iocbs[i];
        }
        long ret = io_submit(ctx, BATCH, list);
        CHECK(ret == BATCH, "io_submit = %ld", ret);
        reap_many(ctx, BATCH, events);
        batches++;
    } while (now_ns() - begin < duration_ns);
    fprintf(stderr, "%.0f requests per second\n", (double)(batches * BATCH) * 1e9 / (double)(now_ns() - begin));
    destroy(ctx);
    unsigned long half = batches * BATCH / 2;
    expect("sum op=poll outcome=completed count=%lu user_data_sum=%lu", half, sums[0]);
    expect("sum op=pread outcome=completed count=%lu bytes=%lu user_data_sum=%lu", half, half * 64, sums[1]);
    finish();
}
