/* SPDX-License-Identifier: Apache-2.0 */
/* Two polls with one user_data on two descriptors: the cancels name the descriptor too, and can mean one only. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2][2];
    uint64_t shared = unique_user_data();
    for (int i = 0; i < 2; i++) {
        make_pipe(ends[i]);
        struct io_uring_sqe* sqe = prep(&ring, IORING_OP_POLL_ADD, ends[i][0], NULL, 0, 0);
        sqe->poll32_events = POLLIN;
        sqe->user_data = shared;
    }
    ring_submit(&ring);
    for (int i = 1; i >= 0; i--) {
        struct io_uring_sqe* sqe = prep(&ring, IORING_OP_ASYNC_CANCEL, ends[i][0], (void*)shared, 0, 0);
        sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | CANCEL_USERDATA;
        uint64_t cancelling = last_user_data(&ring);
        ring_submit(&ring);
        struct cqe cqes[2];
        reap_all(&ring, cqes, 1);
        if (cqes[0].user_data == cancelling && cqes[0].res == -EINVAL) {
            skip("this kernel knows no cancel by descriptor and user_data");
        }
        reap_all(&ring, cqes + 1, 1);
        CHECK(cqe_of(cqes, 2, shared)->res == -ECANCELED && cqe_of(cqes, 2, cancelling)->res == 0, "not cancelled");
        expect_cqe(cqe_of(cqes, 2, cancelling), "cause=none");
    }
    expect("request family=uring op=poll_add user_data=%#lx outcome=cancelled cause=cancel count=2", shared);
    ring_close(&ring);
    finish();
}
