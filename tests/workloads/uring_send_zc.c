/* SPDX-License-Identifier: Apache-2.0 */
/* send_zc over the loopback: its CQE, and then the notification that the buffer is free. */
#include "uring.h"

enum { LENGTH = 4096 };

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    ring_needs(&ring, IORING_OP_SEND_ZC);
    char* buffer = pages(LENGTH);
    int ends[2];
    make_pair(AF_INET, ends);
    uint64_t sending = prep(&ring, IORING_OP_SEND_ZC, ends[0], buffer, LENGTH, 0)->user_data;
    ring_submit(&ring);
    struct cqe cqe = ring_reap(&ring);
    if (cqe.user_data == sending && cqe.res == -EOPNOTSUPP) {
        skip("no zero copy here");
    }
    CHECK(cqe.user_data == sending && cqe.res == LENGTH && cqe.flags & IORING_CQE_F_MORE, "send_zc = %d", cqe.res);
    CHECK(recv(ends[1], buffer, LENGTH, MSG_WAITALL) == LENGTH, "recv: %m");
    struct cqe notification = ring_reap(&ring);
    CHECK(notification.user_data == sending && notification.flags & IORING_CQE_F_NOTIF, "no notification");
    expect_cqe(&cqe, "notified=yes multishot=no");
    expect_completion(&notification, 1);
    ring_close(&ring);
    finish();
}
