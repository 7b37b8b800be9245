/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets with SO_RCVTIMEO and SO_SNDTIMEO: the kernel does not restart these calls itself. */
#include "calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static char much[65536];

static void set_timeout(int fd, int option) {
    const struct timeval time = {0, wait_ms * 1000};
    must_open(setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)), "setsockopt");
}

static void prepare_pair(struct call* call) {
    int ends[2];
    must_open(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    call->fd = ends[0];
    call->other_fd = ends[1];
    set_timeout(call->fd, SO_RCVTIMEO);
    set_timeout(call->fd, SO_SNDTIMEO);
}

static void prepare_pair_without_timeout(struct call* call) {
    int ends[2];
    must_open(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    call->fd = ends[0];
    call->other_fd = ends[1];
}

static void prepare_full_pair(struct call* call) {
    prepare_pair(call);
    while (send(call->fd, much, 4096, MSG_DONTWAIT) > 0) {
    }
}

static long by_read(struct call* call) {
    char byte;
    return or_error(read(call->fd, &byte, 1));
}

static long by_recv(struct call* call) {
    char byte;
    return or_error(recv(call->fd, &byte, 1, 0));
}

static long by_readv(struct call* call) {
    char byte;
    const struct iovec vector = {&byte, 1};
    return or_error(readv(call->fd, &vector, 1));
}

static long by_preadv2(struct call* call) {
    char byte;
    const struct iovec vector = {&byte, 1};
    return or_error(preadv2(call->fd, &vector, 1, -1, 0));
}

static long by_recvmsg(struct call* call) {
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    return or_error(recvmsg(call->fd, &message, 0));
}

static long by_recvmmsg(struct call* call) {
    char byte;
    struct iovec vector = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
    return or_error(recvmmsg(call->fd, &message, 1, 0, NULL));
}

static long by_send(struct call* call) {
    return or_error(send(call->fd, much, sizeof(much), MSG_NOSIGNAL));
}

static long by_write(struct call* call) {
    return or_error(write(call->fd, much, sizeof(much)));
}

static long by_writev(struct call* call) {
    const struct iovec vector = {much, sizeof(much)};
    return or_error(writev(call->fd, &vector, 1));
}

static long by_pwritev2(struct call* call) {
    const struct iovec vector = {much, sizeof(much)};
    return or_error(pwritev2(call->fd, &vector, 1, -1, 0));
}

static long by_sendmsg(struct call* call) {
    struct iovec vector = {much, sizeof(much)};
    const struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    return or_error(sendmsg(call->fd, &message, MSG_NOSIGNAL));
}

static long by_sendmmsg(struct call* call) {
    struct iovec vector = {much, sizeof(much)};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
    return or_error(sendmmsg(call->fd, &message, 1, MSG_NOSIGNAL));
}

static long by_sendfile(struct call* call) {
    static int file = -1;
    if (file < 0) {
        file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        must_open(file, "/proc/self/exe");
    }
    off_t offset = 0;
    return or_error(sendfile(call->fd, file, &offset, 4096));
}

static void prepare_listener(struct call* call) {
    call->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    must_open(bind(call->fd, (const struct sockaddr*)&address, sizeof(address)), "bind");
    must_open(listen(call->fd, 1), "listen");
    set_timeout(call->fd, SO_RCVTIMEO);
}

static long by_accept(struct call* call) {
    return or_error(accept(call->fd, NULL, NULL));
}

static long by_accept4(struct call* call) {
    return or_error(accept4(call->fd, NULL, NULL, SOCK_CLOEXEC));
}

static struct sockaddr_un unix_address;

static void prepare_unix_connect(struct call* call) {
    unix_address.sun_family = AF_UNIX;
    snprintf(unix_address.sun_path + 1, sizeof(unix_address.sun_path) - 1, "unharmed-%d", (int)getpid());
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must_open(bind(listener, (struct sockaddr*)&unix_address, sizeof(unix_address)), "bind");
    must_open(listen(listener, 0), "listen");
    const int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must_open(connect(first, (struct sockaddr*)&unix_address, sizeof(unix_address)), "connect");
    call->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_timeout(call->fd, SO_SNDTIMEO);
}

static long by_unix_connect(struct call* call) {
    return or_error(connect(call->fd, (struct sockaddr*)&unix_address, sizeof(unix_address)));
}

static struct sockaddr_in full_address = {.sin_family = AF_INET};

static void prepare_connect(struct call* call) {
    socklen_t bytes = sizeof(full_address);
    full_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    call->other_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must_open(bind(call->other_fd, (struct sockaddr*)&full_address, sizeof(full_address)), "bind");
    must_open(listen(call->other_fd, 0), "listen");
    getsockname(call->other_fd, (struct sockaddr*)&full_address, &bytes);
    for (int i = 0; i < 3; i++) {
        const int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(filler, (struct sockaddr*)&full_address, sizeof(full_address));
    }
    sleep_ms(50);
}

static long by_connect(struct call* call) {
    (void)call;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_timeout(fd, SO_SNDTIMEO);
    const long ret = or_error(connect(fd, (struct sockaddr*)&full_address, sizeof(full_address)));
    close(fd);
    /* Made again it finds the socket connecting, and says so when its time is over: docs/safety.md, "What remains". */
    return ret == -EALREADY ? -EINPROGRESS : ret;
}

struct call calls_of_sockets[] = {
    {"read, SO_RCVTIMEO", prepare_pair, by_read, true, -EAGAIN, -1, -1},
    {"recv, SO_RCVTIMEO", prepare_pair, by_recv, true, -EAGAIN, -1, -1},
    {"recv", prepare_pair_without_timeout, by_recv, false, 0, -1, -1},
    {"readv, SO_RCVTIMEO", prepare_pair, by_readv, true, -EAGAIN, -1, -1},
    {"preadv2, SO_RCVTIMEO", prepare_pair, by_preadv2, true, -EAGAIN, -1, -1},
    {"recvmsg, SO_RCVTIMEO", prepare_pair, by_recvmsg, true, -EAGAIN, -1, -1},
    {"recvmmsg, SO_RCVTIMEO", prepare_pair, by_recvmmsg, true, -EAGAIN, -1, -1},
    {"send, SO_SNDTIMEO", prepare_full_pair, by_send, true, -EAGAIN, -1, -1},
    {"write, SO_SNDTIMEO", prepare_full_pair, by_write, true, -EAGAIN, -1, -1},
    {"writev, SO_SNDTIMEO", prepare_full_pair, by_writev, true, -EAGAIN, -1, -1},
    {"pwritev2, SO_SNDTIMEO", prepare_full_pair, by_pwritev2, true, -EAGAIN, -1, -1},
    {"sendmsg, SO_SNDTIMEO", prepare_full_pair, by_sendmsg, true, -EAGAIN, -1, -1},
    {"sendmmsg, SO_SNDTIMEO", prepare_full_pair, by_sendmmsg, true, -EAGAIN, -1, -1},
    {"sendfile, SO_SNDTIMEO", prepare_full_pair, by_sendfile, true, -EAGAIN, -1, -1},
    {"accept, SO_RCVTIMEO", prepare_listener, by_accept, true, -EAGAIN, -1, -1},
    {"accept4, SO_RCVTIMEO", prepare_listener, by_accept4, true, -EAGAIN, -1, -1},
    {"connect of AF_UNIX, SO_SNDTIMEO", prepare_unix_connect, by_unix_connect, true, -EAGAIN, -1, -1},
    {"connect of TCP, SO_SNDTIMEO", prepare_connect, by_connect, true, -EINPROGRESS, -1, -1},
};
const unsigned calls_of_sockets_count = sizeof(calls_of_sockets) / sizeof(*calls_of_sockets);
