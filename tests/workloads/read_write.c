/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every read, write and sync operation on a regular file, one after the other, each reaped: whole, short at the end of
 * the file, and beyond it.
 */
#include "aio.h"

static aio_context_t ctx;
static struct iocb iocbs[16];
static int used;

static void run(struct iocb request, long result) {
    struct iocb* iocb = &iocbs[used++];
    *iocb = request;
    submit(ctx, iocb);
    struct io_event event = reap(ctx);
    CHECK(event.res == result, "%s = %lld, not %ld", op_name(iocb->aio_lio_opcode), event.res, result);
    expect_reaped(iocb, &event);
}

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR, 10000);
    char* buffer = pages(16384);
    struct iovec vector[3] = {{buffer, 100}, {buffer + 4096, 200}, {buffer + 8192, 300}};
    ctx = setup(8);

    run(prep_rw(IOCB_CMD_PWRITE, fd, buffer, 4096, 512), 4096);
    run(prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 512), 4096);
    run(prep_rw(IOCB_CMD_PWRITEV, fd, vector, 3, 1000), 600);
    run(prep_rw(IOCB_CMD_PREADV, fd, vector, 3, 1000), 600);
    run(prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 9000), 1000);   /* short: the file ends at 10000 */
    run(prep_rw(IOCB_CMD_PREADV, fd, vector, 3, 9800), 200);      /* short, in the second of three pieces */
    run(prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 1 << 20), 0);   /* beyond */
    run(prep_rw(IOCB_CMD_PREAD, fd, buffer, 0, 0), 0);            /* nothing asked for */
    run(prep_rw(IOCB_CMD_PWRITE, fd, buffer, 10, 6LL << 30), 10); /* an offset that needs more than 32 bits */
    run(prep_fsync(IOCB_CMD_FSYNC, fd), 0);
    run(prep_fsync(IOCB_CMD_FDSYNC, fd), 0);

    destroy(ctx);
    finish();
}
