/* SPDX-License-Identifier: Apache-2.0 */
/* A ring is closed with requests in flight while its program goes on. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);
    char text[8];
    prep(&ring, IORING_OP_READ, ends[0], text, sizeof text, UINT64_MAX);
    uint64_t reading = last_user_data(&ring);
    prep(&ring, IORING_OP_POLL_ADD, ends[0], NULL, 0, 0)->poll32_events = POLLIN;
    uint64_t polling = last_user_data(&ring);
    ring_submit(&ring);
    ring_close(&ring);
    expect_sqe(reading, "outcome=abandoned cause=ring-closed");
    expect_sqe(polling, "outcome=abandoned cause=ring-closed");
    sleep_ms(100); /* the kernel ends them later, in a worker */
    finish();
}
