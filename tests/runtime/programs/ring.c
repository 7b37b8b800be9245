/* SPDX-License-Identifier: Apache-2.0 */
/* The ring that an io_context_t points at, and what fits into it. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static unsigned there(struct aio_ring_header* ring) {
    return (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) + ring->nr - ring->head) % ring->nr;
}

static void header(void) {
    struct aio_ring_header* ring = ring_of(context(8));
    struct aio_ring_header* large = ring_of(context(1000));

    printf("magic %#x, compat %u, incompat %u, header %u, %s events, empty %s\n", ring->magic, ring->compat_features,
           ring->incompat_features, ring->header_length, ring->nr > 16 && ring->nr < 200 ? "enough" : "odd",
           there(ring) == 0 ? "yes" : "no");
    printf("1000 fit: %s\n", large->nr > 1000 ? "yes" : "no");
}

/* Nobody calls in: the events are there all the same. */
static void without_calls(void) {
    io_context_t ctx = context(8);
    struct aio_ring_header* ring = ring_of(ctx);
    int ends[2];
    struct iocb cb;
    struct io_event event;
    struct timespec zero = {0, 0};
    unsigned head;
    double limit = seconds() + 3;

    must(pipe(ends) == 0, "a pipe");
    io_prep_poll(&cb, ends[0], POLLIN);
    cb.data = (void*)4;
    submit(ctx, &cb);
    printf("pending: %u\n", there(ring));
    must(write(ends[1], "x", 1) == 1, "writing");
    while (there(ring) == 0 && seconds() < limit)
        ;
    printf("then: %u\n", there(ring));
    head = ring->head;
    printf("data %ld res %ld\n", (long)ring->events[head].data, (long)ring->events[head].res);
    __atomic_store_n(&ring->head, (head + 1) % ring->nr, __ATOMIC_RELEASE);
    printf("taken; io_getevents %s\n", word(io_getevents(ctx, 0, 1, &event, &zero)));
}

/* As fio does with userspace_reap: thousands of requests, and never a call to reap. */
static void taken_by_hand(void) {
    static const char* const places[] = {"memory", "disk"};

    for (int place = 0; place < 2; place++) {
        io_context_t ctx = context(16);
        struct aio_ring_header* ring = ring_of(ctx);
        int fd = data_file(places[place], O_RDONLY | (place ? O_DIRECT : 0));
        struct iocb cb[16];
        int wrong = 0;
        int done = 0;

        for (int i = 0; i < 16; i++) {
            io_prep_pread(&cb[i], fd, buffer + i * 4096, 4096, i * 4096);
            cb[i].data = &cb[i];
            wrong += submit(ctx, &cb[i]) != 1;
        }
        while (done < 2000) {
            unsigned head = ring->head;
            struct io_event event;

            if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
                continue;
            }
            event = ring->events[head];
            __atomic_store_n(&ring->head, (head + 1) % ring->nr, __ATOMIC_RELEASE);
            wrong += (long)event.res != 4096 || event.obj != event.data;
            done++;
            if (done + 16 <= 2000) {
                wrong += submit(ctx, event.obj) != 1;
            } else if (done >= 2000 - 15) {
                break;
            }
        }
        printf("%s: %d wrong\n", places[place], wrong);
        io_destroy(ctx);
        close(fd);
    }
}

static void full(void) {
    io_context_t ctx = context(8);
    static struct iocb cb[4096];
    static struct iocb* list[4096];
    static struct io_event events[4096];
    struct timespec limit = {1, 0};
    int ends[2];
    int accepted = 0;
    int result = 0;
    int more;

    must(pipe(ends) == 0, "a pipe");
    for (int i = 0; i < 4096; i++) {
        io_prep_poll(&cb[i], ends[0], POLLIN);
        list[i] = &cb[i];
    }
    while (accepted < 4096 && (result = submit(ctx, &cb[accepted])) == 1) {
        accepted++;
    }
    printf("pending ones: %s, then io_submit %s\n", accepted >= 8 && accepted < 200 ? "enough" : "odd", word(result));
    printf("a batch when full: %s\n", word(io_submit(ctx, 20, list)));
    must(write(ends[1], "x", 1) == 1, "writing");
    usleep(100000);
    printf("all fired, not reaped: io_submit %s\n", word(submit(ctx, &cb[4000])));
    result = io_getevents(ctx, accepted, 4096, events, &limit);
    printf("all reaped: %s\n", result == accepted ? "yes" : "no");
    more = io_submit(ctx, 4096, list);
    printf("a batch larger than the ring: %s\n", more >= 8 && more < 200 ? "what fits" : word(more));
    result = io_getevents(ctx, more, 4096, events, &limit);
    printf("all of it reaped: %s\n", result == more ? "yes" : "no");
}

/* Who is woken by the eventfd finds the event in the ring. */
static void eventfd_after_event(void) {
    io_context_t ctx = context(8);
    struct aio_ring_header* ring = ring_of(ctx);
    int fd = eventfd(0, EFD_NONBLOCK);
    int missing = 0;
    unsigned long signals = 0;
    int ends[2];

    must(pipe(ends) == 0, "a pipe");
    for (int i = 0; i < 200; i++) {
        struct pollfd about = {fd, POLLIN, 0};
        struct iocb cb;
        struct io_event event;
        struct timespec zero = {0, 0};
        unsigned long value = 0;
        char byte;

        io_prep_poll(&cb, ends[0], POLLIN);
        io_set_eventfd(&cb, fd);
        if (i % 2 == 0) {
            submit(ctx, &cb);
        }
        must(write(ends[1], "x", 1) == 1, "writing");
        if (i % 2 == 1) {
            submit(ctx, &cb);
        }
        poll(&about, 1, 3000);
        missing += there(ring) != 1;
        if (read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value)) {
            signals += value;
        }
        missing += io_getevents(ctx, 1, 1, &event, &zero) != 1;
        must(read(ends[0], &byte, 1) == 1, "reading");
    }
    printf("missing %d, signalled %lu times\n", missing, signals);
}

static void eventfd_of_reads(void) {
    static const char* const places[] = {"memory", "disk", "disk"};

    for (int place = 0; place < 3; place++) {
        io_context_t ctx = context(64);
        int fd = eventfd(0, 0);
        int file = data_file(places[place], O_RDONLY | (place == 2 ? O_DIRECT : 0));
        struct iocb cb[32];
        struct iocb* list[32];
        unsigned long sum = 0;

        for (int i = 0; i < 32; i++) {
            io_prep_pread(&cb[i], file, buffer + i * 4096, 4096, i * 4096);
            io_set_eventfd(&cb[i], fd);
            list[i] = &cb[i];
        }
        printf("io_submit %s\n", word(io_submit(ctx, 32, list)));
        while (sum < 32) {
            unsigned long value = 0;

            must(read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value), "reading the eventfd");
            sum += value;
        }
        printf("%s: signalled %lu times, in the ring %u\n", places[place], sum, there(ring_of(ctx)));
        io_destroy(ctx);
    }
}

const struct behaviour ring_behaviours[] = {
    {"ring_header", header},
    {"ring_without_calls", without_calls},
    {"ring_taken_by_hand", taken_by_hand},
    {"ring_full", full},
    {"ring_eventfd_after_event", eventfd_after_event},
    {"ring_eventfd_of_reads", eventfd_of_reads},
    {NULL, NULL},
};
