/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of 1, 2, 32, 128 and 1024 iocbs, each in one io_submit: polls that are ready and preads, in turn. */
#include "aio.h"

static const int sizes[] = {1, 2, 32, 128, 1024};
enum { SIZES = sizeof sizes / sizeof *sizes, LARGEST = 1024 };
static struct iocb iocbs[SIZES][LARGEST];
static struct iocb* list[LARGEST];
static struct io_event events[LARGEST];

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDONLY, 65536);
    int ready = ready_eventfd();
    char* buffer = pages(4096);
    aio_context_t ctx = setup(LARGEST);
    for (int size = 0; size < SIZES; size++) {
        int count = sizes[size];
        for (int i = 0; i < count; i++) {
            iocbs[size][i] = i % 2 ? prep_rw(IOCB_CMD_PREAD, fd, buffer, 8, i * 16) : prep_poll(ready, POLLIN);
            list[i] = &iocbs[size][i];
        }
        long ret = io_submit(ctx, count, list);
        CHECK(ret == count, "io_submit of %d = %ld", count, ret);
        reap_many(ctx, count, events);
        for (int i = 0; i < count; i++) {
            expect_reaped((const struct iocb*)(uintptr_t)events[i].obj, &events[i]);
        }
    }
    destroy(ctx);
    finish();
}
