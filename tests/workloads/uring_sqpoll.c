/* SPDX-License-Identifier: Apache-2.0 */
/* IORING_SETUP_SQPOLL: a kernel thread takes the SQEs; it falls asleep in between and is woken. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring =
        ring_with(8, (struct io_uring_params){.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 20 /* ms */});
    int fd = scratch_file("data", O_RDWR, 10000);
    char* buffer = pages(4096);
    for (int i = 0; i < 3; i++) {
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        run_expect(&ring, 0, "sqpoll=yes");
        prep(&ring, IORING_OP_READ, fd, buffer, 4096, 100);
        run_expect(&ring, 4096, "sqpoll=yes");
        prep(&ring, IORING_OP_OPENAT, AT_FDCWD, "/proc/self/no-such-file", 0, 0);
        run_expect(&ring, -ENOENT, "sqpoll=yes path=/proc/self/no-such-file");
        sleep_ms(60);
    }
    if (in_initial_pid_namespace()) {
        expect("request op=nop pid=%d sqpoll=yes count=4", getpid()); /* and the last one of ring_close() */
    }
    int ends[2];
    make_pipe(ends);
    uint64_t target = prep(&ring, IORING_OP_READ, ends[0], buffer, 8, UINT64_MAX)->user_data;
    ring_submit(&ring);
    sleep_ms(20);
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)target, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, target)->res == -ECANCELED && cqe_of(cqes, 2, cancelling)->res == 0, "not cancelled");
    expect_cqe(cqe_of(cqes, 2, target), "sqpoll=yes cause=cancel");
    expect_cqe(cqe_of(cqes, 2, cancelling), "sqpoll=yes");
    expect_attempt("async-cancel", target, 0, "cancelled", "read");

    ring_close(&ring);
    expect_ring(&ring, "overflowed=0");
    finish();
}
