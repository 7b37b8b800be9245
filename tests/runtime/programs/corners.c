/* SPDX-License-Identifier: Apache-2.0 */
/* What two things at once make of each other: masks and signals, numbers that mean another file, the order of errors.
 */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void handler(int number) {
    (void)number;
    handled++;
}

static sigset_t only(int number) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

/* A signal that the mask lets through is handled, also when there is nothing to wait for. */
static void mask_with_event(void) {
    static const char* const labels[] = {"an event is there", "none is wanted"};
    sigset_t set = only(SIGUSR1);
    sigset_t empty;

    sigemptyset(&empty);
    signal(SIGUSR1, handler);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++) {
        io_context_t ctx = context(8);
        struct io_event event;
        struct iocb cb;
        int ends[2];
        int result;

        must(pipe(ends) == 0, "a pipe");
        io_prep_poll(&cb, ends[1], POLLOUT);
        if (i == 0) {
            submit(ctx, &cb);
        }
        handled = 0;
        raise(SIGUSR1);
        result = io_pgetevents(ctx, i == 1 ? 0 : 1, 1, &event, NULL, &empty);
        printf("%s: %s, handled %d times\n", labels[i], word(result), (int)handled);
    }
}

static void* destroy(void* ctx) {
    usleep(100000);
    printf("io_destroy %s\n", word(io_destroy((io_context_t)ctx)));
    return NULL;
}

static void destroyed_masked(void) {
    io_context_t ctx = context(8);
    sigset_t set = only(SIGUSR1);
    struct io_event event;
    pthread_t thread;
    int result;

    must(pthread_create(&thread, NULL, destroy, ctx) == 0, "a thread");
    result = io_pgetevents(ctx, 1, 1, &event, NULL, &set);
    pthread_join(thread, NULL);
    printf("io_pgetevents meanwhile %s\n", word(result));
}

static void* take_one(void* ctx) {
    sigset_t set = only(SIGUSR1);
    struct timespec limit = {5, 0};
    struct io_event event;

    return (void*)(long)io_pgetevents((io_context_t)ctx, 1, 1, &event, &limit, &set);
}

/* As many events as threads that wait for one each. */
static void several_masked(void) {
    enum { threads = 4, rounds = 50 };
    io_context_t ctx = context(8);
    double before = seconds();
    int got = 0;
    int ends[2];

    must(pipe(ends) == 0, "a pipe");
    for (int i = 0; i < rounds; i++) {
        pthread_t thread[threads];
        struct iocb cb[threads];
        struct iocb* list[threads];
        void* result;
        char byte;

        for (int t = 0; t < threads; t++) {
            io_prep_poll(&cb[t], ends[0], POLLIN);
            list[t] = &cb[t];
            must(pthread_create(&thread[t], NULL, take_one, ctx) == 0, "a thread");
        }
        must(io_submit(ctx, threads, list) == threads, "io_submit");
        usleep(i * 20);
        must(write(ends[1], "x", 1) == 1, "writing");
        for (int t = 0; t < threads; t++) {
            pthread_join(thread[t], &result);
            got += (int)(long)result;
        }
        must(read(ends[0], &byte, 1) == 1, "reading");
    }
    printf("%d of %d, %s\n", got, threads * rounds, seconds() - before < 4 ? "at once" : "late");
}

/* The same descriptor for what it may do and what it may not. */
static void both_ways(void) {
    static const int flags[] = {O_RDONLY | O_DIRECT, O_RDONLY, O_WRONLY | O_DIRECT};

    for (int i = 0; i < 3; i++) {
        io_context_t ctx = context(8);
        int fd = data_file("disk", flags[i]);
        struct iocb cb;

        for (int turn = 0; turn < 4; turn++) {
            if (turn % 2 == 0) {
                io_prep_pread(&cb, fd, buffer, 4096, 0);
            } else {
                io_prep_pwrite(&cb, fd, buffer, 4096, 0);
            }
            if (say_submit(turn % 2 == 0 ? "read" : "write", ctx, &cb) == 1) {
                say_events(ctx, 1, 2000);
            }
        }
        close(fd);
    }
}

/* Many at once, more than a disk has room for, and the file is closed when they are submitted. */
static void closed_many(void) {
    enum { count = 512 };
    static struct iocb cb[count];
    static struct iocb* list[count];
    static struct io_event events[count];
    io_context_t ctx = context(count);
    struct timespec limit = {10, 0};
    int wrong = 0;
    int missing = 0;

    for (int round = 0; round < 3; round++) {
        int fd = data_file("disk", O_RDWR | O_DIRECT);
        int other = dup(fd);
        int got = 0;
        int last;

        for (int i = 0; i < count; i++) {
            memset(buffer + i * 2048, round + i, 2048);
            list[i] = &cb[i];
        }
        for (int i = 0; i < count; i += 2) {
            io_prep_pwrite(&cb[i], fd, buffer + i * 2048, 4096, i * 2048);
            io_prep_pwrite(&cb[i + 1], fd, buffer + i * 2048, 4096, i * 2048 + 4 * BUFFER_BYTES);
        }
        must(io_submit(ctx, count, list) == count, "io_submit");
        close(fd);
        must(open("/dev/null", O_RDWR) == fd, "the same number");
        while (got < count && (last = io_getevents(ctx, count - got, count, events, &limit)) > 0) {
            for (int i = 0; i < last; i++) {
                wrong += events[i].res != 4096;
            }
            got += last;
        }
        missing += count - got;
        for (int i = 0; i < count; i += 2) {
            static char found[4096] __attribute__((aligned(4096)));

            wrong += pread(other, found, 4096, i * 2048) != 4096 || memcmp(found, buffer + i * 2048, 4096) != 0;
            wrong += pread(other, found, 4096, i * 2048 + 4 * BUFFER_BYTES) != 4096 ||
                     memcmp(found, buffer + i * 2048, 4096) != 0;
        }
        close(other);
        close(fd);
    }
    printf("%d wrong, %d missing\n", wrong, missing);
}

