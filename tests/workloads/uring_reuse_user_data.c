/* SPDX-License-Identifier: Apache-2.0 */
/* Two reads in flight with one user_data, and a cancel by it, which takes the first that the kernel finds. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];
    uint64_t number = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data = number;
    ring_submit(&ring);
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)number, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, number)->res == -ECANCELED && cqe_of(cqes, 2, cancelling)->res == 0, "not cancelled");
    expect_cqe(cqe_of(cqes, 2, cancelling), "cqes=1");
    expect_attempt("async-cancel", number, 0, "cancelled", "read");
    make_ready(ends[1]);
    reap_of(&ring, number, 8);
    expect("request family=uring op=read user_data=%#lx count=2", number);
    expect("request family=uring op=read user_data=%#lx outcome=cancelled cause=cancel", number);
    expect("request family=uring op=read user_data=%#lx outcome=completed result=8 cause=none", number);
    expect("finding code=user-data-reuse");
    ring_close(&ring);
    finish();
}
