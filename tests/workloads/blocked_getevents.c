/* SPDX-License-Identifier: Apache-2.0 */
/* Waits in io_getevents for 600 ms (or argv[2] ms) for an event that does not come. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    long ms = argument(600);
    struct iocb iocb = prep_poll((int)OS(eventfd(0, 0)), POLLIN);
    struct io_event event;
    aio_context_t ctx = setup(8);
    submit(ctx, &iocb);
    uint64_t begin = now_ns();
    long ret = io_getevents(ctx, 1, 1, &event, &(struct timespec){ms / 1000, ms % 1000 * 1000000});
    CHECK(ret == 0, "io_getevents = %ld", ret);
    CHECK(now_ns() - begin >= (uint64_t)ms * 1000000, "io_getevents was back too soon");
    expect_outcome(&iocb, "abandoned");
    destroy(ctx);
    finish();
}
