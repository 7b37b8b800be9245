/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random 4 KiB O_DIRECT reads of one file in several ways, turn about in slices of 8 ms, so that all of them see the
 * same disk. Each way is a process of its own. The order changes from round to round, and a way is held against the
 * first one of its own round.
 *
 *     turns FILE DEPTH ROUNDS WAY...       WAY: a libaio.so.1, `kernel` for the system calls, `ring` for io_uring alone
 *
 * Prints for each way: the way, nanoseconds for a request (mean), its rate to the first one's (geometric mean of
 * the rounds: that of plain ratios grows with their noise), and the standard error of that; separated by tabs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { read_bytes = 4096, slice_ns = 8 * 1000 * 1000, most_ways = 8, most_depth = 256 };

_Noreturn static void fail(const char* what, long error) {
    fprintf(stderr, "turns: %s: %s\n", what, strerror((int)error));
    exit(1);
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

struct reader {
    int file;
    unsigned depth;
    uint64_t blocks;
    uint64_t random;
    char* buffers;
};

/* xorshift64 */
static long long next_offset(struct reader* reader) {
    reader->random ^= reader->random << 13;
    reader->random ^= reader->random >> 7;
    reader->random ^= reader->random << 17;
    return (long long)(reader->random % reader->blocks * read_bytes);
}

static char* buffer_of(const struct reader* reader, unsigned i) {
    return reader->buffers + (size_t)i * read_bytes;
}

static void must_be_whole(long result) {
    if (result != read_bytes) {
        fail("a read", result < 0 ? -result : EIO);
    }
}

/* A libaio, or the system calls with its interface. */
struct aio {
    int (*setup)(int, io_context_t*);
    int (*submit)(io_context_t, long, struct iocb**);
    int (*getevents)(io_context_t, long, long, struct io_event*, struct timespec*);
    io_context_t context;
};

static int kernel_setup(int count, io_context_t* context) {
    return (int)syscall(SYS_io_setup, count, context);
}
static int kernel_submit(io_context_t context, long count, struct iocb** list) {
    return (int)syscall(SYS_io_submit, context, count, list);
}
static int kernel_getevents(io_context_t context, long least, long most, struct io_event* to, struct timespec* limit) {
    return (int)syscall(SYS_io_getevents, context, least, most, to, limit);
}

static void* symbol(void* library, const char* name) {
    void* found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "turns: %s\n", dlerror());
        exit(1);
    }
    return found;
}

static struct aio open_aio(const char* way) {
    struct aio aio = {kernel_setup, kernel_submit, kernel_getevents, NULL};
    if (strcmp(way, "kernel") != 0) {
        void* library = dlopen(way, RTLD_NOW);
        if (library == NULL) {
            fprintf(stderr, "turns: %s\n", dlerror());
            exit(1);
        }
        *(void**)&aio.setup = symbol(library, "io_setup");
        *(void**)&aio.submit = symbol(library, "io_submit");
        *(void**)&aio.getevents = symbol(library, "io_getevents");
    }
    const int result = aio.setup(most_depth, &aio.context);
    if (result < 0) {
        fail("io_setup", -result);
    }
    return aio;
}

static void submit_aio(struct reader* reader, struct aio* aio, struct iocb* block) {
    io_prep_pread(block, reader->file, block->u.c.buf, read_bytes, next_offset(reader));
    const int result = aio->submit(aio->context, 1, &block);
    if (result != 1) {
        fail("io_submit", result < 0 ? -result : EIO);
    }
}

static long run_aio(struct reader* reader, struct aio* aio, long end) {
    static struct iocb blocks[most_depth];
    static struct io_event events[most_depth];
    for (unsigned i = 0; i < reader->depth; ++i) {
        blocks[i].u.c.buf = buffer_of(reader, i);
        submit_aio(reader, aio, &blocks[i]);
    }
    long done = 0;
    for (unsigned in_flight = reader->depth; in_flight != 0;) {
        const int got = aio->getevents(aio->context, 1, (long)reader->depth, events, NULL);
        if (got < 1) {
            fail("io_getevents", -got);
        }
        done += got;
        in_flight -= (unsigned)got;
        const int goes_on = now() < end;
        for (int i = 0; i < got; ++i) {
            must_be_whole((long)events[i].res);
            if (goes_on) {
                submit_aio(reader, aio, events[i].obj);
                ++in_flight;
            }
        }
    }
    return done;
}

static void submit_ring(struct reader* reader, struct io_uring* ring, uint64_t i) {
    struct io_uring_sqe* sqe = io_uring_get_sqe(ring);
    io_uring_prep_read(sqe, reader->file, buffer_of(reader, (unsigned)i), read_bytes, (uint64_t)next_offset(reader));
    io_uring_sqe_set_data64(sqe, i);
    const int result = io_uring_submit(ring);
    if (result != 1) {
        fail("io_uring_submit", result < 0 ? -result : EIO);
    }
}