static void poll_of_files(void) {
    static const char* const paths[] = {"/proc/self/status", "/proc/self/mounts", "/"};
    static const int masks[] = {POLLPRI, 0, POLLIN | POLLPRI};

    for (int i = 0; i < 4; i++) {
        int fd = i < 3 ? open(paths[i], O_RDONLY) : data_file("disk", O_RDONLY);

        for (int m = 0; m < 3; m++) {
            io_context_t ctx = context(8);
            struct iocb cb;

            io_prep_poll(&cb, fd, masks[m]);
            printf("%s, mask %#x: ", i < 3 ? paths[i] : "a file", (unsigned)masks[m]);
            if (say_submit("poll", ctx, &cb) == 1) {
                say_events(ctx, 1, 30);
            }
        }
        close(fd);
    }
}

/* Two reasons to refuse: which one is said. */
static void two_errors(void) {
    io_context_t ctx = context(8);
    int file = data_file("disk", O_RDWR);
    struct iocb cb;

    io_prep_pread(&cb, 999, buffer, 512, 0);
    cb.aio_lio_opcode = 77;
    say_submit("no file, no operation", ctx, &cb);
    io_prep_pread(&cb, 999, buffer, 512, 0);
    io_set_eventfd(&cb, file);
    say_submit("no file, no eventfd", ctx, &cb);
    io_prep_fsync(&cb, 999);
    cb.u.c.nbytes = 1;
    say_submit("no file, fsync with a length", ctx, &cb);
    io_prep_poll(&cb, 999, 0x10000);
    say_submit("no file, poll with a large mask", ctx, &cb);
    io_prep_pread(&cb, file, buffer, 512, -1);
    cb.aio_lio_opcode = 77;
    io_set_eventfd(&cb, 999);
    say_submit("no operation, no eventfd", ctx, &cb);
    io_prep_pread(&cb, open("/", O_PATH), buffer, 512, 0);
    cb.aio_lio_opcode = 77;
    say_submit("O_PATH, no operation", ctx, &cb);
}

/* Flags that depend on the file, and on the kernel. */
static void flags_of_files(void) {
    static const unsigned flags[] = {0x8, 0x20, 0x30, 0x40, 0x80, 0x88, 0x100, 0x200};
    static const char* const labels[] = {"disk", "O_DIRECT", "memory", "proc", "pipe"};

    for (int i = 0; i < 5; i++) {
        for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
            for (int writes = 0; writes < (i == 3 ? 1 : 2); writes++) {
                io_context_t ctx = context(8);
                int ends[2] = {-1, -1};
                struct iocb cb;
                char label[64];
                int fd;

                must(pipe(ends) == 0 && write(ends[1], buffer, 4096) == 4096, "a pipe");
                fd = i == 3   ? open("/proc/version", O_RDONLY)
                     : i == 4 ? ends[writes]
                              : data_file(labels[i == 1 ? 0 : i], O_RDWR | (i == 1 ? O_DIRECT : 0));
                if (writes) {
                    io_prep_pwrite(&cb, fd, buffer, 4096, 0);
                } else {
                    io_prep_pread(&cb, fd, buffer, 4096, 0);
                }
                cb.aio_rw_flags = (int)flags[f];
                snprintf(label, sizeof(label), "%s %s flags %#x", writes ? "write to" : "read of", labels[i], flags[f]);
                if (say_submit(label, ctx, &cb) == 1) {
                    struct io_event event;
                    struct timespec limit = {2, 0};
                    int got = io_getevents(ctx, 1, 1, &event, &limit);

                    /* How much there is, and whether it is cached, is not what this is about. */
                    printf("%d event%s\n", got,
                           got == 1 && (long)event.res < 0 && (long)event.res != -11 ? word((long)event.res) : "");
                }
                io_destroy(ctx);
                close(ends[0]);
                close(ends[1]);
                if (i < 4) {
                    close(fd);
                }
            }
        }
    }
}

const struct behaviour corner_behaviours[] = {
    {"reap_mask_with_event", mask_with_event},
    {"reap_destroyed_masked", destroyed_masked},
    {"reap_several_masked", several_masked},
    {"submit_both_ways", both_ways},
    {"submit_two_errors", two_errors},
    {"submit_flags_of_files", flags_of_files},
    {"submit_poll_of_files", poll_of_files},
    {"process_closed_many", closed_many},
    {NULL, NULL},
};
