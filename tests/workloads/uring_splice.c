/* SPDX-License-Identifier: Apache-2.0 */
/* tee from one pipe to another, and splice from a file to a pipe. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int fd = scratch_file("data", O_RDONLY, 10000);
    int one[2];
    int other[2];
    make_pipe(one);
    make_pipe(other);

    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_SPLICE, one[1], NULL, 1000, UINT64_MAX);
    sqe->splice_fd_in = fd;
    sqe->splice_off_in = 500;
    run_expect(&ring, 1000, "punted=yes");
    sqe = prep(&ring, IORING_OP_TEE, other[1], NULL, 600, 0);
    sqe->splice_fd_in = one[0];
    run_expect(&ring, 600, "punted=yes");
    sqe = prep(&ring, IORING_OP_SPLICE, other[1], NULL, 10, UINT64_MAX);
    sqe->splice_fd_in = 9999;
    sqe->splice_off_in = UINT64_MAX;
    run_expect(&ring, -EBADF, "punted=yes");

    ring_close(&ring);
    finish();
}
