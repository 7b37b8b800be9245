/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the kernel reads lies in mapped memory that was never touched: its pages come in only when the
 * kernel itself reads them. A tracer that reads user memory before the kernel does, and cannot wait for a page, finds
 * nothing; after the call all is there.
 */
#include "aio.h"

static int pages_used;
static int store;

/* A page whose contents are in the file `store` only. Far apart there, because the kernel maps neighbours along. */
static void* cold_page(void) {
    void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, store, 65536L * pages_used++);
    CHECK(page != MAP_FAILED, "mmap: %m");
    return page;
}

static void fill_cold(int page, const void* data, size_t size) {
    CHECK(pwrite(store, data, size, 65536L * page) == (ssize_t)size, "pwrite: %m");
}

int main(int argc, char** argv) {
    start(argc, argv);
    store = scratch_file("store", O_RDWR, 65536 * 8);
    int ready = ready_eventfd();
    int never = (int)OS(eventfd(0, 0));
    struct iocb** list = cold_page();
    struct iocb* iocbs[3] = {cold_page(), cold_page(), cold_page()};
    struct timespec* timeout = cold_page();
    struct iocb copies[3] = {
        prep_poll(ready, POLLIN),
        prep_rw(IOCB_CMD_PREAD, store, pages(4096), 512, 4096),
        prep_poll(never, POLLIN),
    };
    fill_cold(0, iocbs, sizeof iocbs);
    for (int i = 0; i < 3; i++) {
        fill_cold(1 + i, &copies[i], sizeof copies[i]);
    }
    fill_cold(4, &(struct timespec){.tv_nsec = 20000000}, sizeof *timeout);

    aio_context_t ctx = setup(8);
    long ret = io_submit(ctx, 3, list);
    CHECK(ret == 3, "io_submit = %ld", ret);
    struct io_event* events = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(events != MAP_FAILED, "mmap: %m");
    ret = io_getevents(ctx, 3, 3, events, timeout);
    CHECK(ret == 2, "io_getevents = %ld", ret);
    expect_reaped(iocbs[0], &events[0]);
    expect_reaped(iocbs[1], &events[1]);

    OS(madvise(iocbs[2], 4096, MADV_DONTNEED)); /* cold again */
    cancel(ctx, iocbs[2], EINPROGRESS, "cancelled", "poll");
    struct io_event event = reap(ctx);
    expect_cancelled(iocbs[2], &event);
    destroy(ctx);
    finish();
}
