/* SPDX-License-Identifier: Apache-2.0 */
/* Every read, write and sync operation on a regular file, as in read_write, and at the file's own position. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR, 10000);
    char* buffer = pages(16384);
    struct iovec vector[3] = {{buffer, 100}, {buffer + 4096, 200}, {buffer + 8192, 300}};
    struct ring ring = ring_new(8, 0);

    prep(&ring, IORING_OP_WRITE, fd, buffer, 4096, 512);
    run_expect(&ring, 4096, "fixed=no");
    prep(&ring, IORING_OP_READ, fd, buffer, 4096, 512);
    run_expect(&ring, 4096, "fixed=no");
    prep(&ring, IORING_OP_WRITEV, fd, vector, 3, 1000);
    run_expect(&ring, 600, "fixed=no");
    prep(&ring, IORING_OP_READV, fd, vector, 3, 1000);
    run_expect(&ring, 600, "fixed=no");
    prep(&ring, IORING_OP_READ, fd, buffer, 4096, 9000); /* short: the file ends at 10000 */
    run_expect(&ring, 1000, "cqes=1");
    prep(&ring, IORING_OP_READV, fd, vector, 3, 9800); /* short, in the second of three pieces */
    run_expect(&ring, 200, "cqes=1");
    prep(&ring, IORING_OP_READ, fd, buffer, 4096, 1 << 20); /* beyond */
    run_expect(&ring, 0, "cqes=1");
    prep(&ring, IORING_OP_WRITE, fd, buffer, 10, 6LL << 30); /* an offset that needs more than 32 bits */
    run_expect(&ring, 10, "cqes=1");
    OS(lseek(fd, 300, SEEK_SET));
    prep(&ring, IORING_OP_READ, fd, buffer, 700, UINT64_MAX);
    run_expect(&ring, 700, "cqes=1");
    CHECK(lseek(fd, 0, SEEK_CUR) == 1000, "the position did not move");
    prep(&ring, IORING_OP_FSYNC, fd, NULL, 0, 0);
    run_expect(&ring, 0, "punted=yes");
    prep(&ring, IORING_OP_FSYNC, fd, NULL, 0, 0)->fsync_flags = IORING_FSYNC_DATASYNC;
    run_expect(&ring, 0, "punted=yes");
    prep(&ring, IORING_OP_SYNC_FILE_RANGE, fd, NULL, 4096, 0);
    run_expect(&ring, 0, "punted=yes");
    prep(&ring, IORING_OP_FALLOCATE, fd, (void*)20000, 0, 0); /* addr is the length, len the mode */
    run_expect(&ring, 0, "punted=yes");
    prep(&ring, IORING_OP_READ, 9999, buffer, 1, 0);
    run_expect(&ring, -EBADF, "cqes=1");
    prep(&ring, IORING_OP_READ, fd, (void*)8, 4096, 0);
    run_expect(&ring, -EFAULT, "cqes=1");

    ring_close(&ring);
    finish();
}
