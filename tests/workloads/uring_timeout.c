/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts: one that expires, one that is over because enough has completed, one removed, one changed and then expired.
 */
#include "uring.h"

static struct ring ring;

static uint64_t timeout(const struct __kernel_timespec* time, unsigned completions) {
    return prep(&ring, IORING_OP_TIMEOUT, -1, time, 1, completions)->user_data;
}

static void timeout_until(const struct __kernel_timespec* moment, unsigned clock) {
    prep(&ring, IORING_OP_TIMEOUT, -1, moment, 1, 0)->timeout_flags = IORING_TIMEOUT_ABS | clock;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    struct __kernel_timespec soon = milliseconds(20);
    struct __kernel_timespec never = milliseconds(100000);

    timeout(&soon, 0);
    run_expect(&ring, -ETIME, "timeout_ns=20000000 cause=none");

    /* Two moments, of which the second was long ago on its clock. */
    uint64_t moment_ns = now_ns() + 20000000;
    struct __kernel_timespec moment = {.tv_sec = (long long)(moment_ns / 1000000000),
                                       .tv_nsec = (long long)(moment_ns % 1000000000)};
    timeout_until(&moment, 0);
    run_expect(&ring, -ETIME, "timeout_ns=%llu timeout_clock=CLOCK_MONOTONIC", (unsigned long long)moment_ns);
    timeout_until(&moment, IORING_TIMEOUT_REALTIME);
    run_expect(&ring, -ETIME, "timeout_ns=%llu timeout_clock=CLOCK_REALTIME", (unsigned long long)moment_ns);

    uint64_t counting = timeout(&never, 2);
    ring_submit(&ring);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    run_expect(&ring, 0, "cqes=1");
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    uint64_t second = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, counting)->res == 0, "a timeout = %d", cqe_of(cqes, 2, counting)->res);
    expect_cqe(cqe_of(cqes, 2, counting), "timeout_ns=100000000000 cause=none");
    expect_cqe(cqe_of(cqes, 2, second), "cqes=1");

    uint64_t removed = timeout(&never, 0);
    ring_submit(&ring);
    prep(&ring, IORING_OP_TIMEOUT_REMOVE, -1, (void*)removed, 0, 0);
    uint64_t removing = last_user_data(&ring);
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, removed)->res == -ECANCELED && cqe_of(cqes, 2, removing)->res == 0, "not removed");
    expect_cqe(cqe_of(cqes, 2, removed), "cause=cancel");
    expect_cqe(cqe_of(cqes, 2, removing), "cqes=1");
    expect_attempt("timeout-remove", removed, 0, "cancelled", "timeout");

    prep(&ring, IORING_OP_TIMEOUT_REMOVE, -1, (void*)removed, 0, 0); /* again */
    run_expect(&ring, -ENOENT, "cqes=1");
    expect_attempt("timeout-remove", removed, -ENOENT, "already-cancelled", "timeout");

    uint64_t changed = timeout(&never, 0);
    ring_submit(&ring);
    prep(&ring, IORING_OP_TIMEOUT_REMOVE, -1, (void*)changed, 0, (uintptr_t)&soon)->timeout_flags =
        IORING_TIMEOUT_UPDATE;
    run_expect(&ring, 0, "cqes=1");
    reap_expect(&ring, changed, -ETIME, "timeout_ns=100000000000 cause=none");

    ring_close(&ring);
    finish();
}
