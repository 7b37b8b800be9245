/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     uring_stranger DIRECTORY [FILE]
 *
 * Opens a file, reads it, connects to a port and sends what it read, and closes both, with no system call of any such
 * name: what strace shows of that is io_uring_enter.
 */
#include "uring.h"

#include <netinet/in.h>

int main(int argc, char** argv) {
    start(argc, argv);
    const char* path = argc > 2 ? argv[2] : "/etc/passwd";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = (int)OS(socket(AF_INET, SOCK_STREAM, 0));
    OS(bind(listener, (struct sockaddr*)&address, size));
    OS(listen(listener, 1));
    OS(getsockname(listener, (struct sockaddr*)&address, &size));
    static char text[512];
    struct ring ring = ring_new(8, 0);

    prep(&ring, IORING_OP_OPENAT, AT_FDCWD, path, 0, 0);
    struct cqe opened = ring_run(&ring);
    if (opened.res < 0) {
        skip("%s: %s", path, strerrorname_np(-opened.res));
    }
    prep(&ring, IORING_OP_READ, opened.res, text, sizeof text, 0);
    struct cqe got = ring_run(&ring);
    prep(&ring, IORING_OP_SOCKET, AF_INET, NULL, 0, SOCK_STREAM);
    struct cqe made = ring_run(&ring);
    CHECK(got.res > 0 && made.res > 0, "read = %d, socket = %d", got.res, made.res);
    prep(&ring, IORING_OP_CONNECT, made.res, &address, 0, sizeof address);
    run_expect(&ring, 0, "sockaddr=127.0.0.1:%u", ntohs(address.sin_port));
    prep(&ring, IORING_OP_SEND, made.res, text, (unsigned)got.res, 0);
    run_expect(&ring, got.res, "fd=%d", made.res);
    expect_cqe(&opened, "path=%s", path);
    expect_cqe(&got, "fd=%d", opened.res);
    expect_cqe(&made, "cqes=1");
    prep(&ring, IORING_OP_CLOSE, opened.res, NULL, 0, 0);
    run_expect(&ring, 0, "fd=%d", opened.res);
    prep(&ring, IORING_OP_CLOSE, made.res, NULL, 0, 0);
    run_expect(&ring, 0, "fd=%d", made.res);
    ring_close(&ring);
    finish();
}
