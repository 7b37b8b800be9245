/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's AIO does within io_submit has its event when io_submit returns. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* How many events the ring has for who looks at it without a call. */
static unsigned in_ring(io_context_t ctx) {
    struct aio_ring_header* ring = ring_of(ctx);

    return (ring->tail + ring->nr - ring->head) % ring->nr;
}

static void write_and_look(io_context_t ctx, int fd, size_t bytes, long long offset) {
    struct timespec now = {0, 0};
    struct io_event event;
    struct iocb cb;
    int submitted;

    io_prep_pwrite(&cb, fd, buffer, bytes, offset);
    submitted = submit(ctx, &cb);
    printf("%zu bytes at %lld: io_submit %s, %u in the ring", bytes, offset, word(submitted), in_ring(ctx));
    printf(", io_getevents %s", word(io_getevents(ctx, 0, 1, &event, &now)));
    printf(" res %s\n", word((long)event.res));
}

static void write_sizes(io_context_t ctx, int fd) {
    const size_t sizes[] = {1, 256, 512, 4095, 4096, 5000, 65536, BUFFER_BYTES};
    const long long offsets[] = {0, 100, 4096, 1000000, 3000000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t j = 0; j < sizeof(offsets) / sizeof(offsets[0]); j++) {
            write_and_look(ctx, fd, sizes[i], offsets[j]);
        }
    }
}

static void writes(void) {
    const int ways[] = {O_RDWR, O_WRONLY, O_RDWR | O_APPEND, O_WRONLY | O_APPEND, O_RDWR | O_NONBLOCK};
    io_context_t ctx = context(8);

    memset(buffer, 'x', BUFFER_BYTES);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct stat about;
        int fd = data_file("disk", ways[i]);

        write_sizes(ctx, fd);
        must(fstat(fd, &about) == 0, "its size");
        printf("size %lld\n", (long long)about.st_size);
        close(fd);
    }
}

static void write_vectors(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    struct iovec vectors[3] = {{buffer, 10}, {buffer + 5000, 5000}, {buffer, 3}};
    struct timespec now = {0, 0};
    struct io_event event;
    struct iocb cb;

    io_prep_pwritev(&cb, fd, vectors, 3, 77);
    submit(ctx, &cb);
    printf("%u in the ring", in_ring(ctx));
    printf(", io_getevents %s", word(io_getevents(ctx, 0, 1, &event, &now)));
    printf(" res %s\n", word((long)event.res));
}

/* Many in a row, as a log is written. */
static void write_log(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    struct timespec now = {0, 0};
    struct io_event event;
    struct iocb cb;
    int found = 0;

    must(ftruncate(fd, 0) == 0, "an empty file");
    for (int i = 0; i < 2000; i++) {
        io_prep_pwrite(&cb, fd, buffer, 256, i * 256);
        submit(ctx, &cb);
        found += io_getevents(ctx, 0, 1, &event, &now) == 1;
    }
    printf("%s\n", found > 1900 ? "found" : "not found");
}

/* Sizes beyond what the file may have, and a descriptor that is only for reading. */
static void write_errors(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDONLY);
    struct iocb cb;

    io_prep_pwrite(&cb, fd, buffer, 512, 0);
    say_submit("only for reading", ctx, &cb);
    fd = data_file("disk", O_RDWR);
    io_prep_pwrite(&cb, fd, buffer, 0, 0);
    say_submit("nothing", ctx, &cb);
    say_events(ctx, 1, 1000);
    io_prep_pwrite(&cb, fd, (void*)8, 512, 0);
    say_submit("from nowhere", ctx, &cb);
    say_events(ctx, 1, 1000);
    io_prep_pwrite(&cb, fd, buffer, 512, 1LL << 62);
    say_submit("too far", ctx, &cb);
    say_events(ctx, 1, 1000);
}

/* io_getevents that wants none at least: what it finds. The kernel has done all of these within io_submit. */
static void moment(const char* label, io_context_t ctx, struct iocb* cb) {
    struct timespec limit = {30, 0};
    struct io_event event;
    double before = seconds();

    must(submit(ctx, cb) == 1, "io_submit");
    printf("%s: io_getevents %s", label, word(io_getevents(ctx, 0, 1, &event, &limit)));
    printf(", %s\n", seconds() - before < 5 ? "soon" : "late");
}

static void wants_none(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    int synced = data_file("disk", O_RDWR | O_DSYNC);
    struct timespec limit = {30, 0};
    struct io_event event;
    struct iocb cb;
    double before = seconds();

    printf("nothing in flight: io_getevents %s", word(io_getevents(ctx, 0, 1, &event, &limit)));
    printf(", %s\n", seconds() - before < 5 ? "soon" : "late");
    io_prep_pwrite(&cb, fd, buffer, 512, 0);
    moment("write", ctx, &cb);
    io_prep_pread(&cb, fd, buffer, 512, 0);
    moment("read that is cached", ctx, &cb);
    for (int i = 0; i < 8; i++) {
        must(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "an empty cache");
        io_prep_pread(&cb, fd, buffer, 65536, i * 65536);
        moment("read that is not cached", ctx, &cb);
        must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "an empty cache");
        io_prep_pwrite(&cb, fd, buffer, 10, i * 65536 + 10);
        moment("write that reads first", ctx, &cb);
    }
    io_prep_pwrite(&cb, synced, buffer, 4096, 0);
    moment("write to the disk", ctx, &cb);
    io_prep_pread(&cb, fd, buffer, 512, 0);
    must(submit(ctx, &cb) == 1, "io_submit");
    printf("room for none: io_getevents %s\n", word(io_getevents(ctx, 0, 0, &event, &limit)));
    say_events(ctx, 1, 1000);
}

static void many_contexts(void) {
    int count = 0;
    int result = 0;
    io_context_t first = NULL;
    io_context_t last = NULL;

    for (; count < 17000; count++) {
        io_context_t ctx = NULL;

        result = io_setup(1, &ctx);
        if (result != 0) {
            break;
        }
        first = count == 0 ? ctx : first;
        last = ctx;
    }
    printf("%d contexts, %s\n", count, word(result));
    printf("io_destroy of the first %s, of the last %s\n", word(io_destroy(first)), word(io_destroy(last)));
    printf("io_destroy of the first again %s\n", word(io_destroy(first)));
    fflush(stdout);
    _exit(0);
}

const struct behaviour inside_behaviours[] = {
    {"inside_writes", writes},
    {"inside_write_vectors", write_vectors},
    {"inside_write_log", write_log},
    {"inside_write_errors", write_errors},
    {"inside_wants_none", wants_none},
    {"setup_many", many_contexts},
    {NULL, NULL},
};
