/* SPDX-License-Identifier: Apache-2.0 */
/* A send of a bundle of provided buffers: one request, a CQE for each buffer, and all of them are its bytes. */
#include "uring.h"

enum { BUFFERS = 32, BYTES = 128, GROUP = 7, BUNDLE = 1 << 4 /* IORING_RECVSEND_BUNDLE, of Linux 6.10 */ };

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(64, 0);
    int ends[2];
    make_pair(AF_UNIX, ends);
    char* buffers = pages(BUFFERS * BYTES);
    prep(&ring, IORING_OP_PROVIDE_BUFFERS, BUFFERS, buffers, BYTES, 0)->buf_group = GROUP;
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res >= 0, "provide_buffers = %d", cqe.res);
    expect_cqe(&cqe, "cqes=1");

    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_SEND, ends[0], NULL, 0, 0);
    sqe->ioprio = BUNDLE;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    uint64_t sending = sqe->user_data;
    ring_submit(&ring);
    unsigned count = 0;
    long bytes = 0;
    do {
        cqe = ring_reap(&ring);
        CHECK(cqe.user_data == sending, "a CQE of %#lx", cqe.user_data);
        if (cqe.res == -EINVAL || cqe.res == -EOPNOTSUPP) {
            skip("this kernel sends no bundles");
        }
        CHECK(cqe.res > 0, "send = %d", cqe.res);
        bytes += cqe.res;
        count++;
    } while (cqe.flags & IORING_CQE_F_MORE);
    CHECK(bytes == (long)BUFFERS * BYTES, "%ld bytes were sent", bytes);
    expect_of(sending, "outcome=completed multishot=no cqes=%u", count);
    ring_close(&ring);
    finish();
}
