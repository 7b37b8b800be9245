/* SPDX-License-Identifier: Apache-2.0 */
/* IORING_SETUP_IOPOLL: direct reads, where the file's device allows it; where not, their refusal. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(4, IORING_SETUP_IOPOLL);
    int fd = scratch_file("data", O_RDONLY | O_DIRECT, 16384);
    char* buffer = pages(4096);
    for (unsigned i = 0; i < 4; i++) {
        prep(&ring, IORING_OP_READ, fd, buffer, 4096, i * 4096);
        struct cqe cqe = ring_run(&ring);
        CHECK(cqe.res == 4096 || cqe.res == -EOPNOTSUPP, "read = %d", cqe.res);
        expect_cqe(&cqe, "cqes=1");
    }
    prep(&ring, IORING_OP_TIMEOUT, -1, NULL, 1, 0); /* no such thing on this ring */
    run_expect(&ring, -EINVAL, "prep_failed=yes");
    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
    finish();
}
