/* SPDX-License-Identifier: Apache-2.0 */
/* A process that ends, or makes another, while its threads go on submitting. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* As much as keeps a disk busy, so that there is never a moment with nothing in flight. */
enum { depth = 16, request_bytes = BUFFER_BYTES / 4 };

/* Keeps that many requests in flight for ever. */
static void* go_on(void* argument) {
    int fd = *(int*)argument;
    io_context_t ctx = context(depth);
    struct iocb cb[depth];
    bool writes = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;

    for (int i = 0; i < depth; i++) {
        if (writes) {
            io_prep_pwrite(&cb[i], fd, buffer, request_bytes, (long long)(i % 4) * request_bytes);
        } else {
            io_prep_pread(&cb[i], fd, buffer, request_bytes, (long long)(i % 4) * request_bytes);
        }
        submit(ctx, &cb[i]);
    }
    for (;;) {
        struct io_event events[depth];
        int count = io_getevents(ctx, 1, depth, events, NULL);

        for (int i = 0; i < count; i++) {
            submit(ctx, events[i].obj);
        }
    }
    return NULL;
}

static void in_child(int flags, void (*leave)(void), const char* name) {
    double before;
    int status = -1;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        static int fd;
        pthread_t threads[2];

        fd = data_file("disk", flags);
        for (int i = 0; i < 2; i++) {
            must(pthread_create(&threads[i], NULL, go_on, &fd) == 0, "a thread");
        }
        usleep(50000);
        leave();
        exit(9);
    }
    usleep(50000);
    before = seconds();
    /* What waits for requests that others keep submitting waits for ever; a disk may be slow for some seconds. */
    while (waitpid(child, &status, WNOHANG) != child) {
        usleep(1000);
        if (seconds() - before > 20) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
    }
    printf("%s: status %d, %s\n", name, status, seconds() - before < 20 ? "soon" : "late");
}

static void by_exit(void) {
    exit(0);
}
static void by__exit(void) {
    _exit(0);
}
static void by_quick_exit(void) {
    quick_exit(0);
}
static void by_thread(void) {
    pthread_exit(NULL);
}
static void leave_in_handler(int number) {
    (void)number;
    exit(0);
}
static void by_handler(void) {
    signal(SIGALRM, leave_in_handler);
    alarm(1);
    pause();
}
static void by_vfork(void) {
    int status = -1;
    double before = seconds();

    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();

        if (child == 0) {
            _exit(7);
        }
        waitpid(child, &status, 0);
    }
    kill(getpid(), WEXITSTATUS(status) == 7 && seconds() - before < 1 ? SIGUSR1 : SIGUSR2);
}
static void by_spawn(void) {
    char* words[] = {"true", NULL};
    double before = seconds();
    int status = -1;
    pid_t child;
    FILE* stream;

    must(posix_spawnp(&child, "true", NULL, NULL, words, environ) == 0, "posix_spawn");
    waitpid(child, &status, 0);
    must(system("true") == 0, "system");
    stream = popen("true", "r");
    must(stream != NULL && pclose(stream) == 0, "popen");
    kill(getpid(), status == 0 && seconds() - before < 2 ? SIGUSR1 : SIGUSR2);
}

static void while_submitting(void) {
    const int ways[] = {O_RDONLY | O_DIRECT, O_RDWR | O_DIRECT, O_RDWR | O_DSYNC};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        in_child(ways[i], by_exit, "exit");
        in_child(ways[i], by__exit, "_exit");
        in_child(ways[i], by_quick_exit, "quick_exit");
    }
    in_child(ways[1], by_handler, "exit in a handler");
}

static void children_while_submitting(void) {
    in_child(O_RDWR | O_DIRECT, by_vfork, "vfork");
    in_child(O_RDWR | O_DIRECT, by_spawn, "spawn");
    in_child(O_RDWR | O_DSYNC, by_vfork, "vfork");
}

/* The last thread but those of a library ends the process. */
static void last_thread(void) {
    int status = -1;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        io_context_t ctx = context(8);
        struct iocb cb;
        int ends[2];

        must(pipe(ends) == 0, "a pipe");
        io_prep_poll(&cb, ends[0], POLLIN);
        submit(ctx, &cb);
        io_destroy(ctx);
        by_thread();
    }
    waitpid(child, &status, 0);
    printf("status %d\n", status);
}

/* A child of vfork() has its parent's memory, and so its contexts. */
static void vfork_child_submits(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    static struct iocb cb;
    struct io_event event;
    volatile int submitted = 0;
    pid_t child;
    int status = -1;

    for (int i = 0; i < 3; i++) {
        io_prep_pread(&cb, fd, buffer, 4096, 0);
        submit(ctx, &cb);
        must(io_getevents(ctx, 1, 1, &event, NULL) == 1, "an event");
    }
    child = vfork();
    if (child == 0) {
        submitted = submit(ctx, &cb);
        _exit(7);
    }
    waitpid(child, &status, 0);
    printf("child: io_submit %s, status %d\n", word(submitted), WEXITSTATUS(status));
    say_events(ctx, 1, 2000);
    for (int i = 0; i < 3; i++) {
        say_submit("parent", ctx, &cb);
        say_events(ctx, 1, 2000);
    }
}

const struct behaviour leave_behaviours[] = {
    {"leave_while_submitting", while_submitting},
    {"leave_children", children_while_submitting},
    {"leave_last_thread", last_thread},
    {"leave_vfork_child_submits", vfork_child_submits},
    {NULL, NULL},
};
