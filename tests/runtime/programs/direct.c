/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of a disk by a thread that waits for them in io_getevents, and what it does otherwise meanwhile. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { read_bytes = 4096, depth = 16 };

/* The file's bytes there, as data_file() wrote them. */
static bool is_right(const char* read, long offset) {
    for (long i = 0; i < read_bytes; i += 512) {
        if (read[i] != (char)((offset + i) / 512) || read[i + 511] != read[i]) {
            return false;
        }
    }
    return true;
}

static void prepare(struct iocb* cb, int fd, int place) {
    io_prep_pread(cb, fd, buffer + (long)place * read_bytes, read_bytes, (long)place * read_bytes);
    cb->data = (void*)(long)place;
}

/* The thread waits itself from here on, and what the descriptor is is known. */
static void warm_up(io_context_t ctx, int fd) {
    struct io_event event;
    struct iocb cb;

    for (int i = 0; i < 4; i++) {
        prepare(&cb, fd, i);
        must(submit(ctx, &cb) == 1 && io_getevents(ctx, 1, 1, &event, NULL) == 1 && event.res == read_bytes, "a read");
    }
}

static unsigned there(struct aio_ring_header* ring) {
    return (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) + ring->nr - ring->head) % ring->nr;
}

static bool take_by_hand(struct aio_ring_header* ring, struct io_event* event) {
    const unsigned head = ring->head;

    if (there(ring) == 0) {
        return false;
    }
    *event = ring->events[head];
    __atomic_store_n(&ring->head, (head + 1) % ring->nr, __ATOMIC_RELEASE);
    return true;
}

/* Nobody waits any more, and the ring is true all the same. */
static void ring_is_true(void) {
    io_context_t ctx = context(16);
    struct aio_ring_header* ring = ring_of(ctx);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);

    for (int round = 0; round < 20; round++) {
        double limit = seconds() + 3;
        struct io_event event;
        struct iocb cb[4];
        int wrong = 0;

        warm_up(ctx, fd);
        wrong += there(ring) != 0;
        for (int i = 0; i < 4; i++) {
            prepare(&cb[i], fd, i);
            must(submit(ctx, &cb[i]) == 1, "io_submit");
        }
        while (there(ring) != 4 && seconds() < limit)
            ;
        printf("in the ring %u", there(ring));
        for (int i = 0; i < 4 && take_by_hand(ring, &event); i++) {
            wrong += event.res != read_bytes || event.obj != &cb[(long)event.data];
        }
        printf(", wrong %d\n", wrong);
    }
}

/* In all ways of reaping, in turn, with requests in flight all the time. */
static void all_ways(void) {
    enum { count = 4000 };
    io_context_t ctx = context(depth);
    struct aio_ring_header* ring = ring_of(ctx);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    struct timespec zero = {0, 0};
    struct timespec limit = {5, 0};
    struct io_event events[2 * depth];
    struct iocb cb[depth];
    int in_flight = 0;
    int wrong = 0;

    for (int done = 0, submitted = 0, turn = 0; done < count; turn++) {
        int got = 0;

        while (in_flight < depth && submitted < count) {
            const int place = submitted % depth;

            if (submitted >= depth && cb[place].data != NULL) {
                break;
            }
            prepare(&cb[place], fd, (submitted * 7 + turn) % 256);
            cb[place].data = &cb[place];
            memset(cb[place].u.c.buf, 0, read_bytes);
            wrong += submit(ctx, &cb[place]) != 1;
            in_flight++;
            submitted++;
        }
        switch (turn / 50 % 4) {
            case 0:
                got = io_getevents(ctx, 1, 2 * depth, events, NULL);
                break;
            case 1:
                got = io_getevents(ctx, in_flight, in_flight, events, &limit);
                break;
            case 2:
                got = io_getevents(ctx, 0, 2 * depth, events, &zero);
                break;
            case 3:
                got = take_by_hand(ring, events) ? 1 : 0;
                break;
        }
        must(got >= 0, "events");
        for (int i = 0; i < got; i++) {
            struct iocb* of = events[i].obj;

            wrong += of->data != of || events[i].data != of || events[i].res != read_bytes ||
                     !is_right(of->u.c.buf, of->u.c.offset);
            of->data = NULL;
        }
        in_flight -= got;
        done += got;
    }
    printf("%d wrong, in flight %d, in the ring %u\n", wrong, in_flight, there(ring));
}

