/* SPDX-License-Identifier: Apache-2.0 */
/* A read with a linked timeout, both ways: the timeout fires and takes the read, and the read ends in time. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];
    struct __kernel_timespec soon = milliseconds(20);
    struct __kernel_timespec never = milliseconds(100000);
    struct cqe cqes[2];

    prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->flags = IOSQE_IO_LINK;
    uint64_t read_late = last_user_data(&ring);
    uint64_t fired = prep(&ring, IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0)->user_data;
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, read_late)->res == -ECANCELED, "read = %d", cqe_of(cqes, 2, read_late)->res);
    CHECK(cqe_of(cqes, 2, fired)->res == -ETIME, "link_timeout = %d", cqe_of(cqes, 2, fired)->res);
    expect_cqe(cqe_of(cqes, 2, read_late), "cause=link-timeout armed=yes");
    expect_cqe(cqe_of(cqes, 2, fired), "timeout_ns=20000000 linked=yes cause=none");
    expect("cancel way=link-timeout verdict=cancelled target_op=read");
    account_cancels(1);

    prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->flags = IOSQE_IO_LINK;
    uint64_t read_in_time = last_user_data(&ring);
    uint64_t unused = prep(&ring, IORING_OP_LINK_TIMEOUT, -1, &never, 1, 0)->user_data;
    ring_submit(&ring);
    make_ready(ends[1]);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, read_in_time)->res == 8, "read = %d", cqe_of(cqes, 2, read_in_time)->res);
    CHECK(cqe_of(cqes, 2, unused)->res == -ECANCELED, "link_timeout = %d", cqe_of(cqes, 2, unused)->res);
    expect_cqe(cqe_of(cqes, 2, read_in_time), "cause=none armed=yes");
    expect_cqe(cqe_of(cqes, 2, unused), "linked=yes cause=target-ended");

    ring_close(&ring);
    finish();
}
