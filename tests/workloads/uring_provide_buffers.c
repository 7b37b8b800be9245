/* SPDX-License-Identifier: Apache-2.0 */
/* provide_buffers, reads and a recv that take them, one that finds none left, and remove_buffers. */
#include "uring.h"

enum { GROUP = 3, BUFFERS = 3, SIZE = 256 };

static struct ring ring;

static void read_into_group(int fd, int opcode, int result) {
    struct io_uring_sqe* sqe = prep(&ring, opcode, fd, NULL, SIZE, opcode == IORING_OP_READ ? UINT64_MAX : 0);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res == result, "%s = %d", uring_op_name((unsigned)opcode), cqe.res);
    if (opcode == IORING_OP_READ) { /* its length may be the buffer's by then */
        expect_of(cqe.user_data, "result=%d reaped=yes", result);
    } else {
        expect_cqe(&cqe, "multishot=no");
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    char* memory = pages(4096);
    int ends[2];
    make_pair(AF_UNIX, ends);
    prep(&ring, IORING_OP_PROVIDE_BUFFERS, BUFFERS, memory, SIZE, 0)->buf_group = GROUP;
    run_expect(&ring, 0, "cqes=1");
    make_ready(ends[1]);
    read_into_group(ends[0], IORING_OP_READ, 8);
    make_ready(ends[1]);
    read_into_group(ends[0], IORING_OP_RECV, 8);
    prep(&ring, IORING_OP_REMOVE_BUFFERS, 5, NULL, 0, 0)->buf_group = GROUP;
    run_expect(&ring, 1, "cqes=1");
    make_ready(ends[1]);
    read_into_group(ends[0], IORING_OP_RECV, -ENOBUFS);
    ring_close(&ring);
    finish();
}
