/* SPDX-License-Identifier: Apache-2.0 */
/* NOPs in batches of 1, 8 and 32, each reaped from the ring without a system call. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    static const unsigned batches[] = {1, 8, 32};
    struct ring ring = ring_new(32, 0);
    for (unsigned i = 0; i < sizeof batches / sizeof *batches; i++) {
        for (unsigned k = 0; k < batches[i]; k++) {
            prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        }
        ring_submit(&ring);
        CHECK(cqes_waiting(&ring) == batches[i], "%u CQEs at once, not %u", cqes_waiting(&ring), batches[i]);
        for (unsigned k = 0; k < batches[i]; k++) {
            struct cqe cqe = ring_reap(&ring);
            CHECK(cqe.res == 0, "nop = %d", cqe.res);
            expect_cqe(&cqe, "cqes=1 cause=none prep_failed=no multishot=no overflowed=no punted=no linked=no");
        }
    }
    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
    finish();
}
