/* SPDX-License-Identifier: Apache-2.0 */
/* Without IORING_SETUP_SUBMIT_ALL a bad SQE ends the submission: the call counts it, and leaves those behind it. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    uint64_t first = last_user_data(&ring);
    prep(&ring, IORING_OP_TIMEOUT, -1, NULL, 2, 0); /* len must be 1 */
    uint64_t bad = last_user_data(&ring);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    uint64_t behind = last_user_data(&ring);
    long ret = ring_submit_some(&ring, 0);
    CHECK(ret == 2, "io_uring_enter = %ld, not 2", ret);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, first)->res == 0 && cqe_of(cqes, 2, bad)->res == -EINVAL && !cqes_waiting(&ring), "no stop");
    expect_cqe(cqe_of(cqes, 2, first), "prep_failed=no");
    expect_cqe(cqe_of(cqes, 2, bad), "prep_failed=yes");
    expect("event event=io_uring_enter ret=2");
    ring_submit(&ring);
    reap_expect(&ring, behind, 0, "prep_failed=no");
    ring_close(&ring);
    finish();
}
