/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection over the loopback made by requests alone: socket, bind and listen (where the kernel has them), connect,
 * accept with the peer's address, and both kinds of send and recv.
 */
#include "uring.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct ring ring;

static int new_socket(void) {
    prep(&ring, IORING_OP_SOCKET, AF_INET, NULL, 0, SOCK_STREAM);
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res > 0, "socket = %d", cqe.res);
    expect_cqe(&cqe, "cqes=1");
    return cqe.res;
}

static unsigned port_of(int fd) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    OS(getsockname(fd, (struct sockaddr*)&address, &size));
    return ntohs(address.sin_port);
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = new_socket();
    if (ring_has(&ring, OP_LISTEN)) {
        prep(&ring, OP_BIND, listener, &address, 0, sizeof address);
        run_expect(&ring, 0, "sockaddr=127.0.0.1:0");
        prep(&ring, OP_LISTEN, listener, NULL, 5, 0);
        run_expect(&ring, 0, "cqes=1");
    } else {
        OS(bind(listener, (struct sockaddr*)&address, sizeof address));
        OS(listen(listener, 5));
    }
    address.sin_port = htons((uint16_t)port_of(listener));
    int client = new_socket();

    uint64_t accepting = prep(&ring, IORING_OP_ACCEPT, listener, NULL, 0, 0)->user_data;
    ring_submit(&ring);
    uint64_t connecting = prep(&ring, IORING_OP_CONNECT, client, &address, 0, sizeof address)->user_data;
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    const struct cqe* accepted = cqe_of(cqes, 2, accepting);
    const struct cqe* connected = cqe_of(cqes, 2, connecting);
    CHECK(accepted->res > 0, "accept = %d", accepted->res);
    CHECK(connected->res == 0, "connect = %d", connected->res);
    int server = accepted->res;
    expect_cqe(accepted, "peer=127.0.0.1:%u armed=yes multishot=no", port_of(client));
    expect_cqe(connected, "sockaddr=127.0.0.1:%u", ntohs(address.sin_port));

    char text[16] = "over the ring";
    struct iovec pieces[2] = {{text, 5}, {text + 5, 8}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    prep(&ring, IORING_OP_SEND, client, text, 13, 0);
    run_expect(&ring, 13, "punted=no");
    prep(&ring, IORING_OP_RECV, server, text, sizeof text, 0);
    run_expect(&ring, 13, "armed=no");
    prep(&ring, IORING_OP_SENDMSG, server, &message, 1, 0);
    run_expect(&ring, 13, "punted=no");
    prep(&ring, IORING_OP_RECVMSG, client, &message, 1, 0);
    run_expect(&ring, 13, "armed=no");

    uint64_t waiting = prep(&ring, IORING_OP_RECV, client, text, sizeof text, 0)->user_data;
    ring_submit(&ring);
    prep(&ring, IORING_OP_SHUTDOWN, server, NULL, SHUT_WR, 0);
    uint64_t shutting = last_user_data(&ring);
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, waiting)->res == 0 && cqe_of(cqes, 2, shutting)->res == 0, "no end of file");
    expect_cqe(cqe_of(cqes, 2, waiting), "armed=yes");
    expect_cqe(cqe_of(cqes, 2, shutting), "punted=yes");

    /* Nobody listens there any more. */
    OS(close(listener));
    int lonely = new_socket();
    prep(&ring, IORING_OP_CONNECT, lonely, &address, 0, sizeof address);
    run_expect(&ring, -ECONNREFUSED, "sockaddr=127.0.0.1:%u", ntohs(address.sin_port));

    ring_close(&ring);
    finish();
}
