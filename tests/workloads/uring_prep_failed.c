/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQEs that the kernel refuses when it reads them: an opcode that is none, flags that are none, a buffer group for an
 * operation without buffers, and fields that must be 0. One in a chain takes the chain along.
 */
#include "uring.h"

static struct ring ring;

static uint64_t odd(int opcode, unsigned flags) {
    struct io_uring_sqe* sqe = prep(&ring, opcode, -1, NULL, 0, 0);
    sqe->flags = (uint8_t)flags;
    return sqe->user_data;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, IORING_SETUP_SUBMIT_ALL);

    uint64_t unknown = odd(250, 0);
    ring_submit(&ring);
    reap_of(&ring, unknown, -EINVAL);
    expect("request family=uring user_data=%#lx result=%d error=EINVAL outcome=failed reaped=yes prep_failed=yes",
           unknown, -EINVAL);
    odd(IORING_OP_NOP, 0x80);
    run_expect(&ring, -EINVAL, "prep_failed=yes");
    odd(IORING_OP_NOP, IOSQE_BUFFER_SELECT);
    run_expect(&ring, -EOPNOTSUPP, "prep_failed=yes");
    prep(&ring, IORING_OP_TIMEOUT, -1, NULL, 2, 0); /* len must be 1 */
    run_expect(&ring, -EINVAL, "prep_failed=yes");
    odd(IORING_OP_NOP, 0);
    run_expect(&ring, 0, "prep_failed=no");

    uint64_t chain[3] = {odd(IORING_OP_NOP, IOSQE_IO_LINK)};
    prep(&ring, IORING_OP_TIMEOUT, -1, NULL, 2, 0)->flags = IOSQE_IO_LINK;
    chain[1] = last_user_data(&ring);
    chain[2] = odd(IORING_OP_NOP, 0);
    ring_submit(&ring);
    struct cqe cqes[3];
    reap_all(&ring, cqes, 3);
    CHECK(cqe_of(cqes, 3, chain[0])->res == -ECANCELED && cqe_of(cqes, 3, chain[1])->res == -EINVAL &&
              cqe_of(cqes, 3, chain[2])->res == -ECANCELED,
          "a chain with a bad SQE did something");
    expect_cqe(cqe_of(cqes, 3, chain[0]), "cause=link-failed");
    expect_cqe(cqe_of(cqes, 3, chain[1]), "prep_failed=yes");
    expect_cqe(cqe_of(cqes, 3, chain[2]), "cause=link-failed");

    ring_close(&ring);
    finish();
}
