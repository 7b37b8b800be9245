/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An echo server as liburing's users write them: one thread, one ring, accept, recv and send. Prints its port, and a
 * line for each connection that ends: "closed FD REASON".
 */
#include <liburing.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 64, ROOM = 256 };
enum step { ACCEPT, RECEIVE, SEND };

struct connection {
    enum step step;
    int fd;
    char text[ROOM];
};

static struct io_uring ring;
static struct connection accepting = {.step = ACCEPT};
static struct connection connections[MOST];

static void need(int condition, const char* what) {
    if (!condition) {
        perror(what);
        exit(1);
    }
}

static struct io_uring_sqe* next(struct connection* connection, enum step step) {
    struct io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    need(sqe != NULL, "io_uring_get_sqe");
    connection->step = step;
    return sqe;
}

static void receive(struct connection* connection) {
    struct io_uring_sqe* sqe = next(connection, RECEIVE);
    io_uring_prep_recv(sqe, connection->fd, connection->text, ROOM, 0);
    io_uring_sqe_set_data(sqe, connection);
}

static void accept_next(int listener) {
    struct io_uring_sqe* sqe = next(&accepting, ACCEPT);
    io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
    io_uring_sqe_set_data(sqe, &accepting);
}

static void go_on(struct connection* connection, int result, int listener) {
    if (connection->step == ACCEPT) {
        need(result >= 0 && result < MOST, "accept");
        connections[result].fd = result;
        receive(&connections[result]);
        accept_next(listener);
    } else if (result <= 0) {
        printf("closed %d %s\n", connection->fd, result == 0 ? "end of stream" : strerror(-result));
        close(connection->fd);
    } else if (connection->step == RECEIVE) {
        struct io_uring_sqe* sqe = next(connection, SEND);
        io_uring_prep_send(sqe, connection->fd, connection->text, (size_t)result, 0);
        io_uring_sqe_set_data(sqe, connection);
    } else {
        receive(connection);
    }
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(300);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    need(listener >= 0 && bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, MOST) == 0,
         "listen");
    need(getsockname(listener, (struct sockaddr*)&address, &size) == 0, "getsockname");
    errno = -io_uring_queue_init(MOST, &ring, 0);
    need(errno == 0, "io_uring_queue_init");
    accept_next(listener);
    printf("port %d\n", ntohs(address.sin_port));
    for (;;) {
        struct io_uring_cqe* cqe;
        errno = -io_uring_submit_and_wait(&ring, 1);
        need(errno <= 0, "io_uring_submit_and_wait");
        while (io_uring_peek_cqe(&ring, &cqe) == 0) {
            struct connection* connection = io_uring_cqe_get_data(cqe);
            const int result = cqe->res;
            io_uring_cqe_seen(&ring, cqe);
            go_on(connection, result, listener);
        }
    }
}
