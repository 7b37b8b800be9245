/* SPDX-License-Identifier: Apache-2.0 */
/* 12 NOPs for a CQ ring of 4 entries: 8 CQEs go to the kernel's backlog, and come when there is room again. */
#include "uring.h"

enum { ENTRIES = 4, NOPS = 12 };

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_with(2, (struct io_uring_params){.flags = IORING_SETUP_CQSIZE, .cq_entries = ENTRIES});
    for (int i = 0; i < NOPS; i += 2) {
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        long ret = ring_submit_some(&ring, 0);
        CHECK(ret == 2, "io_uring_enter = %ld", ret);
    }
    CHECK(cqes_waiting(&ring) == ENTRIES, "%u CQEs, not %d", cqes_waiting(&ring), ENTRIES);
    for (int i = 0; i < NOPS; i++) {
        struct cqe cqe = ring_reap(&ring);
        CHECK(cqe.res == 0, "nop = %d", cqe.res);
        if (i < ENTRIES) {
            expect_cqe(&cqe, "overflowed=no cqes=1");
        } else {
            expect_of(cqe.user_data, "result=0 outcome=completed overflowed=yes cqes=1");
        }
    }
    ring_close(&ring);
    expect_ring(&ring, "overflowed=%d", NOPS - ENTRIES);
    finish();
}
