/* SPDX-License-Identifier: Apache-2.0 */
/* Multishot accept of three connections, and multishot recv into buffers of a ring that run out. */
#include "uring.h"

#include <netinet/in.h>

enum { CONNECTIONS = 3, BUFFERS = 4, BUFFER_SIZE = 64, GROUP = 7 };

static struct ring ring;

static void accept_several(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = (int)OS(socket(AF_INET, SOCK_STREAM, 0));
    OS(bind(listener, (struct sockaddr*)&address, size));
    OS(listen(listener, 5));
    OS(getsockname(listener, (struct sockaddr*)&address, &size));

    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_ACCEPT, listener, NULL, 0, 0);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    uint64_t accepting = sqe->user_data;
    ring_submit(&ring);
    for (int i = 0; i < CONNECTIONS; i++) {
        OS(connect((int)OS(socket(AF_INET, SOCK_STREAM, 0)), (struct sockaddr*)&address, size));
        struct cqe cqe = ring_reap(&ring);
        CHECK(cqe.user_data == accepting && cqe.res > 0 && cqe.flags & IORING_CQE_F_MORE, "accept = %d", cqe.res);
        expect_completion(&cqe, 1);
    }
    prep(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)accepting, 0, 0);
    uint64_t cancelling = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, accepting)->res == -ECANCELED, "accept = %d", cqe_of(cqes, 2, accepting)->res);
    CHECK(cqe_of(cqes, 2, cancelling)->res == 0, "async_cancel = %d", cqe_of(cqes, 2, cancelling)->res);
    expect_cqe(cqe_of(cqes, 2, accepting), "multishot=yes cqes=%d cause=cancel", CONNECTIONS + 1);
    expect_cqe(cqe_of(cqes, 2, cancelling), "cqes=1");
    expect_attempt("async-cancel", accepting, 0, "cancelled", "accept");
}

static void receive_several(void) {
    int ends[2];
    make_pair(AF_INET, ends);
    char* memory = pages(BUFFERS * BUFFER_SIZE);
    struct io_uring_buf_ring* buffers = pages(4096);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)buffers, .ring_entries = BUFFERS, .bgid = GROUP};
    ring_register(&ring, IORING_REGISTER_PBUF_RING, &reg, 1);
    for (unsigned i = 0; i < BUFFERS; i++) {
        struct io_uring_buf* buffer = (struct io_uring_buf*)buffers + i;
        buffer->addr = (uintptr_t)memory + i * BUFFER_SIZE;
        buffer->len = BUFFER_SIZE;
        buffer->bid = (uint16_t)i;
    }
    __atomic_store_n(&buffers->tail, BUFFERS, __ATOMIC_RELEASE);

    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_RECV, ends[1], NULL, 0, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    uint64_t receiving = sqe->user_data;
    ring_submit(&ring);
    for (int i = 0; i < BUFFERS; i++) {
        CHECK(send(ends[0], memory, (size_t)(10 + i), 0) == 10 + i, "send: %m");
        struct cqe cqe = reap_of(&ring, receiving, 10 + i);
        CHECK(cqe.flags & IORING_CQE_F_MORE && cqe.flags & IORING_CQE_F_BUFFER, "recv with flags %#x", cqe.flags);
        expect_completion(&cqe, 1);
    }
    CHECK(send(ends[0], memory, 10, 0) == 10, "send: %m");
    reap_expect(&ring, receiving, -ENOBUFS, "multishot=yes cqes=%d", BUFFERS + 1);
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    accept_several();
    receive_several();
    ring_close(&ring);
    finish();
}
