/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQEs of 128 and CQEs of 32 bytes, in rings where all have that size and in rings of both sizes. A NOP that asks for
 * it answers with what stood in its SQE.
 */
#include "uring.h"

enum { NOP_CQE32 = 1 << 5, FIRST = 0x1234, SECOND = 0x5678 };

static void run_big(struct ring* ring) {
    prep(ring, IORING_OP_NOP, -1, (void*)SECOND, 0, FIRST)->rw_flags = NOP_CQE32;
    ring_submit(ring);
    uint64_t big[2];
    struct cqe cqe = ring_reap_big(ring, big);
    if (cqe.res == -EINVAL) {
        expect_cqe(&cqe, "prep_failed=yes"); /* before Linux 6.18 */
        return;
    }
    CHECK(cqe.res == 0, "a nop with a CQE of 32 bytes = %d", cqe.res);
    /* Before Linux 6.10 a nop does not look at its flags. */
    expect_cqe(&cqe, "big_cqe=0x%lx,0x%lx", big[0], big[1]);
}

/* Small and big ones take turns, more than fit at once: some do not fit before the end of the ring. */
static void use_mixed_cqes(void) {
    struct ring ring = ring_with(4, (struct io_uring_params){.flags = SETUP_CQE_MIXED});
    if (ring.fd < 0) {
        return;
    }
    for (int i = 0; i < 7; i++) {
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        run_expect(&ring, 0, "big_cqe= cqes=1");
        run_big(&ring);
    }
    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
}

static void use_mixed_sqes(void) {
    struct ring ring = ring_with(8, (struct io_uring_params){.flags = SETUP_SQE_MIXED});
    if (ring.fd < 0) {
        return;
    }
    int ends[2];
    make_pair(AF_INET, ends);
    CHECK(send(ends[1], "12345", 5, 0) == 5, "send: %m");
    for (int i = 0; i < 5; i++) {
        prep_wide(&ring, OP_NOP128, -1, NULL, 0, 0);
        run_expect(&ring, 0, "cqes=1");
        prep(&ring, IORING_OP_POLL_ADD, ends[0], NULL, 0, 0)->poll32_events = POLLIN;
        run_expect(&ring, POLLIN, "cqes=1");
        prep_wide(&ring, OP_URING_CMD128, ends[0], NULL, 0, 0); /* SOCKET_URING_OP_SIOCINQ */
        run_expect(&ring, 5, "command=SOCKET_URING_OP_SIOCINQ");
    }
    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
}

static void use_wide(void) {
    struct ring ring = ring_with(4, (struct io_uring_params){.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32});
    if (ring.fd < 0) {
        return;
    }
    run_big(&ring);
    if (ring_has(&ring, OP_NOP128)) {
        prep(&ring, OP_NOP128, -1, NULL, 0, 0);
        run_expect(&ring, 0, "cqes=1");
    }
    ring_close(&ring);
}

int main(int argc, char** argv) {
    start(argc, argv);
    use_wide();
    use_mixed_cqes();
    use_mixed_sqes();
    finish();
}
