/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the named behaviour, or lists their names. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char* buffer;
static pthread_t helper;
static struct {
    int fd, ms;
    size_t bytes;
    bool reads;
} helper_work;

const char* word(long result) {
    static char text[8][32];
    static int next;
    char* at = text[next++ & 7];
    const char* name = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;

    if (name) {
        return name;
    }
    snprintf(at, 32, "%ld", result);
    return at;
}

void must(bool condition, const char* what) {
    if (condition) {
        return;
    }
    printf("cannot run: %s\n", what);
    exit(77);
}

double seconds(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

io_context_t context(int depth) {
    io_context_t ctx = NULL;
    int result = io_setup(depth, &ctx);

    must(result == 0, "io_setup");
    return ctx;
}

int submit(io_context_t ctx, struct iocb* cb) {
    return io_submit(ctx, 1, &cb);
}

int say_submit(const char* label, io_context_t ctx, struct iocb* cb) {
    double before = seconds();
    int result = submit(ctx, cb);

    printf("%s: io_submit %s%s\n", label, word(result), seconds() - before > 0.4 ? ", blocked" : "");
    return result;
}

static int by_data(const void* left, const void* right) {
    intptr_t a = (intptr_t)((const struct io_event*)left)->data;
    intptr_t b = (intptr_t)((const struct io_event*)right)->data;

    return a < b ? -1 : a > b;
}

int say_events(io_context_t ctx, int count, int ms) {
    struct io_event events[64];
    struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
    int got = io_getevents(ctx, count, 64, events, &limit);

    printf("io_getevents %s\n", word(got));
    if (got > 0) {
        qsort(events, (size_t)got, sizeof(events[0]), by_data); /* they come in no order */
    }
    for (int i = 0; i < got; i++) {
        printf("  event data %ld res %s res2 %s iocb %s\n", (long)(intptr_t)events[i].data, word((long)events[i].res),
               word((long)events[i].res2), events[i].obj ? "given" : "NULL");
    }
    return got;
}

int say_cancel(io_context_t ctx, struct iocb* cb) {
    struct io_event result;
    struct io_event before;
    int answer;

    memset(&result, 0x77, sizeof(result));
    before = result;
    answer = io_cancel(ctx, cb, &result);
    if (memcmp(&result, &before, sizeof(result)) == 0) {
        printf("io_cancel %s, result untouched\n", word(answer));
    } else {
        printf("io_cancel %s, result data %ld res %s iocb %s\n", word(answer), (long)(intptr_t)result.data,
               word((long)result.res), result.obj == cb ? "that one" : "another");
    }
    return answer;
}

static void* help(void* unused) {
    char* memory = calloc(1, helper_work.bytes);
    size_t done = 0;

    (void)unused;
    usleep((useconds_t)helper_work.ms * 1000);
    memset(memory, 'h', helper_work.bytes);
    while (done < helper_work.bytes) {
        ssize_t moved = helper_work.reads ? read(helper_work.fd, memory, helper_work.bytes - done)
                                          : write(helper_work.fd, memory, helper_work.bytes - done);
        if (moved <= 0) {
            break;
        }
        done += (size_t)moved;
    }
    free(memory);
    return NULL;
}

static void start_helper(int fd, int ms, size_t bytes, bool reads) {
    helper_work.fd = fd;
    helper_work.ms = ms;
    helper_work.bytes = bytes;
    helper_work.reads = reads;
    must(pthread_create(&helper, NULL, help, NULL) == 0, "a thread");
}

void later_write(int fd, int ms, size_t bytes) {
    start_helper(fd, ms, bytes, false);
}

void later_read(int fd, int ms, size_t bytes) {
    start_helper(fd, ms, bytes, true);
}

void wait_for_helper(void) {
    pthread_join(helper, NULL);
}

int data_file(const char* where, int flags) {
    const char* directory = getenv("TEST_TMPDIR") ? getenv("TEST_TMPDIR") : ".";
    char path[256];
    int fd;
    int again;

    snprintf(path, sizeof(path), "%s/behaviour.%d", strcmp(where, "memory") == 0 ? "/dev/shm" : directory, getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, path);
    for (size_t i = 0; i < BUFFER_BYTES; i++) {
        buffer[i] = (char)(i / 512);
    }
    must(write(fd, buffer, BUFFER_BYTES) == BUFFER_BYTES && fsync(fd) == 0, "a file of 1 MiB");
    memset(buffer, 0, BUFFER_BYTES);
    again = open(path, flags);
    unlink(path);
    must(again >= 0, "opening the file that way");
    close(fd);
    return again;
}

struct aio_ring_header* ring_of(io_context_t ctx) {
    return (struct aio_ring_header*)ctx;
}

int main(int argc, char** argv) {
    const struct behaviour* tables[] = {
        cancel_behaviours,     cancel_file_behaviours, submit_behaviours,  memory_behaviours, reap_behaviours,
        ring_behaviours,       data_behaviours,        process_behaviours, corner_behaviours, direct_behaviours,
        descriptor_behaviours, leave_behaviours,       inside_behaviours};

    setvbuf(stdout, NULL, _IOLBF, 0);
    must(posix_memalign((void**)&buffer, 4096, BUFFER_BYTES) == 0, "memory");
    memset(buffer, 0, BUFFER_BYTES);
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct behaviour* b = tables[t]; b->name; b++) {
            if (argc < 2) {
                puts(b->name);
            } else if (strcmp(argv[1], b->name) == 0) {
                b->run();
                return 0;
            }
        }
    }
    return argc < 2 ? 0 : 2;
}
