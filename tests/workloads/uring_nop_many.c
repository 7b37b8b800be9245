/* SPDX-License-Identifier: Apache-2.0 */
/* 32,768 NOPs in one call, three times (or argv[2] times). It takes its time, and waits for nothing. */
#include "uring.h"

enum { COUNT = 32768 };

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(COUNT, 0);
    ring.unlogged = true;
    for (long times = argument(3); times > 0; times--) {
        for (int i = 0; i < COUNT; i++) {
            prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        }
        ring_submit(&ring);
        struct cqe cqe;
        while (ring_peek(&ring, &cqe)) {
        }
    }
    ring_close(&ring);
    finish();
}
