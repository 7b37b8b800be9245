/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 200 reads of a pipe, each given its data by one thread while another cancels it. What the cancel's CQE and the read's
 * together say:
 *   0, read -ECANCELED     cancelled
 *   -ENOENT, read 8        completed first
 *   -EALREADY, or 0 and 8  it was about to complete when the cancel came; no verdict expected
 */
#include "uring.h"

enum { ROUNDS = 200 };

static int ends[ROUNDS][2];
static atomic_int round_started = -1;

static void* writer(void* unused) {
    for (int i = 0; i < ROUNDS; i++) {
        while (round_started < i) {
        }
        make_ready(ends[i][1]);
    }
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    for (int i = 0; i < ROUNDS; i++) {
        make_pipe(ends[i]);
    }
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, writer, NULL), "no thread");
    int cancelled = 0;
    int odd = 0;
    long wait_us = 0; /* between start and cancel: shorter or longer by what came first, so that it stays a race */
    for (int i = 0; i < ROUNDS; i++) {
        char text[8];
        uint64_t reading = prep(&ring, IORING_OP_READ, ends[i][0], text, sizeof text, UINT64_MAX)->user_data;
        ring_submit(&ring);
        round_started = i;
        spin_us(wait_us);
        prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)reading, 0, 0);
        uint64_t cancelling = last_user_data(&ring);
        ring_submit(&ring);
        struct cqe cqes[2];
        reap_all(&ring, cqes, 2);
        int ret = cqe_of(cqes, 2, cancelling)->res;
        int result = cqe_of(cqes, 2, reading)->res;
        CHECK(result == 8 || result == -ECANCELED, "read = %d", result);
        CHECK(ret == 0 || ret == -ENOENT || ret == -EALREADY, "async_cancel = %d", ret);
        bool sure = (ret == 0 && result < 0) || (ret == -ENOENT && result == 8);
        expect_cqe(cqe_of(cqes, 2, reading), "%s", result == 8 ? "cause=none" : sure ? "cause=cancel" : "");
        expect_cqe(cqe_of(cqes, 2, cancelling), "cause=none");
        /* What is about to complete may have done so before the model hears of the cancel: no target then either. */
        expect_attempt("async-cancel", reading, ret,
                       !sure ? NULL
                       : ret ? "completed-first"
                             : "cancelled",
                       sure ? "read" : NULL);
        cancelled += result < 0;
        odd += !sure;
        wait_us = result < 0 ? wait_us + 2 : wait_us - (wait_us > 0);
    }
    pthread_join(thread, NULL);
    ring_close(&ring);
    fprintf(stderr, "%d of %d cancelled, %d odd\n", cancelled, ROUNDS, odd);
    finish();
}
