/* SPDX-License-Identifier: Apache-2.0 */
/* One request of each kind, and its iocb's address on a line of its own: what a trace of this program must show. With
 * the argument "wait": leaves the last ones in flight until standard input ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libaio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { most = 32 };

static io_context_t ctx;
static struct iocb blocks[most];
static int used;
static char buffer[8192] __attribute__((aligned(4096)));

static void need(int ok, const char* what) {
    if (!ok) {
        fprintf(stderr, "requests: no %s\n", what);
        exit(1);
    }
}

static struct iocb* next(void) {
    need(used < most, "room");
    return &blocks[used++];
}

static void submit(struct iocb* block, const char* what) {
    need(io_submit(ctx, 1, &block) == 1, what);
    printf("%p %s\n", (void*)block, what);
}

static void reap(int count) {
    struct io_event events[most];
    struct timespec limit = {10, 0};

    need(io_getevents(ctx, count, most, events, &limit) == count, "events");
}

static int data_file(const char* directory, int flags) {
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/requests.%d", directory, getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
    need(fd >= 0 && write(fd, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer) && fsync(fd) == 0, path);
    unlink(path);
    return fd;
}

static void files(void) {
    const char* disk = getenv("TEST_TMPDIR") ? getenv("TEST_TMPDIR") : ".";
    const int fds[] = {data_file("/dev/shm", 0), data_file(disk, 0), data_file(disk, O_DIRECT)};
    static const char* const names[] = {"memory", "disk", "O_DIRECT"};

    for (int i = 0; i < 3; i++) {
        struct iocb* block = next();
        struct iovec vectors[2] = {{buffer, 4096}, {buffer + 4096, 4096}};

        io_prep_pread(block, fds[i], buffer, 4096, 0);
        submit(block, names[i]);
        block = next();
        io_prep_pwritev(block, fds[i], vectors, 2, 0);
        submit(block, names[i]);
        block = next();
        io_prep_fsync(block, fds[i]);
        submit(block, names[i]);
        reap(3);
    }
}

static void streams(void) {
    struct io_event event;
    struct iocb* block = next();
    int ends[2];

    need(pipe(ends) == 0, "pipe");
    io_prep_pread(block, ends[0], buffer, 64, 0);
    submit(block, "pipe, later");
    need(write(ends[1], "x", 1) == 1, "write");
    reap(1);
    need(write(ends[1], "x", 1) == 1, "write");
    block = next();
    io_prep_pread(block, ends[0], buffer, 64, 0);
    submit(block, "pipe, at once");
    reap(1);
    block = next();
    io_prep_poll(block, ends[1], POLLOUT);
    submit(block, "poll, at once");
    reap(1);
    block = next();
    io_prep_poll(block, ends[0], POLLIN);
    submit(block, "cancelled");
    /* The worker is to have begun it. */
    usleep(20000);
    need(io_cancel(ctx, block, &event) == 0, "cancel");
}

static void stay(void) {
    struct iocb* block = next();
    int ends[2];
    char byte;

    need(pipe(ends) == 0, "pipe");
    io_prep_pread(block, ends[0], buffer, 64, 0);
    submit(block, "stays");
    submit(block, "stays, once more");
    usleep(20000);
    need(read(0, &byte, 1) >= 0, "standard input");
}

int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    need(io_setup(most, &ctx) == 0, "context");
    if (argc > 1 && strcmp(argv[1], "wait") == 0) {
        stay();
    } else {
        files();
        streams();
    }
    return 0;
}
