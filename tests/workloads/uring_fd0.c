/* SPDX-License-Identifier: Apache-2.0 */
/* A ring on descriptor 0, as of a daemon that has closed its standard input. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    OS(close(0));
    struct ring ring = ring_new(8, 0);
    CHECK(ring.fd == 0, "the ring is on %d", ring.fd);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    run_expect(&ring, 0, "ring_fd=0");
    ring_close(&ring);
    finish();
}
