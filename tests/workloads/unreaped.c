/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completions that nobody takes, and reads that nothing but the kernel's count shows to who looks later: of a file
 * whose server does not answer. Prints a line for each completion, and one for the reads:
 *
 *   unreaped user_data=0x... family=aio|uring result=N
 *   hidden count=N ctx=0x...
 *
 * then "ready", and waits until it is killed. Where there is no FUSE the count is 0.
 */
#include "fuse.h"
#include "uring.h"

#include <sys/stat.h>

enum { HIDDEN = 3 };

int main(int argc, char** argv) {
    start(argc, argv);
    static char text[4][4096];
    struct ring ring = ring_new(8, 0);
    int fd = scratch_file("unreaped", O_RDWR, 8192);
    for (int i = 0; i < 3; i++) {
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    }
    prep(&ring, IORING_OP_READ, fd, text[0], 100, 0);
    ring_submit(&ring);
    for (int ms = 0; cqes_waiting(&ring) < 4; ms++) {
        CHECK(ms < 5000, "the requests of the ring do not end");
        sleep_ms(1);
    }
    for (unsigned i = 0; i < 4; i++) {
        const struct cqe* cqe = (const void*)(ring.cqes + ((*ring.cq_head + i) & (ring.params.cq_entries - 1)) * 16);
        printf("unreaped user_data=%#lx family=uring result=%d\n", cqe->user_data, cqe->res);
    }

    aio_context_t ctx = setup(8);
    struct iocb done[2] = {prep_rw(IOCB_CMD_PREAD, fd, text[1], 100, 0),
                           prep_rw(IOCB_CMD_PREAD, fd, text[1], 200, 8092)};
    for (int i = 0; i < 2; i++) {
        submit(ctx, &done[i]);
        printf("unreaped user_data=%#llx family=aio result=100\n", done[i].aio_data);
    }
    CHECK(ring_waiting(ctx) == 2, "buffered reads complete at once");

    static struct fuse_file file;
    int hidden = 0;
    if (fuse_serve(&file, 300)) {
        int held = (int)OS(open(file.path, O_RDONLY | O_DIRECT));
        struct iocb iocbs[HIDDEN];
        char* buffer = pages(4096 * HIDDEN);
        struct stat status;
        OS(fstat(held, &status));
        for (; hidden < HIDDEN; hidden++) {
            iocbs[hidden] = prep_rw(IOCB_CMD_PREAD, held, buffer + hidden * 4096, 4096, hidden * 4096);
            submit(ctx, &iocbs[hidden]);
        }
    }
    printf("hidden count=%d ctx=%#lx\nready\n", hidden, ctx);
    fflush(stdout);
    for (;;) {
        pause();
    }
}
