/* SPDX-License-Identifier: Apache-2.0 */
/* A ring that a child has by fork(): the child submits and reaps, exits with a read in flight, and its parent goes on.
 */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    run_expect(&ring, 0, "cqes=1");
    flush();
    pid_t child = (pid_t)OS(fork());
    if (child == 0) {
        char pid[32] = "";
        if (in_initial_pid_namespace()) {
            snprintf(pid, sizeof pid, " pid=%d", getpid());
        }
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        run_expect(&ring, 0, "cqes=1%s", pid);
        uint64_t left = prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX)->user_data;
        ring_submit(&ring);
        expect_sqe(left, "result=%d%s", -ECANCELED, pid);
        flush();
        _exit(0);
    }
    wait_child(child, 0);
    ring.tail = ring.submitted = *ring.sq_tail;
    make_ready(ends[1]);
    struct cqe cqe = ring_reap(&ring);
    CHECK(cqe.res == -ECANCELED, "the child's read = %d", cqe.res);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    run_expect(&ring, 0, "cqes=1");
    ring_close(&ring);
    finish();
}