static void same_iocb(void) {
    io_context_t ctx = context(depth);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    struct iocb cb;
    struct iocb* list[8];

    warm_up(ctx, fd);
    for (int round = 0; round < 3; round++) {
        prepare(&cb, fd, 5);
        for (int i = 0; i < 8; i++) {
            list[i] = &cb;
        }
        printf("io_submit %s\n", word(io_submit(ctx, 8, list)));
        say_events(ctx, 8, 2000);
        say_cancel(ctx, &cb);
    }
}

/* The number of the file means another one, and the thread did not look. */
static void another_file(void) {
    io_context_t ctx = context(depth);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    int kept = dup(fd);
    int ends[2];

    must(pipe(ends) == 0 && write(ends[1], "words", 5) == 5, "a pipe");
    for (int i = 0; i < 9; i++) {
        const char* const names[] = {"pipe",      "eventfd",   "directory", "only to write", "buffered",
                                     "in memory", "/dev/null", "O_PATH",    "closed"};
        const int others[] = {ends[0],
                              eventfd(3, EFD_NONBLOCK),
                              open("/", O_RDONLY | O_DIRECTORY),
                              data_file("disk", O_WRONLY | O_DIRECT),
                              data_file("disk", O_RDONLY),
                              data_file("memory", O_RDONLY),
                              open("/dev/null", O_RDONLY),
                              open("/", O_PATH),
                              -1};
        struct iocb cb;

        warm_up(ctx, fd);
        must(others[i] < 0 ? close(fd) == 0 : dup2(others[i], fd) == fd, "another file");
        prepare(&cb, fd, 9);
        if (say_submit(names[i], ctx, &cb) == 1) {
            say_events(ctx, 1, 2000);
        }
        must(dup2(kept, fd) == fd, "the file again");
    }
}

static void nowhere_to_put(void) {
    io_context_t ctx = context(depth);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    struct timespec limit = {2, 0};
    struct iocb cb[2];

    warm_up(ctx, fd);
    for (int i = 0; i < 2; i++) {
        prepare(&cb[i], fd, i);
        must(submit(ctx, &cb[i]) == 1, "io_submit");
    }
    printf("nowhere: %s\n", word(io_getevents(ctx, 1, 2, (void*)64, &limit)));
    printf("read-only memory: %s\n", word(io_getevents(ctx, 1, 2, (void*)"words that nobody may change...", &limit)));
    printf("then ");
    say_events(ctx, 2, 2000);
}

static void refused(void) {
    io_context_t ctx = context(depth);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    struct iocb cb;

    warm_up(ctx, fd);
    io_prep_pread(&cb, fd, buffer + 1, 4096, 0);
    if (say_submit("unaligned", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    warm_up(ctx, fd);
    io_prep_pread(&cb, fd, (void*)8, 4096, 0);
    if (say_submit("to nowhere", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    warm_up(ctx, fd);
    io_prep_pread(&cb, fd, buffer, 4096, 2 * BUFFER_BYTES);
    if (say_submit("behind the end", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    warm_up(ctx, fd);
    io_prep_pread(&cb, fd, buffer, 4096, -4096);
    say_submit("before the beginning", ctx, &cb);
    io_prep_pread(&cb, fd, (void*)(1UL << 63), 4096, 0);
    say_submit("to the kernel", ctx, &cb);
    io_prep_pread(&cb, fd, buffer, ~0UL, 0);
    say_submit("too much", ctx, &cb);
    io_prep_pread(&cb, fd, buffer, 4096, 0);
    cb.key = 7;
    if (say_submit("a key", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    printf("the key is %u\n", cb.key);
}

const struct behaviour direct_behaviours[] = {
    {"direct_ring_is_true", ring_is_true},
    {"direct_all_ways", all_ways},
    {"direct_same_iocb", same_iocb},
    {"direct_another_file", another_file},
    {"direct_nowhere_to_put", nowhere_to_put},
    {"direct_refused", refused},
    {NULL, NULL},
};
