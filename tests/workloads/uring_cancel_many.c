/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancels that can take several: all with a user_data, all of a descriptor, any one of it, all there are; what they
 * take is counted by their results. And with nothing there, which takes nothing.
 */
#include "uring.h"

enum { COUNT = 3 };

static struct ring ring;
static int ends[2];
static char text[8];

static void submit_reads(uint64_t user_data) {
    for (int i = 0; i < COUNT; i++) {
        struct io_uring_sqe* sqe = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX);
        if (user_data) {
            sqe->user_data = user_data;
        }
    }
    ring_submit(&ring);
}

/* Cancels; `taken` reads end. Each read is expected by itself, unless they share `shared`. */
static void cancel_several(uint64_t user_data, int fd, unsigned flags, int taken, uint64_t shared) {
    prep(&ring, IORING_OP_ASYNC_CANCEL, fd, (void*)user_data, 0, 0)->cancel_flags = flags;
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqe;
    int ended = 0;
    for (int i = 0; i < taken + 1; i++) {
        cqe = ring_reap(&ring);
        if (cqe.user_data == cancelling) {
            CHECK(cqe.res == taken, "async_cancel = %d, not %d", cqe.res, taken);
            expect_cqe(&cqe, "cause=none");
            continue;
        }
        CHECK(cqe.res == -ECANCELED, "read = %d", cqe.res);
        ended++;
        if (!shared) {
            expect_cqe(&cqe, "cause=cancel");
        }
    }
    CHECK(ended == taken && !cqes_waiting(&ring), "%d of %d ended", ended, taken);
    if (shared) {
        expect("request family=uring op=read user_data=%#lx outcome=cancelled cause=cancel count=%d", shared, taken);
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(16, 0);
    make_pipe(ends);

    uint64_t shared = unique_user_data();
    submit_reads(shared);
    cancel_several(shared, -1, IORING_ASYNC_CANCEL_ALL, COUNT, shared);
    expect("cancel way=async-cancel key=%#lx ret=%d verdict=cancelled taken=%d target_op=read", shared, COUNT, COUNT);

    submit_reads(0);
    cancel_several(0, ends[0], IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL, COUNT, 0);
    submit_reads(0);
    cancel_several(0, -1, IORING_ASYNC_CANCEL_ANY, COUNT, 0);
    expect("cancel way=async-cancel ret=%d verdict=cancelled taken=%d target_op=read count=3", COUNT, COUNT);

    /* Without ALL, FD takes one, and says 0. */
    uint64_t one = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
    ring_submit(&ring);
    prep(&ring, IORING_OP_ASYNC_CANCEL, ends[0], NULL, 0, 0)->cancel_flags = IORING_ASYNC_CANCEL_FD;
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, one)->res == -ECANCELED && cqe_of(cqes, 2, cancelling)->res == 0,
          "not cancelled by its file");
    expect_cqe(cqe_of(cqes, 2, one), "cause=cancel");
    expect_cqe(cqe_of(cqes, 2, cancelling), "cause=none");
    expect("cancel way=async-cancel ret=0 verdict=cancelled taken=1 target_op=read");

    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 0)->cancel_flags = IORING_ASYNC_CANCEL_ANY;
    run_expect(&ring, 0, "cause=none"); /* there is nothing */
    expect("cancel way=async-cancel ret=0 taken=0");

    ring_close(&ring);
    finish();
}
