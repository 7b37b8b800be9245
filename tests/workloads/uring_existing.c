/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a tracer that comes later, as existing is for kernel AIO: submits two reads, a poll and a timeout, prints
 * "ready", and waits for a line on stdin or SIGUSR1. Then a read is cancelled, the poll made ready, one more read
 * submitted; the rest is abandoned at the exit.
 */
#include "uring.h"

static void on_signal(int signal) {
    (void)signal;
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int never[2];
    int ready[2];
    make_pipe(never);
    make_pipe(ready);
    static char text[8];
    static struct __kernel_timespec long_time = {.tv_sec = 1000};
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    uint64_t before = ring_run(&ring).user_data;
    uint64_t cancelled = prep(&ring, IORING_OP_READ, never[0], text, sizeof text, UINT64_MAX)->user_data;
    uint64_t left = prep(&ring, IORING_OP_READ, never[0], text, sizeof text, UINT64_MAX)->user_data;
    uint64_t timing = prep(&ring, IORING_OP_TIMEOUT, -1, &long_time, 1, 0)->user_data;
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_POLL_ADD, ready[0], NULL, 0, 0);
    sqe->poll32_events = POLLIN;
    uint64_t polling = sqe->user_data;
    ring_submit(&ring);
    OS(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL));
    account_from_here(4);
    puts("ready");
    flush();
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
    }

    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)cancelled, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, cancelled)->res == -ECANCELED && cqe_of(cqes, 2, cancelling)->res == 0, "not cancelled");
    expect_of(cancelled, "result=%d outcome=cancelled cause=cancel", -ECANCELED);
    expect_cqe(cqe_of(cqes, 2, cancelling), "cause=none");
    expect_attempt("async-cancel", cancelled, 0, "cancelled", "read");
    make_ready(ready[1]);
    reap_of(&ring, polling, POLLIN);
    expect_of(polling, "result=%d outcome=completed", POLLIN);
    uint64_t late = prep(&ring, IORING_OP_READ, never[0], text, sizeof text, UINT64_MAX)->user_data;
    ring_submit(&ring);
    ring_look(&ring);
    expect_of(left, "outcome=abandoned");
    expect_of(timing, "outcome=abandoned");
    expect_sqe(late, "outcome=abandoned");
    expect("request user_data=%#lx count=0", before);
    finish();
}
