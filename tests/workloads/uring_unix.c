/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of AF_UNIX with a path and with an abstract name, and a datagram with an address over IPv6. */
#include "uring.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

static struct ring ring;

static void connect_to(const struct sockaddr_un* address, unsigned size, const char* shown) {
    int listener = (int)OS(socket(AF_UNIX, SOCK_STREAM, 0));
    OS(bind(listener, (const struct sockaddr*)address, size));
    OS(listen(listener, 5));
    int client = (int)OS(socket(AF_UNIX, SOCK_STREAM, 0));
    prep(&ring, IORING_OP_CONNECT, client, address, 0, size);
    run_expect(&ring, 0, "sockaddr=%s", shown);
    prep(&ring, IORING_OP_ACCEPT, listener, NULL, 0, 0);
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res > 0, "accept = %d", cqe.res);
    expect_cqe(&cqe, "armed=no");
    prep(&ring, IORING_OP_SEND, client, "hello", 5, 0);
    run_expect(&ring, 5, "punted=no");
    char text[8];
    prep(&ring, IORING_OP_RECV, cqe.res, text, sizeof text, 0);
    run_expect(&ring, 5, "armed=no");
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char shown[sizeof address.sun_path + 8];

    const char* path = scratch_name("socket");
    if (strlen(path) >= sizeof address.sun_path) {
        skip("%s: too long for a socket's name", path);
    }
    strcpy(address.sun_path, path);
    snprintf(shown, sizeof shown, "unix:%s", path);
    connect_to(&address, sizeof address, shown);

    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "inflight-%d", getpid());
    address.sun_path[0] = 0;
    snprintf(shown, sizeof shown, "unix:@inflight-%d", getpid());
    connect_to(&address, (unsigned)offsetof(struct sockaddr_un, sun_path) + 1 + (unsigned)length, shown);

    int datagrams = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof local;
    if (datagrams >= 0 && !bind(datagrams, (struct sockaddr*)&local, size)) {
        OS(getsockname(datagrams, (struct sockaddr*)&local, &size));
        struct io_uring_sqe* sqe = prep(&ring, IORING_OP_SEND, datagrams, "hello", 5, (uintptr_t)&local);
        sqe->addr_len = sizeof local;
        uint64_t sending = sqe->user_data;
        struct cqe cqe = ring_run(&ring);
        CHECK(cqe.user_data == sending && (cqe.res == 5 || cqe.res == -EDESTADDRREQ), "send = %d", cqe.res);
        expect_cqe(&cqe, "sockaddr=[::1]:%u", ntohs(local.sin6_port));

        /* The longest address that there is room for. */
        struct sockaddr_storage room = {0};
        memcpy(&room, &local, sizeof local);
        sqe = prep(&ring, IORING_OP_SEND, datagrams, "hello", 5, (uintptr_t)&room);
        sqe->addr_len = sizeof room;
        sending = sqe->user_data;
        cqe = ring_run(&ring);
        CHECK(cqe.user_data == sending && (cqe.res == 5 || cqe.res == -EDESTADDRREQ), "send = %d", cqe.res);
        expect_cqe(&cqe, "sockaddr=[::1]:%u", ntohs(local.sin6_port));
    }

    ring_close(&ring);
    finish();
}
