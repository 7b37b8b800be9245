/* SPDX-License-Identifier: Apache-2.0 */
/* A futex wait that a request wakes, one whose value is another already, one that is cancelled. */
#include "uring.h"

enum { FLAGS = 2 | 128 /* FUTEX2_SIZE_U32, FUTEX2_PRIVATE */ };

static struct ring ring;

static uint64_t futex(int opcode, uint32_t* word, uint64_t value) {
    struct io_uring_sqe* sqe = prep(&ring, opcode, FLAGS, word, 0, value);
    sqe->addr3 = 0xffffffff;
    return sqe->user_data;
}

int main(int argc, char** argv) {
    start(argc, argv);
    static uint32_t word = 5;
    struct cqe cqes[2];
    ring = ring_new(8, 0);
    ring_needs(&ring, OP_FUTEX_WAIT);

    uint64_t waiting = futex(OP_FUTEX_WAIT, &word, 5);
    ring_submit(&ring);
    uint64_t waking = futex(OP_FUTEX_WAKE, &word, 1);
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, waiting)->res == 0 && cqe_of(cqes, 2, waking)->res == 1, "it did not wake");
    expect_cqe(cqe_of(cqes, 2, waiting), "cqes=1");
    expect_cqe(cqe_of(cqes, 2, waking), "cqes=1");
    futex(OP_FUTEX_WAIT, &word, 6);
    run_expect(&ring, -EAGAIN, "cqes=1");

    waiting = futex(OP_FUTEX_WAIT, &word, 5);
    ring_submit(&ring);
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)waiting, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    int ret = cqe_of(cqes, 2, cancelling)->res;
    CHECK(cqe_of(cqes, 2, waiting)->res == -ECANCELED && ret >= 0, "async_cancel = %d", ret);
    expect_cqe(cqe_of(cqes, 2, waiting), "cause=cancel");
    expect_cqe(cqe_of(cqes, 2, cancelling), "cause=none");
    expect_attempt("async-cancel", waiting, ret, "cancelled", "futex_wait");

    ring_close(&ring);
    finish();
}
