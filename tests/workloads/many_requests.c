/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 50,000 polls (or argv[2]) in flight in one context, then io_destroy. Skipped where /proc/sys/fs/aio-max-nr does not
 * allow that many.
 */
#include "aio.h"

enum { BATCH = 500 };

int main(int argc, char** argv) {
    start(argc, argv);
    long count = argument(50000);
    struct iocb* iocbs = malloc((size_t)count * sizeof *iocbs);
    CHECK(iocbs, "no memory");
    int fd = (int)OS(eventfd(0, 0));
    aio_context_t ctx = setup((unsigned)count);
    unsigned long sum = 0;
    struct iocb* list[BATCH];
    for (long first = 0; first < count; first += BATCH) {
        int nr = (int)(count - first < BATCH ? count - first : BATCH);
        for (int i = 0; i < nr; i++) {
            list[i] = &iocbs[first + i];
            *list[i] = prep_poll(fd, POLLIN);
            sum += list[i]->aio_data;
        }
        long ret = io_submit(ctx, nr, list);
        CHECK(ret == nr, "io_submit of %d after %ld = %ld", nr, first, ret);
    }
    expect_context(ctx, (unsigned)count, (unsigned)count);
    destroy(ctx);
    char file[64];
    fd_name(fd, file, sizeof file);
    expect("request op=poll fd=%d file=%s outcome=abandoned count=%ld", fd, file, count);
    expect("sum op=poll count=%ld user_data_sum=%lu", count, sum);
    finish();
}
