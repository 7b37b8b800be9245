/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings made with flags that change what lies where, or who runs what: without the array of SQ indices, with SQEs of
 * 128 and CQEs of 32 bytes, with task work that waits or is not hurried, and with indices that are not in order.
 */
#include "uring.h"

static char text[8];

static void use(unsigned setup_flags) {
    struct ring ring = ring_with(4, (struct io_uring_params){.flags = setup_flags});
    if (ring.fd < 0) {
        return; /* not known to this kernel */
    }
    int ends[2];
    make_pipe(ends);
    for (int i = 0; i < 6; i++) { /* more than fit at once */
        prep(&ring, IORING_OP_WRITE, ends[1], text, sizeof text, UINT64_MAX);
        run_expect(&ring, 8, "cqes=1");
        prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX);
        run_expect(&ring, 8, "cqes=1 armed=no");
    }
    uint64_t waiting = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    ring_submit(&ring);
    make_ready(ends[1]);
    reap_expect(&ring, waiting, 8, "armed=yes cqes=1");
    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
}

/* The kernel takes the entries that the array names. */
static void use_backwards(void) {
    struct ring ring = ring_new(8, 0);
    uint64_t numbers[4];
    for (unsigned i = 0; i < 4; i++) {
        numbers[i] = prep(&ring, i % 2 ? IORING_OP_NOP : IORING_OP_READ, 9999, text, i, 0)->user_data;
        ring.sq_array[i] = 3 - i;
    }
    ring_submit(&ring);
    struct cqe cqes[4];
    reap_all(&ring, cqes, 4);
    for (unsigned i = 0; i < 4; i++) {
        const struct cqe* cqe = cqe_of(cqes, 4, numbers[i]);
        CHECK(cqe->res == (i % 2 ? 0 : -EBADF), "number %u = %d", i, cqe->res);
        expect_cqe(cqe, "cqes=1");
    }
    ring_close(&ring);
}

int main(int argc, char** argv) {
    start(argc, argv);
    static const unsigned flags[] = {
        SETUP_NO_SQARRAY,
        IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
        IORING_SETUP_SQE128,
        IORING_SETUP_CQE32,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_SINGLE_ISSUER,
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        use(flags[i]);
    }
    use_backwards();
    finish();
}
