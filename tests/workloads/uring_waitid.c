/* SPDX-License-Identifier: Apache-2.0 */
/* waitid for a child that exits later, and for one that is none. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    ring_needs(&ring, OP_WAITID);
    static siginfo_t info;
    int ends[2];
    make_pipe(ends);
    pid_t child = (pid_t)OS(fork());
    if (child == 0) {
        char byte;
        _exit(read(ends[0], &byte, 1) == 1 ? 7 : 1);
    }
    struct io_uring_sqe* sqe = prep(&ring, OP_WAITID, child, NULL, P_PID, (uintptr_t)&info);
    sqe->file_index = WEXITED;
    uint64_t waiting = sqe->user_data;
    ring_submit(&ring);
    make_ready(ends[1]);
    reap_expect(&ring, waiting, 0, "cqes=1");
    CHECK(info.si_pid == child && info.si_status == 7, "waitid for another");
    prep(&ring, OP_WAITID, child, NULL, P_PID, (uintptr_t)&info)->file_index = WEXITED;
    run_expect(&ring, -ECHILD, "cqes=1");
    ring_close(&ring);
    finish();
}
