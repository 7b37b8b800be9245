/* SPDX-License-Identifier: Apache-2.0 */
/* What io_submit refuses, and what it leaves to the event. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void one(const char* label, struct iocb* cb) {
    io_context_t ctx = context(8);

    if (say_submit(label, ctx, cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_destroy(ctx);
}

static void bad_files(void) {
    struct iocb cb;
    int disk = data_file("disk", O_RDWR);
    int directory = open("/", O_RDONLY);

    io_prep_pread(&cb, 999, buffer, 512, 0);
    one("read of 999", &cb);
    io_prep_pwrite(&cb, -1, buffer, 512, 0);
    one("write to -1", &cb);
    io_prep_pread(&cb, data_file("disk", O_WRONLY), buffer, 512, 0);
    one("read of O_WRONLY", &cb);
    io_prep_pwrite(&cb, data_file("disk", O_RDONLY), buffer, 512, 0);
    one("write to O_RDONLY", &cb);
    io_prep_pwrite(&cb, data_file("memory", O_RDONLY), buffer, 512, 0);
    one("write to O_RDONLY in memory", &cb);
    io_prep_pread(&cb, directory, buffer, 512, 0);
    one("read of a directory", &cb);
    io_prep_pwrite(&cb, directory, buffer, 512, 0);
    one("write to a directory", &cb);
    io_prep_pread(&cb, open("/", O_PATH), buffer, 512, 0);
    one("read of O_PATH", &cb);
    io_prep_fsync(&cb, 999);
    one("fsync of 999", &cb);
    io_prep_poll(&cb, 999, POLLIN);
    one("poll of 999", &cb);
    io_prep_poll(&cb, disk, POLLIN);
    one("poll of a file", &cb);
}

static void bad_offsets(void) {
    struct iocb cb;

    io_prep_pread(&cb, data_file("disk", O_RDWR), buffer, 512, -1);
    one("read at -1", &cb);
    io_prep_pwrite(&cb, data_file("memory", O_RDWR), buffer, 512, -5);
    one("write at -5 in memory", &cb);
    io_prep_pread(&cb, data_file("disk", O_RDWR), buffer, 512, 1LL << 62);
    one("read far behind the end", &cb);
    io_prep_pread(&cb, data_file("disk", O_RDWR | O_DIRECT), buffer + 1, 511, 3);
    one("unaligned O_DIRECT", &cb);
    io_prep_pread(&cb, data_file("disk", O_RDWR), buffer, 0, 0);
    one("read of nothing", &cb);
    io_prep_pread(&cb, data_file("disk", O_RDWR), buffer, (size_t)-1, 0);
    one("read of -1 bytes", &cb);
    io_prep_pread(&cb, data_file("disk", O_RDWR), buffer, 0x7fffffff, BUFFER_BYTES - 100);
    one("read of 2 GiB", &cb);
}

static void bad_fields(void) {
    struct iocb cb;
    int fd = data_file("disk", O_RDWR);
    int ends[2];

    must(pipe(ends) == 0, "a pipe");
    io_prep_pread(&cb, fd, buffer, 512, 0);
    cb.aio_lio_opcode = 6;
    one("IO_CMD_NOOP", &cb);
    cb.aio_lio_opcode = 77;
    one("operation 77", &cb);
    io_prep_pread(&cb, fd, buffer, 512, 0);
    cb.u.c.__pad3 = 1;
    one("a reserved field", &cb);
    io_prep_fsync(&cb, fd);
    cb.u.c.nbytes = 1;
    one("fsync with a length", &cb);
    io_prep_fsync(&cb, ends[0]);
    one("fsync of a pipe", &cb);
    io_prep_poll(&cb, ends[0], 0x10000);
    one("poll with a large mask", &cb);
    io_prep_poll(&cb, ends[0], POLLIN);
    cb.u.c.offset = 1;
    one("poll with an offset", &cb);
    io_prep_pread(&cb, fd, buffer, 512, 0);
    cb.key = 99;
    one("a key", &cb);
    printf("key afterwards: %u\n", cb.key);
    io_prep_pread(&cb, ends[0], buffer, 512, -1);
    one("pipe at -1", &cb);
}

static void rwf_flags(void) {
    static const unsigned flags[] = {1, 2, 4, 8, 16, 0x40000000};
    static const char* const places[] = {"disk", "memory"};

    for (int place = 0; place < 2; place++) {
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            int fd = data_file(places[place], O_RDWR);
            char label[64];
            struct iocb cb;

            io_prep_pwrite(&cb, fd, buffer, 512, 0);
            cb.aio_rw_flags = (int)flags[i];
            snprintf(label, sizeof(label), "write, %s, RWF %#x", places[place], flags[i]);
            one(label, &cb);
            printf("size afterwards: %ld\n", (long)lseek(fd, 0, SEEK_END));
            io_prep_pread(&cb, fd, buffer, 512, 0);
            cb.aio_rw_flags = (int)flags[i];
            snprintf(label, sizeof(label), "read, %s, RWF %#x", places[place], flags[i]);
            one(label, &cb);
            close(fd);
        }
    }
}

static void priorities(void) {
    static const int priorities[] = {0, 1, 0x2000, 0x2007, 0x4003, 0x4009, 0x6000, 0x8000};
    int fd = data_file("disk", O_RDWR);

    for (size_t i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++) {
        char label[64];
        struct iocb cb;

        io_prep_pread(&cb, fd, buffer, 512, 0);
        cb.u.c.flags = 2;
        cb.aio_reqprio = (short)priorities[i];
        snprintf(label, sizeof(label), "priority %#x", priorities[i]);
        one(label, &cb);
    }
}

static void eventfds(void) {
    struct iocb cb;
    int fd = data_file("disk", O_RDWR);

    io_prep_pread(&cb, fd, buffer, 512, 0);
    io_set_eventfd(&cb, 999);
    one("eventfd 999", &cb);
    io_set_eventfd(&cb, fd);
    one("a file as eventfd", &cb);
    io_set_eventfd(&cb, open("/dev/null", O_RDWR));
    one("/dev/null as eventfd", &cb);
}

static void batches(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    struct iocb good[3];
    struct iocb bad;
    struct iocb* list[4] = {&good[0], &good[1], &bad, &good[2]};
    struct iocb* other[2] = {&bad, &good[0]};

    for (int i = 0; i < 3; i++) {
        io_prep_pread(&good[i], fd, buffer, 512, 0);
    }
    io_prep_pread(&bad, 999, buffer, 512, 0);
    printf("the third is bad: io_submit %s\n", word(io_submit(ctx, 4, list)));
    say_events(ctx, 2, 2000);
    printf("the first is bad: io_submit %s\n", word(io_submit(ctx, 2, other)));
    printf("none: io_submit %s\n", word(io_submit(ctx, 0, list)));
    printf("-1: io_submit %s\n", word(io_submit(ctx, -1, list)));
    printf("no context: io_submit %s\n", word(io_submit(NULL, 1, list)));
    printf("wild context: io_submit %s\n", word(io_submit((io_context_t)0x1234560, 1, list)));
}

static void setups(void) {
    io_context_t ctx = NULL;
    io_context_t used = (io_context_t)5;

    printf("io_setup of 0: %s\n", word(io_setup(0, &ctx)));
    printf("io_setup of -1: %s\n", word(io_setup(-1, &ctx)));
    printf("io_setup over a value: %s\n", word(io_setup(8, &used)));
    printf("io_setup to nowhere: %s\n", word(io_setup(8, NULL)));
    printf("io_setup to a wild pointer: %s\n", word(io_setup(8, (io_context_t*)8)));
    printf("io_queue_init of 0: %s\n", word(io_queue_init(0, &ctx)));
    printf("io_queue_init: %s\n", word(io_queue_init(8, &ctx)));
    printf("io_queue_release: %s\n", word(io_queue_release(ctx)));
    printf("again: %s\n", word(io_queue_release(ctx)));
    printf("io_destroy of NULL: %s\n", word(io_destroy(NULL)));
}

const struct behaviour submit_behaviours[] = {
    {"submit_bad_files", bad_files}, {"submit_bad_offsets", bad_offsets}, {"submit_bad_fields", bad_fields},
    {"submit_rwf_flags", rwf_flags}, {"submit_priorities", priorities},   {"submit_eventfds", eventfds},
    {"submit_batches", batches},     {"setup_arguments", setups},         {NULL, NULL},
};
