/* SPDX-License-Identifier: Apache-2.0 */
/* IOSQE_ASYNC: handed to a worker at once, and the same operations without it, which are not. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    int fd = scratch_file("data", O_RDWR, 10000);
    char* buffer = pages(4096);
    for (int async = 0; async < 2; async++) {
        const char* punted = async ? "punted=yes" : "punted=no";
        uint8_t flags = async ? IOSQE_ASYNC : 0;
        prep(&ring, IORING_OP_READ, fd, buffer, 4096, 0)->flags = flags;
        run_expect(&ring, 4096, "%s", punted);
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->flags = flags;
        run_expect(&ring, 0, "%s", punted);
        prep(&ring, IORING_OP_READ, 9999, buffer, 4096, 0)->flags = flags;
        run_expect(&ring, -EBADF, "cqes=1");
    }
    ring_close(&ring);
    finish();
}
