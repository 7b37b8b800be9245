/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains: one that succeeds, one that breaks in its middle, one that a short read breaks, and one of hard links, which
 * goes on after a failure.
 */
#include "uring.h"

static struct ring ring;

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(16, 0);
    int fd = scratch_file("data", O_RDWR, 1000);
    char* buffer = pages(4096);
    struct cqe cqes[4];
    uint64_t chain[4];

    /* Written, then read. */
    prep(&ring, IORING_OP_WRITE, fd, buffer, 100, 0)->flags = IOSQE_IO_LINK;
    chain[0] = last_user_data(&ring);
    prep(&ring, IORING_OP_FSYNC, fd, NULL, 0, 0)->flags = IOSQE_IO_LINK;
    chain[1] = last_user_data(&ring);
    chain[2] = prep(&ring, IORING_OP_READ, fd, buffer, 100, 0)->user_data;
    ring_submit(&ring);
    for (int i = 0; i < 3; i++) {
        reap_expect(&ring, chain[i], i == 1 ? 0 : 100, "linked=%s cause=none", i ? "yes" : "no");
    }

    /* Nothing behind the bad descriptor is done. */
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->flags = IOSQE_IO_LINK;
    chain[0] = last_user_data(&ring);
    prep(&ring, IORING_OP_READ, 9999, buffer, 100, 0)->flags = IOSQE_IO_LINK;
    chain[1] = last_user_data(&ring);
    prep(&ring, IORING_OP_WRITE, fd, buffer, 100, 0)->flags = IOSQE_IO_LINK;
    chain[2] = last_user_data(&ring);
    chain[3] = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    ring_submit(&ring);
    reap_all(&ring, cqes, 4);
    static const int broken[4] = {0, -EBADF, -ECANCELED, -ECANCELED};
    for (int i = 0; i < 4; i++) {
        const struct cqe* cqe = cqe_of(cqes, 4, chain[i]);
        CHECK(cqe->res == broken[i], "number %d of the chain = %d, not %d", i, cqe->res, broken[i]);
        expect_cqe(cqe, "linked=%s cause=%s", i ? "yes" : "no", i < 2 ? "none" : "link-failed");
    }

    /* A short read breaks it too, though its result is no error. */
    prep(&ring, IORING_OP_READ, fd, buffer, 4096, 500)->flags = IOSQE_IO_LINK;
    chain[0] = last_user_data(&ring);
    chain[1] = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, chain[0])->res == 500 && cqe_of(cqes, 2, chain[1])->res == -ECANCELED, "it did not break");
    expect_cqe(cqe_of(cqes, 2, chain[0]), "linked=no cause=none");
    expect_cqe(cqe_of(cqes, 2, chain[1]), "linked=yes cause=link-failed");

    prep(&ring, IORING_OP_READ, fd, buffer, 4096, 500)->flags = IOSQE_IO_HARDLINK;
    chain[0] = last_user_data(&ring);
    prep(&ring, IORING_OP_READ, 9999, buffer, 100, 0)->flags = IOSQE_IO_HARDLINK;
    chain[1] = last_user_data(&ring);
    chain[2] = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    ring_submit(&ring);
    static const int hard[3] = {500, -EBADF, 0};
    for (int i = 0; i < 3; i++) {
        reap_expect(&ring, chain[i], hard[i], "linked=%s cause=none", i ? "yes" : "no");
    }

    ring_close(&ring);
    finish();
}
