/* SPDX-License-Identifier: Apache-2.0 */
/* A recv that waits for all it asked for has a part when it is cancelled: it ends with the part, not with an error. */
#include "uring.h"

enum { PART = 5 };

static struct ring ring;
static int ends[2];
static char text[64];

static uint64_t receive_part(void) {
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_RECV, ends[0], text, sizeof text, 0);
    sqe->msg_flags = MSG_WAITALL;
    uint64_t receiving = sqe->user_data;
    ring_submit(&ring);
    CHECK(write(ends[1], text, PART) == PART, "write to a socket: %m");
    /* The part is taken when the task next enters the kernel. */
    sleep_ms(1);
    uring_enter(ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    CHECK(!cqes_waiting(&ring), "it did not wait for all");
    return receiving;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    make_pair(AF_UNIX, ends);

    uint64_t receiving = receive_part();
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)receiving, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, cancelling)->res == 0, "async_cancel = %d", cqe_of(cqes, 2, cancelling)->res);
    CHECK(cqe_of(cqes, 2, receiving)->res == PART, "recv = %d", cqe_of(cqes, 2, receiving)->res);
    expect_cqe(cqe_of(cqes, 2, cancelling), "cqes=1 cause=none");
    expect_attempt("async-cancel", receiving, 0, "cancelled", "recv");
    expect_of(receiving, "result=%d outcome=cancelled cause=cancel", PART);

    receiving = receive_part();
    CHECK(sync_cancel(&ring, receiving, -1, 0) == 0, "a synchronous cancel failed");
    reap_of(&ring, receiving, PART);
    expect_attempt("sync-cancel", receiving, 0, "cancelled", "recv");
    expect_of(receiving, "result=%d outcome=cancelled cause=cancel", PART);

    ring_close(&ring);
    finish();
}
