/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Polls for several conditions of files that are ready: the result is what is true and was asked for, and POLLHUP,
 * which needs no asking.
 */
#include "aio.h"

#include <sys/socket.h>

static aio_context_t ctx;
static struct iocb iocbs[8];
static int used;

static void run(int fd, unsigned mask, long result) {
    struct iocb* iocb = &iocbs[used++];
    *iocb = prep_poll(fd, mask);
    submit(ctx, iocb);
    struct io_event event = reap(ctx);
    CHECK(event.res == result, "poll for %#x = %#llx, not %#lx", mask, event.res, result);
    expect_reaped(iocb, &event);
}

int main(int argc, char** argv) {
    start(argc, argv);
    int sockets[2];
    int pipe_fds[2];
    OS(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    OS(pipe(pipe_fds));
    ctx = setup(8);
    run(sockets[0], POLLIN | POLLOUT, POLLOUT);
    make_ready(sockets[1]);
    run(sockets[0], POLLIN | POLLOUT, POLLIN | POLLOUT);
    run(sockets[0], POLLIN, POLLIN);
    OS(close(sockets[1]));
    run(sockets[0], POLLRDHUP, POLLRDHUP | POLLHUP);
    OS(close(pipe_fds[1]));
    run(pipe_fds[0], POLLIN, POLLHUP);
    run(pipe_fds[0], 0, POLLHUP);
    run(scratch_file("data", O_RDWR, 1), POLLIN | POLLOUT, POLLIN | POLLOUT); /* a regular file is always ready */
    destroy(ctx);
    finish();
}