static long run_ring(struct reader* reader, struct io_uring* ring, long end) {
    for (unsigned i = 0; i < reader->depth; ++i) {
        submit_ring(reader, ring, i);
    }
    long done = 0;
    for (unsigned in_flight = reader->depth; in_flight != 0;) {
        struct io_uring_cqe* cqe = NULL;
        const int result = io_uring_wait_cqe(ring, &cqe);
        if (result < 0) {
            fail("io_uring_wait_cqe", -result);
        }
        const int goes_on = now() < end;
        do {
            const uint64_t i = io_uring_cqe_get_data64(cqe);
            must_be_whole(cqe->res);
            io_uring_cqe_seen(ring, cqe);
            ++done;
            --in_flight;
            if (goes_on) {
                submit_ring(reader, ring, i);
                ++in_flight;
            }
        } while (io_uring_peek_cqe(ring, &cqe) == 0);
    }
    return done;
}

/* How many requests a slice did, and in which time. */
struct slice {
    long requests;
    long ns;
};

/* One slice for each byte that comes. */
_Noreturn static void serve(const char* way, const char* path, unsigned depth, int orders, int answers) {
    struct reader reader = {.file = open(path, O_RDONLY | O_DIRECT), .depth = depth};
    struct stat about;
    if (reader.file < 0 || fstat(reader.file, &about) != 0) {
        fail(path, errno);
    }
    reader.blocks = (uint64_t)about.st_size / read_bytes;
    reader.random = 0x9e3779b97f4a7c15U ^ (uint64_t)getpid();
    reader.buffers = aligned_alloc(read_bytes, (size_t)depth * read_bytes);
    if (reader.blocks == 0 || reader.buffers == NULL) {
        fail(path, EINVAL);
    }
    memset(reader.buffers, 0, (size_t)depth * read_bytes);
    const int rings = strcmp(way, "ring") == 0;
    struct io_uring ring;
    struct aio aio;
    if (!rings) {
        aio = open_aio(way);
    } else {
        const int result = io_uring_queue_init(most_depth, &ring, 0);
        if (result < 0) {
            fail("io_uring_queue_init", -result);
        }
    }
    char order;
    while (read(orders, &order, 1) == 1) {
        const long begin = now();
        struct slice slice;
        slice.requests = rings ? run_ring(&reader, &ring, begin + slice_ns) : run_aio(&reader, &aio, begin + slice_ns);
        slice.ns = now() - begin;
        if (write(answers, &slice, sizeof(slice)) != (ssize_t)sizeof(slice)) {
            break;
        }
    }
    exit(0);
}

struct way {
    const char* name;
    int orders;
    int answers;
    double ns; /* a request, summed over the rounds */
    double log_ratio;
    double log_ratio_squared;
};

static void start(struct way* way, const char* path, unsigned depth) {
    int orders[2];
    int answers[2];
    if (pipe2(orders, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) {
        fail("pipe2", errno);
    }
    const pid_t child = fork();
    if (child < 0) {
        fail("fork", errno);
    }
    if (child == 0) {
        close(orders[1]);
        close(answers[0]);
        serve(way->name, path, depth, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    way->orders = orders[1];
    way->answers = answers[0];
}

static double one_slice(const struct way* way) {
    struct slice slice;
    if (write(way->orders, "", 1) != 1 || read(way->answers, &slice, sizeof(slice)) != (ssize_t)sizeof(slice)) {
        fprintf(stderr, "turns: %s ended\n", way->name);
        exit(1);
    }
    return (double)slice.ns / (double)slice.requests;
}

int main(int argc, char** argv) {
    const int count = argc - 4;
    const int depth = argc > 3 ? atoi(argv[2]) : 0;
    const int rounds = argc > 3 ? atoi(argv[3]) : 0;
    if (count < 1 || count > most_ways || depth < 1 || depth > most_depth || rounds < 2) {
        fprintf(stderr, "usage: turns FILE DEPTH ROUNDS WAY...\n");
        return 2;
    }
    static struct way ways[most_ways];
    for (int i = 0; i < count; ++i) {
        ways[i].name = argv[4 + i];
        start(&ways[i], argv[1], (unsigned)depth);
        (void)one_slice(&ways[i]);
    }
    for (int round = 0; round < rounds; ++round) {
        double ns[most_ways];
        for (int i = 0; i < count; ++i) {
            const int turn = (round + i) % count;
            /* Forwards and backwards, so that each comes after each. */
            const int at = round / count % 2 == 0 ? turn : count - 1 - turn;
            ns[at] = one_slice(&ways[at]);
        }
        for (int i = 0; i < count; ++i) {
            const double ratio = log(ns[0] / ns[i]);
            ways[i].ns += ns[i];
            ways[i].log_ratio += ratio;
            ways[i].log_ratio_squared += ratio * ratio;
        }
    }
    for (int i = 0; i < count; ++i) {
        const double mean = ways[i].log_ratio / rounds;
        const double variance = (ways[i].log_ratio_squared - rounds * mean * mean) / (rounds - 1);
        const double error = sqrt((variance > 0 ? variance : 0) / rounds);
        printf("%s\t%.0f\t%.4f\t%.4f\n", ways[i].name, ways[i].ns / rounds, exp(mean), exp(mean) * error);
    }
    return 0;
}
