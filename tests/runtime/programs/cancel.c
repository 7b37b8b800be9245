/* SPDX-License-Identifier: Apache-2.0 */
/* io_cancel of what waits: polls, pipes, sockets. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void pending_poll(int fd) {
    io_context_t ctx = context(8);
    struct iocb cb;

    must(fd >= 0, "a descriptor");
    io_prep_poll(&cb, fd, POLLIN);
    cb.data = (void*)7;
    say_submit("poll", ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 1, 200);
    say_cancel(ctx, &cb);
}

static int pipe_read_end(void) {
    int ends[2];

    must(pipe(ends) == 0, "a pipe");
    return ends[0];
}

static void poll_pipe(void) {
    pending_poll(pipe_read_end());
}
static void poll_eventfd(void) {
    pending_poll(eventfd(0, 0));
}
static void poll_timerfd(void) {
    pending_poll(timerfd_create(CLOCK_MONOTONIC, 0));
}
static void poll_inotify(void) {
    pending_poll(inotify_init());
}
static void poll_epoll(void) {
    pending_poll(epoll_create1(0));
}

static void poll_signalfd(void) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pending_poll(signalfd(-1, &set, 0));
}

static void poll_socket(void) {
    int ends[2];

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "sockets");
    pending_poll(ends[0]);
}

static void fired(bool reaped) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    say_submit("poll", ctx, &cb);
    must(write(ends[1], "x", 1) == 1, "writing");
    usleep(50000);
    if (reaped) {
        say_events(ctx, 1, 1000);
    }
    say_cancel(ctx, &cb);
    if (!reaped) {
        say_events(ctx, 1, 1000);
    }
}

static void poll_fired_unreaped(void) {
    fired(false);
}
static void poll_fired_reaped(void) {
    fired(true);
}

static void never_submitted(void) {
    io_context_t ctx = context(8);
    struct iocb cb;

    io_prep_poll(&cb, 0, POLLIN);
    say_cancel(ctx, &cb);
}

static void other_context(void) {
    io_context_t ctx = context(8);
    io_context_t other = context(8);
    struct iocb cb;

    io_prep_poll(&cb, pipe_read_end(), POLLIN);
    submit(ctx, &cb);
    say_cancel(other, &cb);
    say_cancel(NULL, &cb);
    io_destroy(other);
    say_cancel(other, &cb);
    say_cancel(ctx, &cb);
}

static void wrong_key(void) {
    io_context_t ctx = context(8);
    struct iocb cb;

    io_prep_poll(&cb, pipe_read_end(), POLLIN);
    submit(ctx, &cb);
    cb.key = 5;
    say_cancel(ctx, &cb);
    cb.key = 0;
    say_cancel(ctx, &cb);
}

static void unreadable(void) {
    io_context_t ctx = context(8);
    struct iocb* gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    say_cancel(ctx, NULL);
    say_cancel(ctx, gone);
    say_cancel(ctx, (struct iocb*)8);
    say_cancel(ctx, (struct iocb*)-64L);
    say_cancel(NULL, NULL);
}

static void result_pointers(void) {
    io_context_t ctx = context(8);
    struct iocb cb;

    io_prep_poll(&cb, pipe_read_end(), POLLIN);
    submit(ctx, &cb);
    printf("wild result: io_cancel %s\n", word(io_cancel(ctx, &cb, (struct io_event*)8)));
    printf("NULL result: io_cancel %s\n", word(io_cancel(ctx, &cb, NULL)));
    say_events(ctx, 1, 200);
}

static void same_iocb_twice(void) {
    io_context_t ctx = context(8);
    struct iocb cb;

    io_prep_poll(&cb, pipe_read_end(), POLLIN);
    submit(ctx, &cb);
    submit(ctx, &cb);
    say_cancel(ctx, &cb);
    say_cancel(ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 2, 200);
}

static void again_after_cancel(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    for (int i = 0; i < 3; i++) {
        cb.data = (void*)(long)i;
        submit(ctx, &cb);
        say_cancel(ctx, &cb);
    }
    cb.data = (void*)9;
    say_submit("again", ctx, &cb);
    must(write(ends[1], "x", 1) == 1, "writing");
    usleep(50000);
    say_events(ctx, 4, 200);
}

static void* cancel_in_thread(void* argument) {
    void** both = argument;

    say_cancel((io_context_t)both[0], (struct iocb*)both[1]);
    return NULL;
}

static void from_thread(void) {
    io_context_t ctx = context(8);
    struct iocb cb;
    pthread_t thread;
    void* both[2] = {ctx, &cb};

    io_prep_poll(&cb, pipe_read_end(), POLLIN);
    submit(ctx, &cb);
    must(pthread_create(&thread, NULL, cancel_in_thread, both) == 0, "a thread");
    pthread_join(thread, NULL);
    say_events(ctx, 1, 200);
}

/* The kernel's io_submit waits here until the pipe is written to. */
static void pipe_read(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(pipe(ends) == 0, "a pipe");
    io_prep_pread(&cb, ends[0], buffer, 64, 0);
    cb.data = (void*)3;
    later_write(ends[1], 700, 5);
    say_submit("read of an empty pipe", ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 1, 100);
    wait_for_helper();
    printf("in the buffer: '%.5s'\n", buffer);
}

static void pipe_write(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096, "a pipe");
    must(write(ends[1], buffer, 4096) == 4096, "filling it");
    io_prep_pwrite(&cb, ends[1], buffer, 4096, 0);
    later_read(ends[0], 700, 8192);
    say_submit("write to a full pipe", ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 1, 100);
    close(ends[1]);
    wait_for_helper();
}

static void socket_read(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "sockets");
    io_prep_pread(&cb, ends[0], buffer, 64, 0);
    later_write(ends[1], 700, 5);
    say_submit("read of a socket", ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 1, 100);
    wait_for_helper();
}

static void read_eventfd(void) {
    io_context_t ctx = context(8);
    int fd = eventfd(0, 0);
    struct iocb cb;

    io_prep_pread(&cb, fd, buffer, 8, 0);
    later_write(fd, 700, 8);
    say_submit("read of an eventfd", ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 1, 100);
    wait_for_helper();
}

const struct behaviour cancel_behaviours[] = {
    {"cancel_poll_pipe", poll_pipe},
    {"cancel_poll_eventfd", poll_eventfd},
    {"cancel_poll_timerfd", poll_timerfd},
    {"cancel_poll_signalfd", poll_signalfd},
    {"cancel_poll_inotify", poll_inotify},
    {"cancel_poll_epoll", poll_epoll},
    {"cancel_poll_socket", poll_socket},
    {"cancel_fired_unreaped", poll_fired_unreaped},
    {"cancel_fired_reaped", poll_fired_reaped},
    {"cancel_never_submitted", never_submitted},
    {"cancel_other_context", other_context},
    {"cancel_wrong_key", wrong_key},
    {"cancel_unreadable", unreadable},
    {"cancel_result_pointers", result_pointers},
    {"cancel_same_iocb_twice", same_iocb_twice},
    {"cancel_submit_again", again_after_cancel},
    {"cancel_from_thread", from_thread},
    {"cancel_pipe_read", pipe_read},
    {"cancel_pipe_write", pipe_write},
    {"cancel_socket_read", socket_read},
    {"cancel_eventfd_read", read_eventfd},
    {NULL, NULL},
};
