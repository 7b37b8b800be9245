/* SPDX-License-Identifier: Apache-2.0 */
/* io_cancel of what a file system or a disk is working at: it completes, whatever io_cancel says. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int waits_us[] = {0, 100, 400, 2000};
#define WAITS (sizeof(waits_us) / sizeof(waits_us[0]))

/* What io_cancel says depends on how fast the disk is; but one of the two calls tells the end, and only one. */
static void then_cancel(io_context_t ctx, struct iocb* cb, int wait_us) {
    struct timespec limit = {5, 0};
    struct timespec soon = {0, 20000000};
    struct io_event event = {0};
    int answer;
    int events;

    must(submit(ctx, cb) == 1, "io_submit");
    usleep((useconds_t)wait_us);
    answer = io_cancel(ctx, cb, &event);
    events = io_getevents(ctx, 1, 1, &event, answer == 0 ? &soon : &limit);
    printf("%s\n", answer == 0 && events == 0                        ? "one end"
                   : (answer == -22 || answer == -11) && events == 1 ? "one end"
                                                                     : "not one end");
}

static void buffered_read(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDONLY);
    struct iocb cb;

    for (size_t i = 0; i < WAITS; i++) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        io_prep_pread(&cb, fd, buffer, BUFFER_BYTES, 0);
        then_cancel(ctx, &cb, waits_us[i]);
    }
}

static void direct(bool writes) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR | O_DIRECT);
    struct iocb cb;

    for (size_t i = 0; i < WAITS; i++) {
        if (writes) {
            io_prep_pwrite(&cb, fd, buffer, 65536, 0);
        } else {
            io_prep_pread(&cb, fd, buffer, 65536, 0);
        }
        then_cancel(ctx, &cb, waits_us[i]);
    }
}

static void direct_read(void) {
    direct(false);
}
static void direct_write(void) {
    direct(true);
}

static void sync_file(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    struct iocb cb;

    for (size_t i = 0; i < WAITS; i++) {
        must(pwrite(fd, buffer, BUFFER_BYTES, 0) == BUFFER_BYTES, "writing");
        io_prep_fsync(&cb, fd);
        then_cancel(ctx, &cb, waits_us[i]);
        io_prep_fdsync(&cb, fd);
        then_cancel(ctx, &cb, waits_us[i]);
    }
}

static void memory_read(void) {
    io_context_t ctx = context(8);
    int fd = data_file("memory", O_RDONLY);
    struct iocb cb;

    io_prep_pread(&cb, fd, buffer, 4096, 0);
    say_submit("read", ctx, &cb);
    say_cancel(ctx, &cb);
    say_events(ctx, 1, 1000);
}

const struct behaviour cancel_file_behaviours[] = {
    {"cancel_buffered_read", buffered_read}, {"cancel_direct_read", direct_read},
    {"cancel_direct_write", direct_write},   {"cancel_fsync", sync_file},
    {"cancel_memory_read", memory_read},     {NULL, NULL},
};
