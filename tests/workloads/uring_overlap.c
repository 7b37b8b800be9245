/* SPDX-License-Identifier: Apache-2.0 */
/* Two reads in flight that fill the same bytes: which of the two pipes' data stays depends on who comes last. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int one[2], other[2];
    CHECK(pipe(one) == 0 && pipe(other) == 0, "pipe");
    static char text[16];
    struct ring ring = ring_new(8, 0);
    prep(&ring, IORING_OP_READ, one[0], text, 8, (uint64_t)-1);
    const uint64_t first = last_user_data(&ring);
    prep(&ring, IORING_OP_READ, other[0], text + 4, 8, (uint64_t)-1);
    const uint64_t second = last_user_data(&ring);
    ring_submit(&ring);
    CHECK(write(one[1], "12345678", 8) == 8, "write");
    reap_expect(&ring, first, 8, "armed=yes");
    CHECK(write(other[1], "abcdefgh", 8) == 8, "write");
    reap_expect(&ring, second, 8, "armed=yes");
    ring_close(&ring);
    finish();
}
