/* SPDX-License-Identifier: Apache-2.0 */
/* Registered files and registered buffers: each alone, and both together. The fd is then an index of the table. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    char* buffer = pages(8192);
    const int files[3] = {scratch_file("a", O_RDWR, 10000), -1, scratch_file("b", O_RDWR, 5000)};
    const struct iovec buffers[2] = {{buffer, 4096}, {buffer + 4096, 4096}};
    struct ring ring = ring_new(8, 0);
    ring_register(&ring, IORING_REGISTER_FILES, files, 3);
    ring_register(&ring, IORING_REGISTER_BUFFERS, buffers, 2);

    prep(&ring, IORING_OP_WRITE_FIXED, files[0], buffer, 1000, 100)->buf_index = 0;
    run_expect(&ring, 1000, "fixed=no");
    prep(&ring, IORING_OP_READ_FIXED, files[2], buffer + 5000, 2000, 4000)->buf_index = 1;
    run_expect(&ring, 1000, "fixed=no"); /* short */
    prep(&ring, IORING_OP_READ, 2, buffer, 300, 0)->flags = IOSQE_FIXED_FILE;
    run_expect(&ring, 300, "fixed=yes");
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_READ_FIXED, 0, buffer, 4096, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    run_expect(&ring, 4096, "fixed=yes");
    prep(&ring, IORING_OP_READ, 1, buffer, 300, 0)->flags = IOSQE_FIXED_FILE; /* an empty slot */
    run_expect(&ring, -EBADF, "fixed=yes");
    prep(&ring, IORING_OP_READ_FIXED, files[0], buffer, 5000, 0)->buf_index = 0; /* longer than the buffer */
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res == -EFAULT, "read_fixed = %d", cqe.res);
    expect_of(cqe.user_data, "fd=%d result=%d outcome=failed reaped=yes", files[0], cqe.res); /* some refuse the SQE */

    ring_close(&ring);
    expect_ring(&ring, "files=3 buffers=2 overflowed=0");
    finish();
}
