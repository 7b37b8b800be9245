/* SPDX-License-Identifier: Apache-2.0 */
/* A process exits with reads, a poll and a timeout in flight. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    static char text[8];
    static struct __kernel_timespec never;
    never = milliseconds(100000);
    prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX);
    uint64_t reading = last_user_data(&ring);
    prep(&ring, IORING_OP_POLL_ADD, ends[0], NULL, 0, 0)->poll32_events = POLLIN;
    uint64_t polling = last_user_data(&ring);
    prep(&ring, IORING_OP_TIMEOUT, -1, &never, 1, 0);
    uint64_t timing = last_user_data(&ring);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    uint64_t done = last_user_data(&ring);
    ring_submit(&ring);
    expect_sqe(reading, "outcome=abandoned");
    expect_sqe(polling, "outcome=abandoned");
    expect_sqe(timing, "outcome=abandoned");
    expect_sqe(done, "result=0 outcome=completed reaped=no");
    finish();
}
