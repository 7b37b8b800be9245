/* SPDX-License-Identifier: Apache-2.0 */
/*
 * async_cancel of a read that a worker is blocked in: the worker is interrupted, and the call says -EALREADY, or 0
 * where the kernel had not begun. What the read ends with says what became of it.
 */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    int other[2];
    make_pipe(ends);
    make_pipe(other);

    /* A splice from an empty pipe blocks where it runs. */
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_SPLICE, other[1], NULL, 8, UINT64_MAX);
    sqe->splice_fd_in = ends[0];
    sqe->splice_off_in = UINT64_MAX;
    uint64_t target = sqe->user_data;
    ring_submit(&ring);
    sleep_ms(100); /* a worker has it by then */
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)target, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    int ret = cqe_of(cqes, 2, cancelling)->res;
    int result = cqe_of(cqes, 2, target)->res;
    CHECK(ret == -EALREADY || ret == 0, "async_cancel = %d", ret);
    CHECK(result < 0, "splice = %d", result);
    fprintf(stderr, "async_cancel = %d, splice = %d\n", ret, result);
    expect_sqe(target, "result=%d outcome=cancelled cause=cancel reaped=yes punted=yes", result);
    expect_cqe(cqe_of(cqes, 2, cancelling), "cause=none");
    expect_attempt("async-cancel", target, ret, ret ? "running" : "cancelled", "splice");

    ring_close(&ring);
    finish();
}
