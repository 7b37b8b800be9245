/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that go, forks, exits, and descriptors that are closed too early. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct work {
    io_context_t ctx;
    struct iocb* list[64];
    int count;
};

static void* submit_all(void* argument) {
    struct work* work = argument;

    printf("io_submit %s\n", word(io_submit(work->ctx, work->count, work->list)));
    return NULL;
}

static void in_thread(struct work* work) {
    pthread_t thread;

    must(pthread_create(&thread, NULL, submit_all, work) == 0, "a thread");
    pthread_join(thread, NULL);
    usleep(20000);
}

static void thread_exits(void) {
    struct work work = {context(64), {NULL}, 0};
    int ends[2];
    struct iocb poll_pipe;
    struct iocb cb[8];
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    int buffered = data_file("disk", O_RDWR);

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&poll_pipe, ends[0], POLLIN);
    poll_pipe.data = (void*)1;
    work.list[0] = &poll_pipe;
    work.count = 1;
    in_thread(&work);
    must(write(ends[1], "x", 1) == 1, "writing");
    say_events(work.ctx, 1, 2000);
    for (int i = 0; i < 8; i++) {
        if (i < 4) {
            io_prep_pread(&cb[i], fd, buffer + i * 65536, 65536, i * 65536);
        } else {
            io_prep_pwrite(&cb[i], buffered, buffer + i * 65536, 65536, i * 65536);
        }
        work.list[i] = &cb[i];
    }
    work.count = 8;
    in_thread(&work);
    say_events(work.ctx, 8, 5000);
}

static void closed_in_flight(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;
    int fd = data_file("disk", O_RDWR | O_DIRECT);

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    submit(ctx, &cb);
    close(ends[0]);
    must(open("/dev/null", O_RDWR) == ends[0], "the same number");
    usleep(20000);
    say_events(ctx, 1, 50);
    close(ends[1]);
    say_events(ctx, 1, 2000);
    io_prep_pwrite(&cb, fd, buffer, 65536, 0);
    submit(ctx, &cb);
    close(fd);
    say_events(ctx, 1, 2000);
    fd = data_file("disk", O_RDWR);
    io_prep_pwrite(&cb, fd, buffer, 65536, 0);
    submit(ctx, &cb);
    close(fd);
    say_events(ctx, 1, 2000);
}

/* The process's lock on the file outlives its requests. */
static void locks_stay(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct iocb cb;
    pid_t child;

    must(fcntl(fd, F_SETLK, &lock) == 0, "a lock");
    io_prep_pwrite(&cb, fd, buffer, 65536, 0);
    submit(ctx, &cb);
    say_events(ctx, 1, 2000);
    child = fork();
    if (child == 0) {
        struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        printf("another process %s the lock\n", fcntl(fd, F_SETLK, &other) == 0 ? "gets" : "does not get");
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void in_child(io_context_t ctx, struct iocb* cb) {
    struct timespec soon = {0, 1000000};
    struct io_event event;
    io_context_t own = NULL;
    int ends[2];
    struct iocb poll_own;

    printf("child: io_submit %s\n", word(submit(ctx, cb)));
    printf("child: io_cancel %s\n", word(io_cancel(ctx, cb, &event)));
    printf("child: io_getevents %s\n", word(io_getevents(ctx, 0, 1, &event, &soon)));
    printf("child: io_destroy %s\n", word(io_destroy(ctx)));
    printf("child: io_setup %s\n", word(io_setup(8, &own)));
    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&poll_own, ends[0], POLLIN);
    printf("child: io_submit to its own %s\n", word(submit(own, &poll_own)));
    must(write(ends[1], "x", 1) == 1, "writing");
    printf("child: io_getevents of its own %s\n", word(io_getevents(own, 1, 1, &event, NULL)));
}

static void forked(bool libc_knows) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;
    pid_t child;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    cb.data = (void*)6;
    say_submit("parent", ctx, &cb);
    fflush(stdout);
    child = libc_knows ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        in_child(ctx, &cb);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    must(write(ends[1], "x", 1) == 1, "writing");
    say_events(ctx, 1, 2000);
}

