/* SPDX-License-Identifier: Apache-2.0 */
/* IOSQE_IO_DRAIN: a NOP is held back until what was submitted before it has completed. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];

    uint64_t reading = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    ring_submit(&ring);
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    sqe->flags = IOSQE_IO_DRAIN;
    uint64_t held = sqe->user_data;
    ring_submit(&ring);
    CHECK(cqes_waiting(&ring) == 0, "a NOP was not held back");
    make_ready(ends[1]);
    reap_expect(&ring, reading, 8, "deferred=no");
    reap_expect(&ring, held, 0, "deferred=yes");

    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->flags = IOSQE_IO_DRAIN; /* nothing to wait for */
    run_expect(&ring, 0, "cqes=1"); /* newer kernels put it on the list all the same */

    ring_close(&ring);
    finish();
}
