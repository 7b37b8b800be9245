/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels what this context never got: EINVAL. An iocb never submitted; one in flight in another context; one in
 * memory that was never touched, where a tracer that reads before the kernel does finds nothing; one of which only the
 * first bytes exist (the kernel reads no more than aio_key).
 */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    aio_context_t ctx = setup(8);
    aio_context_t other = setup(8);
    int fd = (int)OS(eventfd(0, 0));

    struct iocb never = prep_poll(fd, POLLIN);
    cancel(ctx, &never, EINVAL, "unknown-request", "none");

    struct iocb elsewhere = prep_poll(fd, POLLIN);
    submit(other, &elsewhere);
    cancel(ctx, &elsewhere, EINVAL, "unknown-request", NULL);
    cancel(other, &elsewhere, EINPROGRESS, "cancelled", "poll");
    struct io_event event = reap(other);
    expect_cancelled(&elsewhere, &event);

    struct iocb* untouched = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(untouched != MAP_FAILED, "mmap: %m");
    cancel(ctx, untouched, EINVAL, "unknown-request", "none");

    char* two_pages = pages(8192);
    OS(munmap(two_pages + 4096, 4096));
    cancel(ctx, (struct iocb*)(two_pages + 4096 - 16), EINVAL, "unknown-request", "none");

    destroy(other);
    destroy(ctx);
    finish();
}