static void fork_child(void) {
    forked(true);
}
static void clone_child(void) {
    forked(false);
}

enum way { by_return, by_exit, by__exit, by__Exit, by_quick_exit };

static void leave(enum way way) {
    if (way == by_exit) {
        exit(0);
    }
    if (way == by__exit) {
        _exit(0);
    }
    if (way == by__Exit) {
        _Exit(0);
    }
    if (way == by_quick_exit) {
        quick_exit(0);
    }
}

static void ends(enum way way, int flags) {
    int fd = data_file("disk", O_RDWR | flags);
    static struct iocb cb[64];
    int status = -1;
    int written = 0;
    pid_t child;

    must(ftruncate(fd, 0) == 0 && ftruncate(fd, 64 * 16384) == 0, "a file of zeros");
    memset(buffer, 'x', BUFFER_BYTES);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        io_context_t ctx = context(64);
        struct iocb* list[64];

        for (int i = 0; i < 64; i++) {
            io_prep_pwrite(&cb[i], fd, buffer, 16384, i * 16384);
            list[i] = &cb[i];
        }
        io_submit(ctx, 64, list);
        leave(way);
        exit(0);
    }
    waitpid(child, &status, 0);
    for (int i = 0; i < 64; i++) {
        written += pread(fd, buffer, 4096, i * 16384) == 4096 && buffer[0] == 'x';
    }
    printf("status %d, %d of 64 written\n", status, written);
    close(fd);
}

static void exit_drains(void) {
    const int ways[] = {0, O_DIRECT, O_DSYNC};

    for (int i = 0; i < 3; i++) {
        ends(by_exit, ways[i]);
        ends(by__exit, ways[i]);
        ends(by__Exit, ways[i]);
        ends(by_quick_exit, ways[i]);
    }
}

/* What never ends keeps nobody: a poll is dropped. */
static void exit_with_pending(void) {
    pid_t child;
    int status = -1;
    double before = seconds();

    fflush(stdout);
    child = fork();
    if (child == 0) {
        io_context_t ctx = context(8);
        int pipe_ends[2];
        struct iocb cb;

        must(pipe(pipe_ends) == 0, "a pipe");
        io_prep_poll(&cb, pipe_ends[0], POLLIN);
        submit(ctx, &cb);
        exit(3);
    }
    waitpid(child, &status, 0);
    printf("status %d, %s\n", WEXITSTATUS(status), seconds() - before < 2 ? "at once" : "late");
}

static void leave_now(int number) {
    (void)number;
    _exit(0);
}

/* A signal handler ends the process wherever it is. */
static void exit_in_handler(void) {
    int ended = 0;

    for (int i = 0; i < 40; i++) {
        struct itimerval soon = {{0, 0}, {0, 3000 + i * 37}};
        double limit = seconds() + 5;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0) {
            io_context_t ctx = context(8);
            int fd = data_file(i % 2 ? "memory" : "disk", O_RDWR | (i % 2 ? 0 : O_DIRECT));
            struct io_event event;
            struct iocb cb;

            signal(SIGALRM, leave_now);
            setitimer(ITIMER_REAL, &soon, NULL);
            for (;;) {
                io_prep_pread(&cb, fd, buffer, 4096, 0);
                if (submit(ctx, &cb) == 1) {
                    io_getevents(ctx, 1, 1, &event, NULL);
                }
            }
        }
        while (seconds() < limit) {
            if (waitpid(child, NULL, WNOHANG) == child) {
                ended++;
                break;
            }
            usleep(1000);
        }
        if (seconds() >= limit) {
            kill(child, SIGKILL);
        }
    }
    printf("%d of 40 ended\n", ended);
}

const struct behaviour process_behaviours[] = {
    {"process_thread_exits", thread_exits},
    {"process_closed_in_flight", closed_in_flight},
    {"process_locks_stay", locks_stay},
    {"process_fork", fork_child},
    {"process_clone", clone_child},
    {"process_exit_drains", exit_drains},
    {"process_exit_with_pending", exit_with_pending},
    {"process_exit_in_handler", exit_in_handler},
    {NULL, NULL},
};
