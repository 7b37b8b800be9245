/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOSQE_CQE_SKIP_SUCCESS: a success has no CQE, a failure has one; in a chain only the last speaks; and a chain that
 * breaks takes along the CQEs of those behind it that asked for none, or of all where its head did.
 */
#include "uring.h"

static struct ring ring;
static char* buffer;

static uint64_t skipping(int opcode, int fd, unsigned length, unsigned flags) {
    struct io_uring_sqe* sqe = prep(&ring, opcode, fd, length ? buffer : NULL, length, 0);
    sqe->flags = (uint8_t)(IOSQE_CQE_SKIP_SUCCESS | flags);
    return sqe->user_data;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(16, 0);
    int fd = scratch_file("data", O_RDWR, 1000);
    buffer = pages(4096);

    uint64_t silent = skipping(IORING_OP_READ, fd, 100, 0);
    ring_submit(&ring);
    expect_sqe(silent, "outcome=completed skipped=yes");
    skipping(IORING_OP_READ, 9999, 100, 0);
    run_expect(&ring, -EBADF, "skipped=no");

    uint64_t first = skipping(IORING_OP_WRITE, fd, 100, IOSQE_IO_LINK);
    uint64_t second = skipping(IORING_OP_NOP, -1, 0, IOSQE_IO_LINK);
    uint64_t last = prep(&ring, IORING_OP_READ, fd, buffer, 100, 0)->user_data;
    ring_submit(&ring);
    reap_expect(&ring, last, 100, "skipped=no linked=yes");
    expect_sqe(first, "outcome=completed skipped=yes linked=no");
    expect_sqe(second, "outcome=completed skipped=yes linked=yes");

    /* REQ_F_SKIP_LINK_CQES: such a head takes those behind along without CQEs, whatever they asked for. */
    uint64_t silent_head = skipping(IORING_OP_READ, 9999, 100, IOSQE_IO_LINK);
    uint64_t rest[2];
    for (int i = 0; i < 2; i++) {
        struct io_uring_sqe* sqe = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        sqe->flags = i == 0 ? IOSQE_IO_LINK : 0;
        rest[i] = sqe->user_data;
    }
    ring_submit(&ring);
    reap_expect(&ring, silent_head, -EBADF, "skipped=no linked=no");
    CHECK(!cqes_waiting(&ring), "a CQE of the rest of a chain that asked for none");
    for (int i = 0; i < 2; i++) {
        expect_sqe(rest[i], "outcome=cancelled skipped=yes linked=yes cause=link-failed");
    }

    /* io_fail_links() of io_uring/: the wish for no CQE then goes for those behind as well. */
    uint64_t broken = skipping(IORING_OP_READ, 9999, 100, IOSQE_IO_LINK);
    uint64_t behind = skipping(IORING_OP_NOP, -1, 0, 0);
    ring_submit(&ring);
    reap_expect(&ring, broken, -EBADF, "skipped=no linked=no");
    uint64_t after = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    ring_submit(&ring);
    struct cqe cqe = ring_reap(&ring);
    if (cqe.user_data == behind) {
        expect_cqe(&cqe, "skipped=no linked=yes cause=link-failed");
        cqe = ring_reap(&ring);
    } else {
        expect_sqe(behind, "outcome=cancelled skipped=yes linked=yes cause=link-failed");
    }
    CHECK(cqe.user_data == after && cqe.res == 0 && !cqes_waiting(&ring), "a CQE of another");
    expect_cqe(&cqe, "skipped=no");

    ring_close(&ring);
    finish();
}
