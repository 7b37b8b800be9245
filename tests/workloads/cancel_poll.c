/* SPDX-License-Identifier: Apache-2.0 */
/* Cancels a pending poll of each kind of file that can have one: EINPROGRESS, then an event whose result is 0. */
#include "aio.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { KINDS = 7 };

int main(int argc, char** argv) {
    start(argc, argv);
    int pipe_fds[2];
    int sockets[2];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    OS(sigprocmask(SIG_BLOCK, &signals, NULL));
    OS(pipe(pipe_fds));
    OS(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    int fds[KINDS] = {
        pipe_fds[0],
        (int)OS(eventfd(0, 0)),
        (int)OS(timerfd_create(CLOCK_MONOTONIC, 0)),
        (int)OS(signalfd(-1, &signals, 0)),
        (int)OS(inotify_init()),
        (int)OS(epoll_create1(0)),
        sockets[0],
    };
    aio_context_t ctx = setup(KINDS);
    struct iocb iocbs[KINDS];
    for (int i = 0; i < KINDS; i++) {
        iocbs[i] = prep_poll(fds[i], POLLIN);
        submit(ctx, &iocbs[i]);
    }
    for (int i = 0; i < KINDS; i++) {
        cancel(ctx, &iocbs[i], EINPROGRESS, "cancelled", "poll");
        struct io_event event = reap(ctx);
        expect_cancelled(&iocbs[i], &event);
    }
    expect_context(ctx, KINDS, KINDS);
    destroy(ctx);
    finish();
}
