/* SPDX-License-Identifier: Apache-2.0 */
/* Chains that break without an error: behind a read that was short, and behind a timeout that has expired. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    static char buffer[4096];
    int fd = scratch_file("short", O_RDWR, 1000);
    struct cqe cqes[2];

    /* A hard link holds. */
    const struct {
        unsigned flag;
        int behind;
        const char* breaks;
    } links[] = {{IOSQE_IO_LINK, -ECANCELED, "yes"}, {IOSQE_IO_HARDLINK, 0, "no"}};
    for (int i = 0; i < 2; i++) {
        struct io_uring_sqe* head = prep(&ring, IORING_OP_READ, fd, buffer, sizeof buffer, 0);
        head->flags = (unsigned char)links[i].flag;
        uint64_t reading = head->user_data;
        uint64_t behind = prep(&ring, IORING_OP_FSYNC, fd, NULL, 0, 0)->user_data;
        ring_submit(&ring);
        reap_all(&ring, cqes, 2);
        CHECK(cqe_of(cqes, 2, reading)->res == 1000, "read = %d", cqe_of(cqes, 2, reading)->res);
        CHECK(cqe_of(cqes, 2, behind)->res == links[i].behind, "fsync = %d", cqe_of(cqes, 2, behind)->res);
        expect_cqe(cqe_of(cqes, 2, reading), "breaks_chain=%s cause=none", links[i].breaks);
        expect_cqe(cqe_of(cqes, 2, behind), "breaks_chain=no");
    }

    struct __kernel_timespec soon = milliseconds(5);
    struct io_uring_sqe* head = prep(&ring, IORING_OP_TIMEOUT, -1, &soon, 1, 0);
    head->flags = IOSQE_IO_LINK;
    uint64_t timer = head->user_data;
    uint64_t behind = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, behind)->res == -ECANCELED, "nop = %d", cqe_of(cqes, 2, behind)->res);
    expect_cqe(cqe_of(cqes, 2, timer), "breaks_chain=yes");
    expect_cqe(cqe_of(cqes, 2, behind), "cause=link-failed");

    ring_close(&ring);
    finish();
}
