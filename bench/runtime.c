/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fio does not measure of a libaio: the time in io_submit of cold buffered reads, a cancel from call to return,
 * and the processor that requests need which only wait. Prints one number, in nanoseconds. runtime submit FILE      of
 * 128 KiB reads, 32 at once, median of the batches, for each request runtime cancel US        of a read of a pipe that
 * is pending for so long, median (the kernel has none: of a poll) runtime idle             processor time in a second
 * with 64 requests pending
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { depth = 32, read_bytes = 128 * 1024, rounds = 1000, batches = 24 };

static long clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

_Noreturn static void fail(const char* what, long result) {
    fprintf(stderr, "runtime: %s: %s\n", what, strerror((int)-result));
    exit(1);
}

static int by_size(const void* left, const void* right) {
    const long a = *(const long*)left;
    const long b = *(const long*)right;
    return a < b ? -1 : a > b;
}

static long median(long* values, int count) {
    qsort(values, (size_t)count, sizeof(*values), by_size);
    return values[count / 2];
}

static io_context_t make_context(void) {
    io_context_t ctx = NULL;
    const int result = io_setup(depth * 4, &ctx);
    if (result < 0) {
        fail("io_setup", result);
    }
    return ctx;
}

static void submit(io_context_t ctx, int count, struct iocb** list) {
    const int result = io_submit(ctx, count, list);
    if (result != count) {
        fail("io_submit", result < 0 ? result : -EAGAIN);
    }
}

static long submit_cold(const char* path) {
    io_context_t ctx = make_context();
    const int file = open(path, O_RDONLY);
    char* buffer = aligned_alloc(4096, (size_t)depth * read_bytes);
    struct iocb blocks[depth];
    struct iocb* list[depth];
    struct io_event events[depth];
    long times[batches];
    if (file < 0 || buffer == NULL) {
        fail(path, -errno);
    }
    const off_t size = lseek(file, 0, SEEK_END);
    memset(buffer, 0, (size_t)depth * read_bytes);
    posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    for (int batch = 0; batch < batches; ++batch) {
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        for (int i = 0; i < depth; ++i) {
            const long long at = (long long)(batch * depth + i) * 7919 % (size / read_bytes) * read_bytes;
            io_prep_pread(&blocks[i], file, buffer + (size_t)i * read_bytes, read_bytes, at);
            list[i] = &blocks[i];
        }
        const long before = clock_ns(CLOCK_MONOTONIC);
        submit(ctx, depth, list);
        times[batch] = (clock_ns(CLOCK_MONOTONIC) - before) / depth;
        const int got = io_getevents(ctx, depth, depth, events, NULL);
        for (int i = 0; i < depth; ++i) {
            if (got != depth || events[i].res != read_bytes) {
                fail("a read", got < 0 ? got : -EIO);
            }
        }
    }
    return median(times, batches);
}

static long cancel(unsigned pending_us) {
    io_context_t ctx = make_context();
    const char* backend = getenv("INFLIGHT_BENCH_READS");
    const int reads = backend != NULL;
    int ends[2];
    char buffer[64];
    struct iocb block;
    struct iocb* list = &block;
    static long times[rounds];
    if (pipe(ends) != 0) {
        fail("pipe", -errno);
    }
    for (int i = 0; i < rounds; ++i) {
        struct io_event event;
        if (reads) {
            io_prep_pread(&block, ends[0], buffer, sizeof(buffer), 0);
        } else {
            io_prep_poll(&block, ends[0], POLLIN);
        }
        submit(ctx, 1, &list);
        usleep(pending_us);
        const long before = clock_ns(CLOCK_MONOTONIC);
        const int result = io_cancel(ctx, &block, &event);
        times[i] = clock_ns(CLOCK_MONOTONIC) - before;
        if (result == -EINPROGRESS && io_getevents(ctx, 1, 1, &event, NULL) == 1) {
            continue;
        }
        if (result != 0) {
            fail("io_cancel", result);
        }
    }
    return median(times, rounds);
}

static long idle(void) {
    io_context_t ctx = make_context();
    int ends[2];
    struct iocb blocks[2 * depth];
    struct iocb* list[2 * depth];
    if (pipe(ends) != 0) {
        fail("pipe", -errno);
    }
    for (int i = 0; i < 2 * depth; ++i) {
        io_prep_poll(&blocks[i], ends[0], POLLIN);
        list[i] = &blocks[i];
    }
    submit(ctx, 2 * depth, list);
    usleep(100000);
    const long before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    usleep(1000000);
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
}

int main(int argc, char** argv) {
    if (argc == 3 && strcmp(argv[1], "submit") == 0) {
        printf("%ld\n", submit_cold(argv[2]));
    } else if (argc == 3 && strcmp(argv[1], "cancel") == 0) {
        printf("%ld\n", cancel((unsigned)atoi(argv[2])));
    } else if (argc == 2 && strcmp(argv[1], "idle") == 0) {
        printf("%ld\n", idle());
    } else {
        fprintf(stderr, "usage: runtime submit FILE | cancel US | idle\n");
        return 2;
    }
    return 0;
}
