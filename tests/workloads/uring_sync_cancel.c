/* SPDX-License-Identifier: Apache-2.0 */
/* IORING_REGISTER_SYNC_CANCEL: of a pending read, of one that is not there, of all reads of a descriptor. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];

    uint64_t reading = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    ring_submit(&ring);
    long ret = sync_cancel(&ring, reading, -1, 0);
    CHECK(ret == 0, "sync_cancel = %ld", ret);
    reap_expect(&ring, reading, -ECANCELED, "cause=cancel");
    expect_attempt("sync-cancel", reading, 0, "cancelled", "read");

    ret = sync_cancel(&ring, 0xdeadbeef, -1, 0);
    CHECK(ret == -ENOENT, "sync_cancel = %ld", ret);
    expect_attempt("sync-cancel", 0xdeadbeef, -ENOENT, "unknown-request", "none");

    ret = sync_cancel(&ring, 0, -1, 0x8000); /* no such flag */
    CHECK(ret == -EINVAL, "sync_cancel = %ld", ret);
    expect("cancel way=sync-cancel ret=%d error=EINVAL verdict=bad-argument taken=0", -EINVAL);

    uint64_t reads[2];
    for (int i = 0; i < 2; i++) {
        reads[i] = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    }
    ring_submit(&ring);
    ret = sync_cancel(&ring, 0, ends[0], IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL);
    CHECK(ret == 2 || ret == 0, "sync_cancel = %ld", ret);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    for (int i = 0; i < 2; i++) {
        CHECK(cqe_of(cqes, 2, reads[i])->res == -ECANCELED, "read = %d", cqe_of(cqes, 2, reads[i])->res);
        expect_cqe(cqe_of(cqes, 2, reads[i]), "cause=cancel");
    }
    expect("cancel way=sync-cancel ret=%ld verdict=cancelled taken=2 target_op=read", ret);
    ring_close(&ring);
    finish();
}
