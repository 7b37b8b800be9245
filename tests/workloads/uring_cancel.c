/* SPDX-License-Identifier: Apache-2.0 */
/* async_cancel by user_data: of a pending read, poll and timeout; a second time; of what has completed; of nothing. */
#include "uring.h"

static struct ring ring;

/* Cancels; the target must end with -ECANCELED unless `ret` is an error. */
static void cancel_one(uint64_t target, int ret, const char* verdict, const char* target_op) {
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)target, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    unsigned count = ret ? 1 : 2;
    reap_all(&ring, cqes, count);
    CHECK(cqe_of(cqes, count, cancelling)->res == ret, "async_cancel = %d", cqe_of(cqes, count, cancelling)->res);
    expect_cqe(cqe_of(cqes, count, cancelling), "cqes=1 cause=none");
    expect_attempt("async-cancel", target, ret, verdict, target_op);
    if (!ret) {
        CHECK(cqe_of(cqes, 2, target)->res == -ECANCELED, "it ended with %d", cqe_of(cqes, 2, target)->res);
        expect_cqe(cqe_of(cqes, 2, target), "cause=cancel");
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];
    struct __kernel_timespec never = milliseconds(100000);

    uint64_t reading = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    ring_submit(&ring);
    cancel_one(reading, 0, "cancelled", "read");
    cancel_one(reading, -ENOENT, "already-cancelled", "read");

    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_POLL_ADD, ends[0], NULL, 0, 0);
    sqe->poll32_events = POLLIN;
    uint64_t polling = sqe->user_data;
    ring_submit(&ring);
    cancel_one(polling, 0, "cancelled", "poll_add");

    uint64_t timing = prep(&ring, IORING_OP_TIMEOUT, -1, &never, 1, 0)->user_data;
    ring_submit(&ring);
    cancel_one(timing, 0, "cancelled", "timeout");

    int sockets[2];
    make_pair(AF_UNIX, sockets);
    uint64_t receiving = prep(&ring, IORING_OP_RECV, sockets[0], text, sizeof text, 0)->user_data;
    ring_submit(&ring);
    cancel_one(receiving, 0, "cancelled", "recv");

    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    uint64_t done = last_user_data(&ring);
    run_expect(&ring, 0, "cause=none");
    cancel_one(done, -ENOENT, "completed-first", "nop");

    cancel_one(0xdeadbeef, -ENOENT, "unknown-request", "none");

    ring_close(&ring);
    finish();
}
