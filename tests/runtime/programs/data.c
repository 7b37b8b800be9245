/* SPDX-License-Identifier: Apache-2.0 */
/* The right bytes at the right place. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int wrong_bytes(size_t from, size_t bytes) {
    int wrong = 0;

    for (size_t i = 0; i < bytes; i++) {
        wrong += buffer[i] != (char)((from + i) / 512);
    }
    return wrong;
}

static void read_all(const char* where, int flags) {
    io_context_t ctx = context(64);
    int fd = data_file(where, O_RDWR | flags);
    struct iocb cb;
    struct iovec vectors[20];

    for (int round = 0; round < 2; round++) {
        if (round == 0) {
            posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        }
        memset(buffer, 1, BUFFER_BYTES);
        io_prep_pread(&cb, fd, buffer, BUFFER_BYTES / 2, BUFFER_BYTES / 4);
        submit(ctx, &cb);
        say_events(ctx, 1, 5000);
        printf("pread: %d wrong\n", wrong_bytes(BUFFER_BYTES / 4, BUFFER_BYTES / 2));
        memset(buffer, 1, BUFFER_BYTES);
        for (int i = 0; i < 20; i++) {
            vectors[i].iov_base = buffer + i * 512;
            vectors[i].iov_len = 512;
        }
        io_prep_preadv(&cb, fd, vectors, 20, 4096);
        submit(ctx, &cb);
        memset(vectors, 0, sizeof(vectors));
        say_events(ctx, 1, 5000);
        printf("preadv: %d wrong\n", wrong_bytes(4096, 20 * 512));
    }
    io_prep_pread(&cb, fd, buffer, 8192, BUFFER_BYTES - 4096);
    submit(ctx, &cb);
    puts("over the end:");
    say_events(ctx, 1, 5000);
    io_prep_pread(&cb, fd, buffer, 4096, BUFFER_BYTES + 8192);
    submit(ctx, &cb);
    puts("behind the end:");
    say_events(ctx, 1, 5000);
    close(fd);
    io_destroy(ctx);
}

static void reads(void) {
    puts("memory");
    read_all("memory", 0);
    puts("page cache");
    read_all("disk", 0);
    puts("O_DIRECT");
    read_all("disk", O_DIRECT);
}

/* Half of it cached, half not. */
static void half_cached(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDONLY);
    struct iocb cb;

    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    must(pread(fd, buffer, 65536, 0) == 65536, "reading");
    memset(buffer, 1, BUFFER_BYTES);
    io_prep_pread(&cb, fd, buffer, 262144, 0);
    submit(ctx, &cb);
    say_events(ctx, 1, 5000);
    printf("%d wrong\n", wrong_bytes(0, 262144));
}

static void write_all(const char* where, int flags) {
    io_context_t ctx = context(64);
    int fd = data_file(where, O_RDWR | flags);
    static char pattern[65536] __attribute__((aligned(4096)));
    struct iovec vectors[2] = {{pattern, 4096}, {pattern + 8192, 4096}};
    struct iocb cb[2];
    struct iocb* list[2] = {&cb[0], &cb[1]};
    int wrong = 0;

    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (char)(i * 7);
    }
    io_prep_pwrite(&cb[0], fd, pattern, sizeof(pattern), 4096);
    io_prep_pwritev(&cb[1], fd, vectors, 2, BUFFER_BYTES);
    cb[1].data = (void*)1;
    printf("io_submit %s\n", word(io_submit(ctx, 2, list)));
    say_events(ctx, 2, 5000);
    io_prep_fsync(&cb[0], fd);
    say_submit("fsync", ctx, &cb[0]);
    say_events(ctx, 1, 5000);
    io_prep_fdsync(&cb[0], fd);
    say_submit("fdatasync", ctx, &cb[0]);
    say_events(ctx, 1, 5000);
    must(pread(fd, buffer, sizeof(pattern), 4096) == (ssize_t)sizeof(pattern), "reading");
    wrong += memcmp(buffer, pattern, sizeof(pattern)) != 0;
    must(pread(fd, buffer, 8192, BUFFER_BYTES) == 8192, "reading");
    wrong += memcmp(buffer, pattern, 4096) != 0 || memcmp(buffer + 4096, pattern + 8192, 4096) != 0;
    printf("%d wrong, size %ld\n", wrong, (long)lseek(fd, 0, SEEK_END));
    close(fd);
    io_destroy(ctx);
}

static void writes(void) {
    puts("memory");
    write_all("memory", 0);
    puts("page cache");
    write_all("disk", 0);
    puts("O_DIRECT");
    write_all("disk", O_DIRECT);
}

static void ready_streams(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(pipe(ends) == 0, "a pipe");
    must(write(ends[1], "hello", 5) == 5, "writing");
    io_prep_pread(&cb, ends[0], buffer, 64, 0);
    say_submit("read of a pipe with 5 bytes", ctx, &cb);
    say_events(ctx, 1, 3000);
    io_prep_pwrite(&cb, ends[1], "world!", 6, 0);
    say_submit("write to a pipe", ctx, &cb);
    say_events(ctx, 1, 3000);
    printf("read: %ld '%.6s'\n", (long)read(ends[0], buffer, 64), buffer);
    close(ends[1]);
    io_prep_pread(&cb, ends[0], buffer, 64, 0);
    say_submit("read of a closed pipe", ctx, &cb);
    say_events(ctx, 1, 3000);
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "sockets");
    io_prep_pwrite(&cb, ends[0], "abc", 3, 0);
    say_submit("write to a socket", ctx, &cb);
    say_events(ctx, 1, 3000);
    io_prep_pread(&cb, ends[1], buffer, 64, 0);
    say_submit("read of a socket", ctx, &cb);
    say_events(ctx, 1, 3000);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    io_prep_pread(&cb, ends[1], buffer, 64, 0);
    say_submit("read of an empty O_NONBLOCK socket", ctx, &cb);
    say_events(ctx, 1, 3000);
}

/* More than the pipe holds: one request, one event, every byte. */
static void large_pipe_write(void) {
    io_context_t ctx = context(8);
    int ends[2];
    struct iocb cb;

    must(pipe(ends) == 0, "a pipe");
    io_prep_pwrite(&cb, ends[1], buffer, 500000, 0);
    later_read(ends[0], 700, 500000);
    say_submit("write of 500000 bytes", ctx, &cb);
    say_events(ctx, 1, 5000);
    wait_for_helper();
}

static void append(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR | O_APPEND);
    struct iocb cb;

    io_prep_pwrite(&cb, fd, "tail", 4, 0);
    submit(ctx, &cb);
    say_events(ctx, 1, 5000);
    printf("size %ld\n", (long)lseek(fd, 0, SEEK_END));
}

const struct behaviour data_behaviours[] = {
    {"data_reads", reads},
    {"data_half_cached", half_cached},
    {"data_writes", writes},
    {"data_ready_streams", ready_streams},
    {"data_large_pipe_write", large_pipe_write},
    {"data_append", append},
    {NULL, NULL},
};
